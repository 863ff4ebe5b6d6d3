"""Close codes and limits: small tables that every client reads alike (design §6)."""

from __future__ import annotations

import pytest

from scenehub.protocol.closing import Close, ComeBack, come_back
from scenehub.protocol.limits import REJECTS_KEPT, Limits, TokenBucket


@pytest.mark.parametrize("code", list(Close))
def test_the_range_of_a_close_code_says_whether_to_come_back(code: Close) -> None:
    expected = {40: ComeBack.NO, 41: ComeBack.WITH_NEW_TOKEN, 42: ComeBack.LATER, 43: ComeBack.AFRESH}
    assert come_back(code) is expected[code // 100]


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1012, 4500])
def test_anything_else_means_later(code: int | None) -> None:
    assert come_back(code) is ComeBack.LATER


def test_a_resume_knows_the_outcome_of_every_edit_that_may_be_under_way() -> None:
    """E1."""
    assert Limits().in_flight <= REJECTS_KEPT


def test_a_bucket_refills_with_time_and_not_beyond_its_burst() -> None:
    bucket = TokenBucket.full(10.0, 2.0, 0.0)
    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]
    assert bucket.take(0.1)
    assert [bucket.take(60.0) for _ in range(3)] == [True, True, False]


def test_a_clock_that_goes_back_refills_nothing() -> None:
    bucket = TokenBucket.full(10.0, 1.0, 10.0)
    assert bucket.take(10.0)
    assert not bucket.take(1.0)
