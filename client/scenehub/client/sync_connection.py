"""The synchronous connection: keeps a desk connected with two threads, one that reads and one that writes.

Every use of the desk is under the project's lock, and nothing waits for the network while it holds it. Under gevent's
monkey patch the threads are greenlets.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from random import Random
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_socket
from websockets.typing import Subprotocol

from scenehub.protocol.codec import Flavour

from .connection import LARGEST
from .desk import Desk
from .errors import ClientError, Refused
from .reconnect import Again, Route, Stop
from .tokens import RETRY, Token, TokenLife, fresh_sync

log = logging.getLogger("scenehub.client")


class SyncConnection:
    """One client's line to its hub: through any of its nodes, one session after the other."""

    def __init__(
        self,
        desk: Desk[Any],
        lock: AbstractContextManager[Any],
        route: Route,
        token: Token,
        first_token: str | None,
        *,
        flavour: Flavour,
        clock: Callable[[], float],
        ended: Callable[[], None],
    ) -> None:
        """`ended` is called under the lock after the desk was told that there will be no further session."""
        self._desk = desk
        self._lock = lock
        self._route = route
        self._token = token
        self._first_token = first_token
        self._flavour = flavour
        self._clock = clock
        self._ended = ended
        self._chance = Random()
        self._life = TokenLife()
        self._leaving = threading.Event()
        self._to_write = threading.Event()
        self._socket: ClientConnection | None = None
        name = f"scenehub-{route.node.project}"
        self._reader = threading.Thread(target=self._run, name=name, daemon=True)
        self._writer = threading.Thread(target=self._write, name=f"{name}-write", daemon=True)

    def stir(self) -> None:
        """There is something to send, or the clock matters sooner."""
        self._to_write.set()

    def start(self) -> None:
        """Begin to connect."""
        self._reader.start()
        self._writer.start()

    def leave(self) -> None:
        """Say goodbye and end both threads."""
        self._leaving.set()
        self._to_write.set()
        socket = self._socket
        if socket is not None:
            socket.close()
        self._reader.join()
        self._writer.join()

    # The reader's thread.

    def _run(self) -> None:
        try:
            while not self._leaving.is_set():
                with ExitStack() as closing:
                    step = self._session(closing)
                if isinstance(step, Stop):
                    self._end(Refused(step.code, step.words))
                    return
                self._leaving.wait(step.after)
        except BaseException as error:
            # Nobody joins this thread before the block ends: those who wait must hear of a bug here.
            self._end(ClientError(f"the connection's thread failed: {error!r}"))
            raise

    def _end(self, error: ClientError) -> None:
        with self._lock:
            self._desk.end(error)
            self._ended()

    def _session(self, closing: ExitStack) -> Again | Stop:
        """One try: from a token to a close; `closing` waits for the socket."""
        try:
            token = self._fresh()
            socket = closing.enter_context(self._open())
        except Exception as error:  # noqa: BLE001 - a source of tokens is the user's and may raise anything
            return self._failed(error)
        began = self._clock()
        with self._lock:
            self._desk.open(token)
        self._socket = socket
        self._to_write.set()
        code, words = self._read(socket)
        self._socket = None
        if self._desk.replica.position is not None and self._clock() - began >= self._route.timing.steady:
            self._route.succeeded()
        with self._lock:
            bye = self._desk.bye
            words = words or (bye.words if bye is not None else "") or "the connection was lost"
            self._desk.closed(code, words)
        return self._route.closed(code, words, bye.retry_ms / 1000 if bye is not None else 0.0, self._chance.random())

    def _failed(self, error: Exception) -> Again:
        words = str(error) or type(error).__name__
        with self._lock:
            self._desk.trouble(f"{self._route.node.url}: {words}")
        return self._route.failed(self._chance.random())

    def _fresh(self) -> str:
        self._life = TokenLife(self._clock())
        if self._first_token is not None:
            token, self._first_token = self._first_token, None
            return token
        return fresh_sync(self._token)

    def _open(self) -> AbstractContextManager[ClientConnection]:
        node, timing = self._route.node, self._route.timing
        return connect_socket(
            node.url,
            subprotocols=[Subprotocol(self._flavour.value)],
            compression=None,
            proxy=None if node.is_local else True,
            open_timeout=timing.connect,
            close_timeout=timing.goodbye,
            ping_interval=None,
            max_size=LARGEST,
        )

    def _read(self, socket: ClientConnection) -> tuple[int | None, str]:
        """Take frames and let time pass until the connection ends; gives its close code and words."""
        try:
            while self._desk.reconnect is None and not self._leaving.is_set():
                with suppress(TimeoutError):
                    message = socket.recv(timeout=self._desk.patience)
                    with self._lock:
                        self._desk.received(message)
                with self._lock:
                    self._desk.tick()
                self._renew_token()
        except ConnectionClosed:
            return socket.close_code, socket.close_reason or ""
        if self._leaving.is_set():
            socket.close()
        else:
            # No closing handshake: the peer may be dead, and a writer may be stuck in it.
            socket.close_socket()
        return None, self._desk.reconnect or ""

    def _renew_token(self) -> None:
        """Bring a newer token before the one in use expires, or as soon as the hub says that it has (M4)."""
        now = self._clock()
        if isinstance(self._token, str) or self._life.left(self._desk.replica, self._desk.token_seconds, now) != 0.0:
            return
        try:
            token = fresh_sync(self._token)
        except Exception as error:  # noqa: BLE001 - the user's function may raise anything; the old token still holds
            log.warning("no new token (%s): trying again", error)
            self._life.not_before = now + RETRY
        else:
            self._life.renewed(now)
            with self._lock:
                self._desk.authenticate(token)

    # The writer's thread.

    def _write(self) -> None:
        outbox, is_text = self._desk.outbox, self._flavour is Flavour.JSON
        while not self._leaving.is_set():
            self._to_write.wait(self._desk.patience)
            self._to_write.clear()
            with self._lock:
                self._desk.tick()
            while True:
                with self._lock:
                    socket = self._socket
                    if socket is None or not outbox:
                        break
                    payload = outbox.popleft()
                with suppress(ConnectionClosed):
                    socket.send(payload, text=is_text)
