"""The simulated bus: loses, doubles and delays events, keeps each publisher's order, reorders across publishers."""

from __future__ import annotations

from random import Random
from typing import Any, Protocol

import msgpack

from .climate import Climate
from .clock import Clock


class Listener(Protocol):
    """A node that hears events."""

    name: str
    life: int

    def heard(self, life: int, event: dict[str, Any]) -> None:
        """An event came for the life that it was sent to."""


class SimulatedBus:
    """All nodes hear each other, more or less."""

    def __init__(self, clock: Clock, chance: Random, climate: Climate) -> None:
        self.away = False
        self.calm = False
        self.nodes: list[Listener] = []
        self._clock = clock
        self._chance = chance
        self._climate = climate
        self._last: dict[tuple[str, int, str], float] = {}

    def publish(self, node: Listener, event: dict[str, Any]) -> None:
        """Tell the others, as bytes like a real bus does."""
        if self.away or len(self.nodes) == 1:
            return
        packed = msgpack.packb(event)
        for other in self.nodes:
            if other is not node:
                self._send(node, other, packed)

    def _send(self, node: Listener, other: Listener, packed: bytes) -> None:
        if not self.calm and self._chance.random() < self._climate.bus_loss:
            return
        path = (node.name, node.life, other.name)
        delay = 0.002 if self.calm else self._chance.random() * self._climate.bus_delay
        when = max(self._clock.now + delay, self._last.get(path, 0.0))
        self._last[path] = when
        self._deliver(when, other, packed)
        if not self.calm and self._chance.random() < self._climate.bus_doubles:
            self._deliver(when + self._chance.random() * 3 * self._climate.bus_delay + 0.1, other, packed)

    def _deliver(self, when: float, other: Listener, packed: bytes) -> None:
        life = other.life
        self._clock.at(when, lambda: other.heard(life, msgpack.unpackb(packed)))
