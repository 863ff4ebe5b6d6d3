"""When a client comes back, where, and when it does not (design §6, close codes)."""

from __future__ import annotations

from scenehub.client.address import addresses
from scenehub.client.reconnect import Again, Route, Stop, Timing
from scenehub.protocol.closing import Close


def route(*urls: str, can_renew: bool = False) -> Route:
    return Route(addresses(urls or ("http://a/p/x",)), Timing(), can_renew)


def test_delays_double_up_to_five_seconds_and_chance_halves_them_at_most() -> None:
    later = route()
    full = [later.failed(1.0).after for _ in range(10)]
    assert full[:3] == [0.05, 0.1, 0.2]
    assert full[-1] == 5.0
    assert later.failed(0.0) == Again(2.5)


def test_each_node_is_tried_before_the_delay_grows() -> None:
    both = route("http://a/p/x", "http://b/p/x")
    tried = [(both.node.host, both.failed(1.0).after) for _ in range(4)]
    assert tried == [("a", 0.05), ("b", 0.05), ("a", 0.1), ("b", 0.1)]


def test_success_starts_with_short_delays_again() -> None:
    later = route()
    for _ in range(5):
        later.failed(1.0)
    later.succeeded()
    assert later.failed(1.0) == Again(0.05)


def test_what_the_hub_asks_for_is_waited_for() -> None:
    assert route().closed(Close.STOPPING, "", 2.0, 1.0) == Again(2.0)
    assert route().closed(None, "", 0.0, 1.0) == Again(0.05)
    assert route().closed(Close.HISTORY_REPLACED, "", 0.5, 1.0) == Again(0.5)


def test_a_40xx_is_final() -> None:
    assert route(can_renew=True).closed(Close.REMOVED, "you were removed", 0.0, 1.0) == Stop(4005, "you were removed")


def test_a_41xx_is_final_without_a_source_of_tokens_and_after_three_fresh_ones() -> None:
    match route().closed(Close.TOKEN_EXPIRED, "the token has expired", 0.0, 1.0):
        case Stop(4100, words):
            assert "give connect() a function" in words
        case other:
            raise AssertionError(other)
    renewing = route(can_renew=True)
    steps = [renewing.closed(Close.TOKEN_INVALID, "no", 0.0, 1.0) for _ in range(3)]
    assert [type(step) for step in steps] == [Again, Again, Stop]
