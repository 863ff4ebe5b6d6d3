"""Ordering: the key that puts a scene at an index (O6), through `fractional-indexing`. The one seam to that library."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from fractional_indexing import generate_n_keys_between

from scenehub.protocol.document import Scene
from scenehub.protocol.ops import SceneMove

JITTER = 16
"""Keys to choose from by chance, so that two clients that insert at one place seldom choose the same."""

Move = tuple[str, tuple[SceneMove, ...]]
"""The new key, and the neighbours that must be given another one in the same edit."""


def place(scenes: Sequence[Scene], index: int | None, chance: Random) -> Move:
    """Where a scene goes that is to stand at `index` of `scenes` (which do not hold it); None is the end."""
    at = len(scenes) if index is None else max(0, min(len(scenes), index if index >= 0 else len(scenes) + 1 + index))
    before = scenes[at - 1].position if at > 0 else None
    twins = [scene for scene in scenes[at:] if before is not None and scene.position <= before]
    beyond = at + len(twins)
    after = scenes[beyond].position if beyond < len(scenes) else None
    if not twins:
        return chance.choice(keys(before, after, JITTER)), ()
    first, *others = keys(before, after, len(twins) + 1)
    moves = (SceneMove(id=twin.id, position=key) for twin, key in zip(twins, others, strict=True))
    return first, tuple(moves)


def keys(before: str | None, after: str | None, count: int) -> list[str]:
    """`count` keys in order, between two others."""
    made: list[str] = generate_n_keys_between(before, after, count)
    return made
