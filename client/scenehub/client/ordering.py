"""Ordering: which index a caller means, and the key that puts a scene there (O6)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from scenehub.protocol import order
from scenehub.protocol.document import Scene
from scenehub.protocol.ops import SceneMove

Move = tuple[str, tuple[SceneMove, ...]]
"""The new key, and the neighbours that must be given another one in the same edit."""


def place(scenes: Sequence[Scene], index: int | None, chance: Random) -> Move:
    """Where a scene goes that is to stand at `index` of `scenes` (which do not hold it); None is the end."""
    at = len(scenes) if index is None else max(0, min(len(scenes), index if index >= 0 else len(scenes) + 1 + index))
    found = order.place(scenes, at, chance.random())
    return found.position, found.moves
