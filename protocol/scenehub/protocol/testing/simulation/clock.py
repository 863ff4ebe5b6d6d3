"""Virtual time: a heap of what is to happen. Nothing waits; a minute of a deployment passes in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

Deed = Callable[[], None]


class Clock:
    """What happens when; times in seconds. What is due at one time happens in the order in which it was asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Deed]] = []
        self._order = count()

    def at(self, when: float, deed: Deed) -> None:
        """Have something happen at a time, now at the earliest."""
        heappush(self._due, (max(when, self.now), next(self._order), deed))

    def after(self, delay: float, deed: Deed) -> None:
        """Have something happen in `delay` seconds."""
        self.at(self.now + delay, deed)

    def run_until(self, end: float) -> None:
        """Let time pass."""
        due = self._due
        while due and due[0][0] <= end:
            self.now, _, deed = heappop(due)
            deed()
        self.now = max(self.now, end)

    def wall(self, now: float) -> int:
        """Milliseconds UTC of this world, which begins in 2026."""
        return 1_767_225_600_000 + int(now * 1000)
