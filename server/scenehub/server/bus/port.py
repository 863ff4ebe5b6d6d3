"""The bus's port: events between the nodes that have a project live. Never truth: it may lose, repeat and delay (N3).

Adapters: `redis.py` (real) and `memory.py` (its twin, for one process).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Deliver = Callable[[dict[str, Any]], None]


class Bus(Protocol):
    """Publish and subscribe by project. No method raises because the bus is away."""

    def publish(self, project: str, event: dict[str, Any]) -> None:
        """Tell the other nodes, at the end of this turn of the loop, packed with the turn's other events.

        The event is plain (msgpack types). While the bus is away it is dropped.
        """
        ...

    def subscribe(self, project: str, deliver: Deliver) -> None:
        """Hear every event that other nodes (never this one) publish for a project, in order of arrival."""
        ...

    def unsubscribe(self, project: str) -> None:
        """Hear no more of a project."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the bus was in reach when last tried."""
        ...
