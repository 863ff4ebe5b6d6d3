"""Places of scenes by fractional keys (O6)."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenehub.protocol.order import LONG_KEY, is_key, keys_between, place, rebalanced
from scenehub.protocol.scalars import MAX_POSITION_CHARACTERS

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Placed(NamedTuple):
    """A scene in its place, ordered as the hub orders them."""

    position: str
    id: str


SCENES = st.lists(st.text(DIGITS, min_size=1, max_size=4), max_size=12).map(
    lambda keys: sorted(Placed(key, f"s{index}") for index, key in enumerate(keys))
)
JITTER = st.floats(0, 1, exclude_max=True)


def insert(scenes: list[Placed], index: int, jitter: float, id: str) -> list[Placed]:
    """The scenes after the insertion, in the hub's order."""
    position, moves = place(scenes, index, jitter)
    moved = {move.id: move.position for move in moves}
    after = [Placed(moved.get(scene.id, scene.position), scene.id) for scene in scenes]
    return sorted([*after, Placed(position, id)])


@given(SCENES, st.data(), JITTER)
def test_a_scene_stands_where_it_was_put_whatever_keys_its_neighbours_have(
    scenes: list[Placed], data: st.DataObject, jitter: float
) -> None:
    index = data.draw(st.integers(0, len(scenes)))
    after = insert(scenes, index, jitter, "new")
    assert [scene.id for scene in after] == [
        *(scene.id for scene in scenes[:index]), "new", *(scene.id for scene in scenes[index:])
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 100), JITTER), max_size=40))
def test_among_keys_of_its_own_nothing_but_the_new_scene_gets_a_key(places: list[tuple[int, float]]) -> None:
    scenes: list[Placed] = []
    for number, (index, jitter) in enumerate(places):
        at = index % (len(scenes) + 1)
        assert place(scenes, at, jitter).moves == ()
        scenes = insert(scenes, at, jitter, f"s{number}")
    assert all(is_key(scene.position) for scene in scenes)


def test_between_equal_keys_the_neighbours_get_others_in_the_same_edit() -> None:
    scenes = [Placed("a1", "s1"), Placed("a1", "s2"), Placed("a3", "s3")]
    position, moves = place(scenes, 1, 0.5)
    assert [move.id for move in moves] == ["s2"]
    assert "a1" < position < moves[0].position < "a3"


def test_two_clients_with_different_jitter_choose_different_keys() -> None:
    scenes = [Placed("a1", "s1"), Placed("a2", "s2")]
    assert len({place(scenes, 1, turn / 16).position for turn in range(16)}) == 16


def test_keys_that_have_grown_long_are_given_anew_in_their_order() -> None:
    scenes = [Placed("a1", "s1")]
    while len(scenes[-2:][0].position) <= LONG_KEY:
        scenes = sorted([*scenes, Placed(keys_between("a1", scenes[1].position if scenes[1:] else None, 1)[0],
                                         f"s{len(scenes) + 1}")])  # fmt: skip
        if len(scenes) > 700:
            break
    longest = max(len(scene.position) for scene in scenes)
    moves = rebalanced(scenes)
    if longest <= LONG_KEY:
        assert moves == ()
        return
    fresh = {move.id: move.position for move in moves}
    after = [Placed(fresh.get(scene.id, scene.position), scene.id) for scene in scenes]
    assert after == sorted(after)
    assert max(len(scene.position) for scene in after) < 6
    assert longest < MAX_POSITION_CHARACTERS


def test_short_keys_are_left_alone() -> None:
    assert rebalanced([Placed("a1", "s1"), Placed("a1", "s2")]) == ()


def test_there_is_no_place_beyond_the_end() -> None:
    with pytest.raises(IndexError):
        place([], 1, 0.0)
