"""Three-way merge of code (O4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenehub.protocol.merging import merge_text

TEXTS = st.lists(st.sampled_from("abcde"), max_size=8).map("\n".join)


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "merged"),
    [
        ("a\nb\nc", "A\nb\nc", "a\nb\nC", "A\nb\nC"),
        ("a\nb\nc", "A\nb\nc", "X\nb\nc", None),
        ("a\nb\nc", "a\nb\nc", "x", "x"),
        ("a", "x", "a", "x"),
        ("a", "x", "x", "x"),
        ("", "x", "", "x"),
    ],
)
def test_what_does_not_overlap_is_brought_together(base: str, mine: str, theirs: str, merged: str | None) -> None:
    assert merge_text(base, mine, theirs) == merged


@given(TEXTS, TEXTS)
def test_who_changed_nothing_loses_nothing(base: str, other: str) -> None:
    assert merge_text(base, base, other) == other
    assert merge_text(base, other, base) == other
    assert merge_text(base, other, other) == other


@given(TEXTS, TEXTS, TEXTS)
def test_sides_are_alike(base: str, mine: str, theirs: str) -> None:
    assert (merge_text(base, mine, theirs) is None) == (merge_text(base, theirs, mine) is None)


@given(
    TEXTS,
    st.lists(st.sampled_from("MN"), min_size=1, max_size=3),
    st.lists(st.sampled_from("TU"), min_size=1, max_size=3),
)
def test_additions_at_both_ends_are_both_kept(base: str, mine: list[str], theirs: list[str]) -> None:
    middle = "a\nb\nc"
    text = f"{middle}\n{base}\n{middle}"
    merged = merge_text(text, "\n".join([*mine, text]), "\n".join([text, *theirs]))
    assert merged == "\n".join([*mine, text, *theirs])
