"""The bus's twin for one process: several nodes on one medium, which tests can take away or make lossy.

Messages are packed as the real adapter's are, so an event arrives as a copy and with the types that it has there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

from scenehub.server.bus.counts import Counts
from scenehub.server.bus.envelope import Envelope, events_of, hear
from scenehub.server.bus.port import Deliver

__all__ = ["Medium", "MemoryBus"]

Loses = Callable[[str, dict[str, Any]], bool]


class Medium:
    """What the nodes of one process share. ``loses`` says of an event of a project that it does not arrive."""

    def __init__(self) -> None:
        self.loses: Loses | None = None
        self._away = False
        self._members: list[MemoryBus] = []

    def bus(self, node: str, generation: str = "1", *, on_restored: Callable[[], None] | None = None) -> MemoryBus:
        """A node's place on it: ``async with medium.bus(node) as bus``."""
        return MemoryBus(self, node, generation, on_restored)

    @property
    def away(self) -> bool:
        return self._away

    @away.setter
    def away(self, away: bool) -> None:
        back = self._away and not away
        self._away = away
        for member in list(self._members) if back else []:
            member.restore()

    def join(self, bus: MemoryBus) -> None:
        self._members.append(bus)

    def leave(self, bus: MemoryBus) -> None:
        self._members.remove(bus)

    def carry(self, sender: MemoryBus, project: str, events: list[bytes]) -> None:
        """Hand one message to every member but its sender."""
        kept = [event for event in events if not self._lost(sender.envelope, project, event)]
        message = sender.envelope.message(kept)
        for member in list(self._members):
            member.take(project, message)

    def _lost(self, envelope: Envelope, project: str, event: bytes) -> bool:
        return self.loses is not None and self.loses(project, events_of(envelope.message([event]))[0])


class MemoryBus:
    """One node's place on a medium."""

    def __init__(self, medium: Medium, node: str, generation: str, on_restored: Callable[[], None] | None) -> None:
        self.counts = Counts()
        self.envelope = Envelope(node, generation)
        self._medium = medium
        self._on_restored = on_restored
        self._joined = False
        self._waiting: dict[str, list[bytes]] = {}
        self._listeners: dict[str, Deliver] = {}

    async def __aenter__(self) -> Self:
        self._medium.join(self)
        self._joined = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._flush()
        self._joined = False
        self._medium.leave(self)

    @property
    def connected(self) -> bool:
        return self._joined and not self._medium.away

    def publish(self, project: str, event: dict[str, Any]) -> None:
        """As the port says. Raises TypeError, ValueError or OverflowError for an event that is not plain."""
        packed = self.envelope.event(event)
        if not self.connected:
            self.counts.dropped += 1
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.setdefault(project, []).append(packed)

    def subscribe(self, project: str, deliver: Deliver) -> None:
        """As the port says; a second time, ``deliver`` takes the place of the first."""
        self._listeners[project] = deliver

    def unsubscribe(self, project: str) -> None:
        self._listeners.pop(project, None)

    def take(self, project: str, message: bytes) -> None:
        """What the medium brings."""
        if project in self._listeners and not self.envelope.is_own(message):
            hear(message, project, self._listeners, self.counts)

    def restore(self) -> None:
        """The medium is back."""
        self.counts.reconnects += 1
        if self._on_restored is not None:
            self._on_restored()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for project, events in waiting.items():
            if self.connected:
                self.counts.published += len(events)
                self._medium.carry(self, project, events)
            else:
                self.counts.dropped += len(events)
