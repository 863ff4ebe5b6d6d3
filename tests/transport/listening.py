"""What the tests of the transport use: listeners that remember, a client that speaks bytes, waits with a deadline."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import struct
from collections.abc import AsyncIterator, Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from scenehub.server.transport.port import Peer

MSGPACK = "scenehub.v1.msgpack"
JSON = "scenehub.v1.json"
Reaction = Callable[["Guest", "bytes | str"], None]


def echo(guest: Guest, payload: bytes | str) -> None:
    """Send a message back."""
    guest.say(payload.encode() if isinstance(payload, str) else payload)


class Guest:
    """A listener that remembers what it heard, and reacts as the test says."""

    def __init__(self, peer: Peer, project: str, reaction: Reaction) -> None:
        self.peer = peer
        self.project = project
        self.reaction = reaction
        self.heard: list[bytes | str] = []
        self.news: list[str] = []
        self.lost = 0

    def say(self, payload: bytes) -> None:
        self.peer.send(self.peer.framed(payload))

    def received(self, payload: bytes | str) -> None:
        self.heard.append(payload)
        self.reaction(self, payload)

    def alive(self) -> None:
        self.news.append("alive")

    def lagging(self) -> None:
        self.news.append("lagging")

    def drained(self) -> None:
        self.news.append("drained")

    def closed(self) -> None:
        self.news.append("closed")


class Hall:
    """The hub's stand-in: makes a guest of every connection whose first frame is there."""

    def __init__(self, reaction: Reaction = echo) -> None:
        self.reaction = reaction
        self.guests: list[Guest] = []
        self.port = 0

    def attach(self, peer: Peer, project: str) -> Guest:
        guest = Guest(peer, project, self.reaction)
        self.guests.append(guest)
        return guest

    def url(self, project: str = "p") -> str:
        return f"ws://127.0.0.1:{self.port}/v1/projects/{project}/ws"

    @contextlib.asynccontextmanager
    async def client(self, *subprotocols: str, **options: object) -> AsyncIterator[ClientConnection]:
        """A client of the `websockets` library; msgpack unless other subprotocols are given."""
        offered = list(subprotocols or (MSGPACK,))
        settings: dict[str, object] = {"compression": None, "max_size": None, "subprotocols": offered, **options}
        async with connect(self.url(), **settings) as websocket:  # type: ignore[arg-type]
            yield websocket

    @contextlib.asynccontextmanager
    async def raw(self, early: bytes = b"", *, read_buffer: int = 64 * 1024) -> AsyncIterator[RawClient]:
        """A client that sends and reads bytes as they are; `early` shares a segment with its upgrade request."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=read_buffer)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            b"GET /v1/projects/p/ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n".encode()
            + f"Sec-WebSocket-Protocol: {MSGPACK}\r\n\r\n".encode()
            + early
        )
        client = RawClient(reader, writer)
        client.answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        try:
            yield client
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class RawClient:
    """Bytes in, frames out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.answer = ""

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload."""
        head, size = await self.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return head & 15, await self.reader.readexactly(size)

    async def close_code(self) -> int:
        """Read up to the close frame; the code in it."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 8:
                return int(struct.unpack("!H", payload[:2])[0])

    async def ends(self) -> None:
        """Read until the server ends the stream, however it does."""
        with contextlib.suppress(OSError):
            while await self.reader.read(65536):
                pass


def masked(payload: bytes, opcode: int = 2, *, fin: bool = True, mask: bytes = b"\x11\x22\x33\x44") -> bytes:
    """A client's frame as bytes."""
    size = len(payload)
    head = bytes((opcode | (128 if fin else 0),))
    if size < 126:
        head += bytes((128 | size,))
    elif size < 65536:
        head += struct.pack("!BH", 254, size)
    else:
        head += struct.pack("!BQ", 255, size)
    return head + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))


async def until(claim: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until something is so. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not claim():  # noqa: ASYNC110 - claims are about what others do, and raise no event
            await asyncio.sleep(0.002)


async def close_of(websocket: ClientConnection) -> tuple[int, str]:
    """Read until the server closes; code and reason."""
    while True:
        try:
            await websocket.recv()
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
