"""A wire between a client and Postgres that can be cut at the worst moment: after the request, before the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """Forwards bytes; once `cut_answers` is set, a connection whose server answers is closed instead."""

    def __init__(self, url: str) -> None:
        self._server = urlsplit(url)
        self.port = 0
        self.cut_answers = False
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The server's address by way of the wire."""
        credentials = self._server.netloc.rpartition("@")[0]
        return urlunsplit(self._server._replace(netloc=f"{credentials}@127.0.0.1:{self.port}"))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._server.hostname, self._server.port)
        self._open |= {writer, far_writer}
        await asyncio.gather(
            self._pump(reader, far_writer, answers=False), self._pump(far_reader, writer, answers=True)
        )

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        try:
            while received := await reader.read(65_536):
                if answers and self.cut_answers:
                    break
                writer.write(received)
        except ConnectionError:
            pass
        finally:
            for each in self._open:
                if each is writer or (answers and self.cut_answers):
                    each.close()

    def close(self) -> None:
        for writer in self._open:
            writer.close()


@asynccontextmanager
async def wired(url: str) -> AsyncIterator[Wire]:
    """A wire to the server of `url`."""
    wire = Wire(url)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        wire.close()
        server.close()
