"""The queue of events that wait to be written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scenehub.server.bus.outgoing import OVERHEAD, Outgoing


def test_events_leave_in_order_together_with_those_of_their_channel() -> None:
    queue = Outgoing(10_000)
    for channel, event in [(b"p", b"1"), (b"q", b"2"), (b"p", b"3")]:
        assert queue.add(channel, event) == 0
    assert queue.take(10_000) == {b"p": [b"1", b"3"], b"q": [b"2"]}
    assert (len(queue), queue.size) == (0, 0)


def test_a_portion_is_about_its_size_and_never_nothing() -> None:
    queue = Outgoing(100_000)
    for _ in range(10):
        queue.add(b"p", bytes(1000))
    assert len(queue.take(1)[b"p"]) == 1
    assert len(queue.take(3000)[b"p"]) == 3
    assert len(queue.take(10**9)[b"p"]) == 6
    assert queue.take(1) == {}


def test_when_it_is_full_the_oldest_go() -> None:
    queue = Outgoing(3 * (1 + OVERHEAD))
    assert [queue.add(b"p", event) for event in (b"1", b"2", b"3", b"4", b"5")] == [0, 0, 0, 1, 1]
    assert queue.take(10**9) == {b"p": [b"3", b"4", b"5"]}


def test_an_event_larger_than_the_queue_is_dropped_without_costing_the_others() -> None:
    queue = Outgoing(1000)
    queue.add(b"p", b"1")
    assert queue.add(b"p", bytes(1000)) == 1
    assert queue.take(10**9) == {b"p": [b"1"]}


@given(st.lists(st.tuples(st.sampled_from([b"p", b"q"]), st.binary(max_size=400), st.integers(0, 900))))
def test_it_never_grows_above_its_bound_and_every_event_is_taken_or_dropped(
    steps: list[tuple[bytes, bytes, int]],
) -> None:
    queue = Outgoing(1000)
    dropped = taken = 0
    for channel, event, portion in steps:
        dropped += queue.add(channel, event)
        assert queue.size <= 1000
        if portion > 600:
            taken += sum(map(len, queue.take(portion).values()))
    assert dropped + taken + len(queue) == len(steps)
    assert queue.clear() + dropped + taken == len(steps)
    assert queue.size == 0
