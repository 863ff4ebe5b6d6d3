"""The queue of events that wait to be written: bounded in bytes, the oldest go first when it is full."""

from __future__ import annotations

from collections import deque

__all__ = ["Outgoing"]

#: What an event costs beside its bytes (a tuple, a bytes object, a place in the queue), so that the bound holds.
OVERHEAD = 128


class Outgoing:
    """Packed events by channel, in the order in which they were published."""

    def __init__(self, bound: int) -> None:
        """``bound`` is in bytes, overhead included."""
        self._bound = bound
        self._size = 0
        self._waiting: deque[tuple[bytes, bytes]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def size(self) -> int:
        """Bytes, never above the bound."""
        return self._size

    def add(self, channel: bytes, event: bytes) -> int:
        """Append an event; return how many events were dropped for it, itself included if it alone is too large."""
        cost = len(event) + OVERHEAD
        if cost > self._bound:
            return 1
        dropped = 0
        while self._size + cost > self._bound:
            self._pop()
            dropped += 1
        self._waiting.append((channel, event))
        self._size += cost
        return dropped

    def take(self, portion: int) -> dict[bytes, list[bytes]]:
        """Remove the oldest events, about ``portion`` bytes of them and at least one, and return them by channel."""
        taken: dict[bytes, list[bytes]] = {}
        stop_at = self._size - portion
        while self._waiting and (self._size > stop_at or not taken):
            channel, event = self._pop()
            taken.setdefault(channel, []).append(event)
        return taken

    def clear(self) -> int:
        """Drop everything; return how many events that were."""
        dropped = len(self._waiting)
        self._waiting.clear()
        self._size = 0
        return dropped

    def _pop(self) -> tuple[bytes, bytes]:
        channel, event = self._waiting.popleft()
        self._size -= len(event) + OVERHEAD
        return channel, event
