"""Connection: keeps a desk connected to its hub, for as long as its task runs. The only code that awaits a socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from scenehub.protocol.codec import Flavour
from scenehub.protocol.happenings import Happening, RoleChanged

from .desk import Desk
from .errors import Refused
from .reconnect import Again, Route, Stop, Timing
from .tokens import RETRY, Token, TokenLife, fresh

log = logging.getLogger("scenehub.client")

LARGEST = 16 * 1024 * 1024
"""Bytes of a message from the hub; its own bound is a sixteenth of this by default."""

SLOWEST_TOKEN = 10.0
"""Seconds that a source of tokens has to give one."""


class Connection:
    """One client's line to its hub: through any of its nodes, one session after the other."""

    def __init__(
        self,
        desk: Desk[Any],
        route: Route,
        token: Token,
        first_token: str | None,
        *,
        flavour: Flavour,
        clock: Callable[[], float],
        ended: Callable[[], None],
    ) -> None:
        """`ended` is called after the desk was told that there will be no further session."""
        self._desk = desk
        self._route = route
        self._token = token
        self._first_token = first_token
        self._flavour = flavour
        self._clock = clock
        self._ended = ended
        self._chance = Random()
        self._to_write = asyncio.Event()
        self._to_watch = asyncio.Event()
        self._role_news = asyncio.Event()
        self._life = TokenLife()

    @property
    def timing(self) -> Timing:
        """How patient this line is."""
        return self._route.timing

    def stir(self) -> None:
        """There is something to send, or the clock matters sooner."""
        self._to_write.set()
        self._to_watch.set()

    def hear(self, happening: Happening) -> None:
        """A change of role may be a token that ran out."""
        if isinstance(happening, RoleChanged):
            self._role_news.set()

    async def run(self) -> None:
        """Connect and stay connected; returns only when the hub does not want this client back."""
        while True:
            match await self._session():
                case Stop(code, words):
                    self._desk.end(Refused(code, words))
                    self._ended()
                    return
                case Again(after):
                    await asyncio.sleep(after)

    async def _session(self) -> Again | Stop:
        """One try: from a token to a close."""
        try:
            token = await self._fresh()
            socket = await self._open()
        except Exception as error:  # noqa: BLE001 - a source of tokens is the user's and may raise anything
            return self._failed(error)
        began = self._clock()
        code, words = await self._talk(socket, token)
        if self._desk.replica.position is not None and self._clock() - began >= self.timing.steady:
            self._route.succeeded()
        retry = self._desk.bye.retry_ms / 1000 if self._desk.bye is not None else 0.0
        words = words or (self._desk.bye.words if self._desk.bye is not None else "")
        self._desk.closed(code, words or "the connection was lost")
        return self._route.closed(code, words, retry, self._chance.random())

    def _failed(self, error: Exception) -> Again:
        words = str(error) or type(error).__name__
        if isinstance(error, TimeoutError):
            words = f"no answer within {self.timing.connect:g} s"
        self._desk.trouble(f"{self._route.node.url}: {words}")
        log.debug("no connection to %s: %s", self._route.node.url, words)
        return self._route.failed(self._chance.random())

    async def _fresh(self) -> str:
        self._life = TokenLife(self._clock())
        if self._first_token is not None:
            token, self._first_token = self._first_token, None
            return token
        async with asyncio.timeout(SLOWEST_TOKEN):
            return await fresh(self._token)

    async def _open(self) -> ClientConnection:
        node = self._route.node
        return await connect_socket(
            node.url,
            subprotocols=[Subprotocol(self._flavour.value)],
            compression=None,
            proxy=None if node.is_local else True,
            open_timeout=self.timing.connect,
            close_timeout=self.timing.goodbye,
            ping_interval=None,
            max_size=LARGEST,
        )

    async def _talk(self, socket: ClientConnection, token: str) -> tuple[int | None, str]:
        """Move frames until the connection ends, from whichever side; gives its close code and words."""
        self._desk.open(token)
        try:
            async with asyncio.TaskGroup() as tasks:
                others = [
                    tasks.create_task(self._write(socket), name="scenehub-write"),
                    tasks.create_task(self._watch(socket), name="scenehub-watch"),
                    tasks.create_task(self._renew_tokens(), name="scenehub-tokens"),
                ]
                try:
                    while True:
                        self._desk.received(await socket.recv())
                except ConnectionClosed:
                    pass
                finally:
                    for other in others:
                        other.cancel()
        finally:
            await socket.close()
        if self._desk.reconnect is not None:
            return None, self._desk.reconnect
        return socket.close_code, socket.close_reason or ""

    async def _write(self, socket: ClientConnection) -> None:
        outbox, is_text = self._desk.outbox, self._flavour is Flavour.JSON
        with suppress(ConnectionClosed):
            while True:
                self._to_write.clear()
                while outbox:
                    await socket.send(outbox.popleft(), text=is_text)
                await self._to_write.wait()

    async def _watch(self, socket: ClientConnection) -> None:
        """Let time pass for the desk, and cut a connection that is dead or must be replaced."""
        while self._desk.reconnect is None:
            await wait(self._to_watch, self._desk.patience)
            self._desk.tick()
        socket.transport.abort()

    async def _renew_tokens(self) -> None:
        """Bring a newer token before the one in use expires, or as soon as the hub says that it has (M4)."""
        if isinstance(self._token, str):
            return
        while True:
            await wait(self._role_news, self._token_left())
            if self._token_left() == 0.0:
                await self._renew_token()

    def _token_left(self) -> float | None:
        return self._life.left(self._desk.replica, self._desk.token_seconds, self._clock())

    async def _renew_token(self) -> None:
        try:
            async with asyncio.timeout(SLOWEST_TOKEN):
                token = await fresh(self._token)
        except Exception as error:  # noqa: BLE001 - the user's function may raise anything; the old token still holds
            log.warning("no new token (%s): trying again", error)
            self._life.not_before = self._clock() + RETRY
        else:
            self._life.renewed(self._clock())
            self._desk.authenticate(token)


async def wait(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for an event and clear it, for some seconds at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
