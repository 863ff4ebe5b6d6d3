"""Backlog: happenings that a consumer has not taken yet. Bounded: who is too slow looks at all anew."""

from __future__ import annotations

from collections import deque

from scenehub.protocol.happenings import Changed, Happening

MOST = 1024
"""Happenings that wait for one consumer."""


class Backlog:
    """A queue of happenings; when it is full, all are replaced by one `Changed(None)`."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: deque[Happening] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, happening: Happening) -> None:
        """Add one, or give up on all of them."""
        if len(self._waiting) >= self._most:
            self._waiting.clear()
            happening = Changed(None)
        self._waiting.append(happening)

    def take(self) -> Happening:
        """The oldest. Raises IndexError when there is none."""
        return self._waiting.popleft()
