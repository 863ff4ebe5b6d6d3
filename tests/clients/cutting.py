"""A line that breaks: forwards bytes between a client and a hub, and cuts connections at the moments that matter."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

FIRST_EDIT = 3
"""Which of a connection's messages has its first edit: the upgrade and `hello` come before it."""


@dataclass(slots=True)
class BreakingLine:
    """Forwards connections to a hub's port. Two of them are cut, later ones hold.

    The first is cut when the hub has saved its first edit and the client has not heard of it, the second when the
    client has sent its first edit and the hub has not got it.
    """

    port: int
    url: str = ""
    connections: int = 0
    saved: asyncio.Event = field(default_factory=asyncio.Event)
    """To be set when the first edit is saved."""

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either side ends it, or it is cut."""
        self.connections += 1
        number = self.connections
        hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", self.port)
        back = asyncio.create_task(self._back(hub_reader, writer))
        try:
            with contextlib.suppress(ConnectionError):
                await self._forth(number, reader, hub_writer, back)
        finally:
            back.cancel()
            writer.transport.abort()
            hub_writer.transport.abort()

    async def _forth(
        self, number: int, reader: asyncio.StreamReader, hub: asyncio.StreamWriter, back: asyncio.Task[None]
    ) -> None:
        messages = 0
        while message := await reader.read(2**16):
            messages += 1
            if messages == FIRST_EDIT and number == 2:
                return
            if messages == FIRST_EDIT and number == 1:
                back.cancel()
            hub.write(message)
            await hub.drain()
            if messages == FIRST_EDIT and number == 1:
                await self.saved.wait()
                return

    async def _back(self, hub: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while message := await hub.read(2**16):
                writer.write(message)
        writer.close()


@contextlib.asynccontextmanager
async def breaking_line(port: int) -> AsyncIterator[BreakingLine]:
    """A line to a hub on this machine."""
    line = BreakingLine(port)
    server = await asyncio.start_server(line.forward, "127.0.0.1", 0)
    line.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield line
    finally:
        server.close()
