"""What a bus has done since it was made: plain numbers, read by the metrics."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counts"]


@dataclass(slots=True)
class Counts:
    """All but `malformed` (messages) and `reconnects` count events.

    What was handed to `publish` is, once the bus is idle, either published or dropped; an event on its way when the
    connection broke counts as dropped, though it may have arrived.
    """

    published: int = 0
    received: int = 0
    dropped: int = 0
    malformed: int = 0
    reconnects: int = 0
