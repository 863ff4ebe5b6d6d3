"""Every promise has a test that names it, and no test names a promise that nobody made."""

from __future__ import annotations

import re

from tests.checks.tree import REPOSITORY

PROMISES = REPOSITORY / "docs" / "explanation" / "promises.md"
RULE = re.compile(r"\b[OSENM][1-9]\b")
SPAN = re.compile(r"\b([OSENM])([1-9])–\1([1-9])\b")


def promised() -> set[str]:
    return set(re.findall(r"^- \*\*([OSENM][1-9])\*\* ", PROMISES.read_text(encoding="utf-8"), re.MULTILINE))


def named_in_tests() -> set[str]:
    """The rules that single tests name; a span (O1–O8) proves nothing about each of its rules."""
    texts = (path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    return {rule for text in texts for rule in RULE.findall(SPAN.sub("", text))}


def test_every_promise_has_a_test_that_names_it() -> None:
    assert sorted(promised() - named_in_tests()) == []


def test_every_rule_that_a_test_names_is_promised() -> None:
    assert sorted(named_in_tests() - promised()) == []


def test_rules_are_numbered_without_a_gap() -> None:
    for letter in "OSENM":
        numbers = sorted(int(rule[1:]) for rule in promised() if rule[0] == letter)
        assert numbers == list(range(1, len(numbers) + 1)), letter
