"""How events travel: what was packed comes out, and nothing that came from elsewhere does harm."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenehub.server.bus.envelope import FORMAT, Envelope, Malformed, events_of

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
events = st.lists(st.dictionaries(st.text(), plain, max_size=4), max_size=20)


@given(events)
def test_a_message_holds_the_events_that_were_packed(sent: list[dict[str, Any]]) -> None:
    envelope = Envelope("node", "1")
    assert events_of(envelope.message([envelope.event(event) for event in sent])) == sent


def test_more_events_than_a_short_header_can_count_fit_in_a_message() -> None:
    envelope = Envelope("node", "1")
    sent = [{"n": number} for number in range(70_000)]
    assert events_of(envelope.message([envelope.event(event) for event in sent])) == sent


def test_a_sender_knows_its_own_messages_and_nobody_elses() -> None:
    ours = Envelope("node", "1")
    for node, generation in [("node", "2"), ("node", "11"), ("node1", ""), ("nod", "e1"), ("n", "1")]:
        theirs = Envelope(node, generation).message([])
        assert not ours.is_own(theirs)
    assert ours.is_own(Envelope("node", "1").message([ours.event({"n": 1})]))


MALFORMED = {
    "nothing": b"",
    "no msgpack": b"\xc1",
    "cut short": Envelope("n", "1").message([b"\x81\xa1n\x01"])[:-1],
    "more behind it": Envelope("n", "1").message([]) + b"\xc0",
    "a scalar": msgpack.packb(FORMAT),
    "a list of another length": msgpack.packb([FORMAT, "n", "1"]),
    "another format": msgpack.packb([FORMAT + 1, "n", "1", []]),
    "a sender that is no text": msgpack.packb([FORMAT, 1, "1", []]),
    "events that are no list": msgpack.packb([FORMAT, "n", "1", {}]),
    "an event that is no map": msgpack.packb([FORMAT, "n", "1", [{}, 7]]),
    "a key that cannot be one": msgpack.packb([FORMAT, "n", "1"])[:-2] + b"\xa11\x91\x81\x90\x00",
    "deeper than anything": b"\x91" * 100_000,
    "text that is no UTF-8": b"\x94\x01\xa1\xff\xa11\x90",
}


@pytest.mark.parametrize("why", MALFORMED)
def test_what_no_node_has_sent_is_refused(why: str) -> None:
    with pytest.raises(Malformed):
        events_of(MALFORMED[why])


@given(st.binary(max_size=200))
def test_noise_is_events_or_malformed_and_nothing_else(noise: bytes) -> None:
    try:
        found = events_of(noise)
    except Malformed:
        return
    assert isinstance(found, list)
