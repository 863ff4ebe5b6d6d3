"""One connection to a Redis that publishes and listens at once (RESP3), as an asyncio protocol.

Everything that has arrived is handled in one call, without a task switch a message; what is written is written at once.
A link lives once: it greets, is *ready* when all it asked for first is in force, and is *lost* for a reason.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, cast

import hiredis

from scenehub.server.bus.counts import Counts

__all__ = ["Link", "LinkLost"]

#: Bytes that wait in the transport before the writer is told to hold back.
HIGH_WATER = 256 * 1024
CHANNELS_A_COMMAND = 500

_NOT_YET = object()
_pack: Callable[[tuple[str | bytes, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]  # theirs: one word


class LinkLost(ConnectionError):
    """The connection ended, or was given up because of what came over it."""


class Link(asyncio.Protocol):
    """``hear`` gets channel and payload of each message; ``drained`` is called when writing may go on."""

    def __init__(self, counts: Counts, hear: Callable[[bytes, bytes], None], drained: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._counts = counts
        self._hear = hear
        self._drained = drained
        self._reader = hiredis.Reader(notEnoughData=_NOT_YET)
        self._transport: asyncio.Transport | None = None
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._lost: asyncio.Future[Exception] = self._loop.create_future()
        self._settled: asyncio.Future[None] | None = None
        self._greeted = False
        self._heard_at = 0.0
        self._pinged_at: float | None = None
        # For each command that will be answered, in order, the events that it publishes.
        self._unanswered: deque[int] = deque()
        self.writable = False

    @property
    def ready(self) -> bool:
        """It is greeted, listens to what it was told first, and is not lost."""
        return self._ready.done() and not self._lost.done()

    @property
    def unanswered(self) -> int:
        """Commands without an answer yet."""
        return len(self._unanswered)

    @property
    def unacknowledged(self) -> int:
        """Events that were written without an answer yet."""
        return sum(self._unanswered)

    # --- what it is told --------------------------------------------------------------------------------------------

    def greet(self, words: Sequence[str], channels: Iterable[bytes]) -> None:
        """Say hello (``words`` follow HELLO 3) and listen to the channels. `until_ready` waits for the answers."""
        self._unanswered.append(0)
        self._write([_pack(("HELLO", "3", *words))])
        self.subscribe(channels)
        self.ping()

    async def until_ready(self) -> None:
        """Wait until the greeting is answered. Raises LinkLost."""
        await asyncio.wait((self._ready, self._lost), return_when=asyncio.FIRST_COMPLETED)
        if self._lost.done():
            raise LinkLost(str(self._lost.result())) from self._lost.result()

    async def until_lost(self, within: float) -> Exception | None:
        """Wait for the end, at most ``within`` seconds; its reason, or None while there is no end."""
        await asyncio.wait((self._lost,), timeout=within)
        return self._lost.result() if self._lost.done() else None

    async def until_settled(self) -> None:
        """Wait until every command is answered, or the link is lost."""
        if self._unanswered and not self._lost.done():
            self._settled = self._loop.create_future()
            await asyncio.wait((self._settled, self._lost), return_when=asyncio.FIRST_COMPLETED)

    def publish(self, messages: Iterable[tuple[bytes, bytes, int]]) -> None:
        """Write messages (channel, payload, events in it) in one go."""
        commands = []
        for channel, payload, events in messages:
            commands.append(_pack((b"PUBLISH", channel, payload)))
            self._unanswered.append(events)
        self._write(commands)

    def subscribe(self, channels: Iterable[bytes]) -> None:
        self._write(_commands(b"SUBSCRIBE", channels))

    def unsubscribe(self, channels: Iterable[bytes]) -> None:
        self._write(_commands(b"UNSUBSCRIBE", channels))

    def ping(self) -> None:
        """Ask for a sign of life, unless one is awaited."""
        if self._pinged_at is None:
            self._pinged_at = self._loop.time()
            self._unanswered.append(0)
            self._write([_pack(("PING",))])

    def silence(self) -> float:
        """Seconds for which a sign of life has been awaited and nothing at all was heard."""
        if self._pinged_at is None:
            return 0.0
        return self._loop.time() - max(self._pinged_at, self._heard_at)

    def abandon(self, reason: Exception) -> None:
        """End it at once, whatever waits to be written."""
        if not self._lost.done():
            self._lost.set_result(reason)
        self.writable = False
        if self._transport is not None:
            self._transport.abort()

    # --- what the transport says ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in deed, not in name
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self.writable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.abandon(exc or LinkLost("the server closed the connection"))

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = not self._lost.done()
        self._drained()

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            self._reader.feed(data)
            while not self._lost.done() and (reply := self._reader.gets()) is not _NOT_YET:
                self._take(reply)
        except hiredis.HiredisError as error:
            self.abandon(LinkLost(f"the server does not speak Redis: {error}"))

    def _take(self, reply: Any) -> None:
        if isinstance(reply, hiredis.PushNotification):
            if reply[0] == b"message":
                self._hear(reply[1], reply[2])
        elif isinstance(reply, hiredis.ReplyError):
            self.abandon(LinkLost(f"the server answered: {reply}"))
        elif not self._unanswered:
            self.abandon(LinkLost("the server answered what was not asked"))
        else:
            self._counts.published += self._unanswered.popleft()
            self._answered(reply)

    def _answered(self, reply: Any) -> None:
        if not self._greeted:
            self._greeted = True
            self._judge(reply)
        elif reply == b"PONG":
            self._pinged_at = None
            if not self._ready.done():
                self._ready.set_result(None)
        if not self._unanswered and self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def _judge(self, hello: Any) -> None:
        """Refuse a server from which nothing would reach the other nodes."""
        if not isinstance(hello, dict):
            self.abandon(LinkLost("the server does not greet as Redis does"))
        elif hello.get(b"mode") == b"sentinel":
            self.abandon(LinkLost("this is a Sentinel: name it as redis+sentinel://HOST:PORT/MASTER"))
        elif hello.get(b"mode") != b"cluster" and hello.get(b"role") != b"master":
            self.abandon(LinkLost("this is a replica: what it is told does not reach its master"))

    def _write(self, commands: Sequence[bytes]) -> None:
        if commands and self._transport is not None and not self._lost.done():
            self._transport.write(b"".join(commands))


def _commands(name: bytes, channels: Iterable[bytes]) -> list[bytes]:
    left = iter(channels)
    found = []
    while some := tuple(islice(left, CHANNELS_A_COMMAND)):
        found.append(_pack((name, *some)))
    return found
