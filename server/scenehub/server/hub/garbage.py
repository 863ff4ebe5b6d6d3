"""Garbage: when the interpreter looks for reference cycles, in a process that holds many long-lived objects.

By default CPython looks through the young objects at every 700 more of them, which is every 20 edits, and again with
the middle-aged at every 7,000. An edit's objects are no cycles and most die by themselves when it is saved, so that
found nothing and took a third of the time at saturation. What makes cycles are connections that end, and they are few.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 400_000
"""So many more objects than before and the young are looked through (50 ms, and the caches are cold afterwards): more
than the 290,000 of 8,000 edits without an outcome, which come and go by themselves, so that only what stays counts."""
MIDDLE: Final = 2
"""The third time with the middle-aged: seldom and large would be a longer pause."""
OLD: Final = 50
"""And after so many of those all, if a quarter of them is new."""


def settle() -> None:
    """Call once when the process has everything it starts with: what exists now is never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
