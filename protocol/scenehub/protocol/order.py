"""Order of scenes (O6): fractional keys between neighbours, by the `fractional-indexing` library.

Keys are base 62 and compared as bytes; equal keys are told apart by the scene's id. This module is the one seam to the
library, which has no types. Two clients that insert at one place at once choose different keys by their jitter; where
keys are equal or unusable all the same, the neighbours get new ones in the same edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from fractional_indexing import FIError, generate_n_keys_between, validate_order_key

from .ops import SceneMove

CHOICES = 16
"""Keys of one place among which the jitter chooses."""

LONG_KEY = 100
"""Characters of a key above which the scenes are given new keys, far below what a key may have."""


class Placed(Protocol):
    """A scene in its place."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def position(self) -> str:
        """Its key."""


class Place(NamedTuple):
    """A key for a scene, and what its neighbours need for it in the same edit."""

    position: str
    moves: tuple[SceneMove, ...] = ()


def place(scenes: Sequence[Placed], index: int, jitter: float) -> Place:
    """Where a scene goes that is to stand at `index` of `scenes`, which are in order and do not hold it.

    `jitter` in [0, 1) is chance of the client's own. Raises IndexError when there is no such place.
    """
    if not 0 <= index <= len(scenes):
        raise IndexError(f"there is no place {index} among {len(scenes)} scenes")
    first, last = _usable(scenes, index)
    before = scenes[first - 1].position if first > 0 else None
    after = scenes[last].position if last < len(scenes) else None
    if first == last:
        return Place(keys_between(before, after, CHOICES)[int(jitter * CHOICES) % CHOICES])
    around = [*scenes[first:index], *scenes[index:last]]
    keys = keys_between(before, after, len(around) + 1)
    own = keys.pop(index - first)
    return Place(own, _moves(around, keys))


def rebalanced(scenes: Sequence[Placed]) -> tuple[SceneMove, ...]:
    """New keys for scenes in order, none when all keys are short enough."""
    if all(len(scene.position) <= LONG_KEY for scene in scenes):
        return ()
    return _moves(scenes, keys_between(None, None, len(scenes)))


def _moves(scenes: Sequence[Placed], keys: Sequence[str]) -> tuple[SceneMove, ...]:
    return tuple(
        SceneMove(id=scene.id, position=key) for scene, key in zip(scenes, keys, strict=True) if scene.position != key
    )


def _usable(scenes: Sequence[Placed], index: int) -> tuple[int, int]:
    """The least stretch of scenes around a place that must be given new keys: from, to (empty: from = to = index)."""
    first = last = index
    while first > 0 and not is_key(scenes[first - 1].position):
        first -= 1
    before = scenes[first - 1].position if first > 0 else None
    while last < len(scenes) and not _is_after(scenes[last].position, before):
        last += 1
    return first, last


def _is_after(key: str, before: str | None) -> bool:
    return is_key(key) and (before is None or key > before)


def is_key(text: str) -> bool:
    """Whether a position is a key that others can be made next to: a client may have sent any text."""
    try:
        validate_order_key(text)
    except FIError:
        return False
    return True


def keys_between(before: str | None, after: str | None, count: int) -> list[str]:
    """`count` keys in order between two others; None is the beginning or the end."""
    keys: list[str] = generate_n_keys_between(before, after, count)
    return keys
