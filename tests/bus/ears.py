"""What the bus's tests listen with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from scenehub.server.bus import Bus


async def until(holds: Callable[[], object], within: float = 10.0) -> None:
    """Let the loop turn until the condition holds; TimeoutError after ``within`` seconds."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - what it waits for happens in another process
            await asyncio.sleep(0.002)


class Ear:
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def __call__(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    @property
    def numbers(self) -> list[int]:
        """What `numbered` events it heard."""
        return [event["n"] for event in self.events if "n" in event]

    async def listen(self, bus: Bus, project: str, speaker: Bus) -> None:
        """Subscribe, and return when the speaker is heard: a subscription takes its time to reach the server."""
        bus.subscribe(project, self)
        await self.hear(project, speaker)

    async def hear(self, project: str, speaker: Bus) -> None:
        """Return when the speaker is heard, with nothing of it still on its way."""
        probes = 0
        heard = len(self.events)

        def asked() -> bool:
            nonlocal probes
            speaker.publish(project, {"probe": probes})
            probes += 1
            return len(self.events) > heard

        await until(asked)
        await until(lambda: self.events[-1] == {"probe": probes - 1})
        self.events.clear()


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"n": number} for number in range(count)]
