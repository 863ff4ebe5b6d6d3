"""Garbage: when the interpreter looks for reference cycles, in a process that holds many long-lived objects.

By default CPython looks through the young objects every 700 allocations, which is every 20 edits, and through all of
them when a quarter is new. What a hub holds (rooms, fields, connections) lives long and makes no cycles, so both looks
find nothing: at saturation with a growing heap they took a third of the time.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 50_000
"""Objects made and not freed between two looks at the young ones: 1–3 ms each."""
MIDDLE: Final = 20
OLD: Final = 100
"""Looks at the young before one at the middle-aged, and of those before one at all (if a quarter of all is new)."""


def settle() -> None:
    """Call once when the process has everything it starts with: what exists now is never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
