"""uvicorn in this process, with the fast path, a known port and an orderly end.

The end: stop listening → the application's drain (it says `bye`, within its grace) → close what is left (1012) →
the lifespan's shutdown. uvicorn by itself closes every connection first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from scenehub.protocol.limits import Limits

from .fast import FastProtocol

if TYPE_CHECKING:
    import h11
    from starlette.types import ASGIApp

logger = logging.getLogger(__name__)

GRACE: Final = 10.0
"""Seconds that the application's drain may take."""
CLOSING_TIME: Final = 3
"""Seconds that connections and requests have to end after the drain."""
BACKLOG: Final = 4096
REQUEST_TIMEOUT: Final = 10.0
"""Seconds that a new connection has to send the head of its first request."""

Drain = Callable[[], Awaitable[None]]


class StartupFailed(Exception):
    """The application's lifespan did not start; its own error is in the log."""


class UpgradingHttp(H11Protocol):
    """uvicorn's HTTP/1.1, which drops what a client sends in one segment with its upgrade; this one hands it on."""

    _impatient: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the head of a request in good time: half of one would hold its place for ever."""
        super().connection_made(transport)
        self._impatient = self.loop.call_later(REQUEST_TIMEOUT, self._lose_patience)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is expected any more."""
        self._stop_expecting()
        super().connection_lost(exc)

    def _lose_patience(self) -> None:
        cycle: object = self.cycle  # which uvicorn's annotation says is always there
        if cycle is None:
            self.transport.close()

    def _stop_expecting(self) -> None:
        if self._impatient is not None:
            self._impatient.cancel()
            self._impatient = None

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Switch to the WebSocket protocol class, and give it what has come already."""
        self._stop_expecting()
        super().handle_websocket_upgrade(event)
        early, _ = self.conn.trailing_data
        if early and not self.transport.is_closing():
            cast("FastProtocol", self.transport.get_protocol()).data_received(early)


class Server(uvicorn.Server):
    """A server that drains its application before it closes connections, and leaves signals to its owner."""

    def __init__(self, config: uvicorn.Config, drain: Drain | None, grace: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._grace = grace
        self.start_tried = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening. Raises StartupFailed where uvicorn would end the process."""
        try:
            await super().startup(sockets)
        except SystemExit:
            raise StartupFailed("the application did not start") from None
        finally:
            self.start_tried.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, drain, close the rest, end the lifespan."""
        for listening in self.servers:
            listening.close()
        for listener in sockets or []:
            listener.close()
        await self._drained()
        await super().shutdown([])
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _drained(self) -> None:
        if self._drain is None:
            return
        try:
            async with asyncio.timeout(self._grace):
                await self._drain()
        except TimeoutError:
            logger.warning("the application did not drain within %g s", self._grace)
        except Exception:
            logger.exception("the application failed to drain")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: whoever started this server hears them (`stop_signal`)."""
        yield


class Serving:
    """A server that runs."""

    def __init__(self, server: Server, port: int) -> None:
        self._server = server
        self.port = port

    @property
    def connections(self) -> int:
        """Open connections, HTTP and WebSocket."""
        return len(self._server.server_state.connections)


def listening_socket(host: str, port: int) -> socket.socket:
    """Bind a socket (port 0: any free one). Raises OSError, for example when the port is taken.

    Processes that share a port: bind once in the parent, pass the socket to each one's `serve`.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def configured(app: ASGIApp, **options: Any) -> uvicorn.Config:
    """uvicorn's settings for this hub: own protocol class, no compression, no pings, no log line a connection."""
    defaults: dict[str, Any] = {
        "http": UpgradingHttp,
        "ws": FastProtocol,
        # Above the frames that clients may send, so that the hub can refuse one by name instead of closing.
        "ws_max_size": 2 * Limits().frame_bytes,
        "ws_per_message_deflate": False,
        "ws_ping_interval": None,
        "ws_ping_timeout": None,
        "access_log": False,
        "log_config": None,
        # At INFO uvicorn logs each connection with its query string.
        "log_level": "warning",
        "server_header": False,
        "timeout_graceful_shutdown": CLOSING_TIME,
        "backlog": BACKLOG,
    }
    return uvicorn.Config(app, **{**defaults, **options})


@contextlib.asynccontextmanager
async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    drain: Drain | None = None,
    grace: float = GRACE,
    **options: Any,
) -> AsyncIterator[Serving]:
    """Serve an application on a bound socket for as long as the context is open, then end in order.

    `options` go to uvicorn's configuration. Raises StartupFailed.
    """
    server = Server(configured(app, **options), drain, grace)
    port = int(listener.getsockname()[1])
    running = asyncio.create_task(server.serve([listener]), name=f"server on port {port}")
    with contextlib.closing(listener):
        try:
            await server.start_tried.wait()
            if server.started:
                yield Serving(server, port)
        finally:
            server.should_exit = True
            await running


@contextlib.contextmanager
def stop_signal() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set. A second one of them ends the process as usual."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)

    def heard() -> None:
        stop.set()
        for each in signals:
            loop.remove_signal_handler(each)

    for each in signals:
        loop.add_signal_handler(each, heard)
    try:
        yield stop
    finally:
        for each in signals:
            loop.remove_signal_handler(each)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine function on the fastest loop there is (uvloop where it exists)."""
    try:
        import uvloop
    except ImportError:
        factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    else:
        factory = uvloop.new_event_loop

    async def whole() -> None:
        await main()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(whole())
