"""The socket's ASGI endpoint, `/v1/projects/{project_id}/ws`: picks flavour and adapter, waits for the first frame.

The upgrade is always accepted, because browsers cannot see an HTTP status: a refusal is a close code. The hub hears
of a connection when its first frame is there, within `HELLO_TIMEOUT` seconds and `HELLO_BYTES` bytes; whether that
frame is a `hello` the hub's listener judges. One mechanism does this for both adapters: the peer's first listener,
`FirstFrame`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from starlette.routing import WebSocketRoute

from scenehub.protocol.closing import Close
from scenehub.protocol.codec import Flavour
from scenehub.protocol.limits import HELLO_BYTES, HELLO_TIMEOUT, Limits

from .fast import EXTENSION, TakeOver
from .outbox import Outbox
from .plain import PlainPeer
from .port import Listener, Peer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PATH = "/v1/projects/{project_id}/ws"

Attach: TypeAlias = Callable[[Peer, str], Listener]
"""The hub's door: called with a peer and a project's id when the first frame is there, which `received` gets next."""


class SocketEndpoint:
    """An ASGI application for one path parameter, `project_id`. `outbox_bytes` is each peer's bound (M2)."""

    def __init__(
        self,
        attach: Attach,
        *,
        outbox_bytes: int = Limits().outbox_bytes,
        hello_timeout: float = HELLO_TIMEOUT,
        hello_bytes: int = HELLO_BYTES,
    ) -> None:
        self._attach = attach
        self._outbox_bytes = outbox_bytes
        self._hello_timeout = hello_timeout
        self._hello_bytes = hello_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept a connection and serve it: on the fast path only until it is accepted, else until it ends."""
        flavour, subprotocol = negotiated(scope.get("subprotocols", []))
        client = scope.get("client")
        address = f"{client[0]}:{client[1]}" if client else "unknown"
        take_over: TakeOver | None = (scope.get("extensions") or {}).get(EXTENSION)
        peer: Outbox
        if take_over is not None:
            peer = take_over(flavour or Flavour.MSGPACK, address, self._outbox_bytes)
        else:
            peer = PlainPeer(flavour or Flavour.MSGPACK, address, self._outbox_bytes)
        first = FirstFrame(peer, scope["path_params"]["project_id"], self._attach, self._hello_bytes)
        peer.listener = first
        await receive()
        first.expect_within(self._hello_timeout)
        await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        if flavour is None:
            peer.close(Close.UNSUPPORTED_VERSION, f"this hub speaks {' and '.join(Flavour)}")
        if isinstance(peer, PlainPeer):
            await peer.converse(receive, send)


class FirstFrame:
    """Listens to a connection until its first frame; then the hub's listener takes its place."""

    def __init__(self, peer: Outbox, project_id: str, attach: Attach, most_bytes: int) -> None:
        self._peer = peer
        self._project_id = project_id
        self._attach = attach
        self._most_bytes = most_bytes
        self._timer: asyncio.TimerHandle | None = None

    def expect_within(self, seconds: float) -> None:
        """Close a connection that says nothing for this long."""
        words = f"no hello within {seconds:g} s"
        self._timer = asyncio.get_running_loop().call_later(seconds, self._peer.close, Close.HELLO_TIMEOUT, words)

    def received(self, payload: bytes | str) -> None:
        """Bring the hub in."""
        self._stop_waiting()
        if len(payload) > self._most_bytes:
            self._peer.close(
                Close.PROTOCOL_VIOLATION, f"the first frame is a hello of at most {self._most_bytes} bytes"
            )
            return
        listener = self._attach(self._peer, self._project_id)
        self._peer.listener = listener
        listener.received(payload)

    def alive(self) -> None:
        """Not asked yet."""

    def lagging(self) -> None:
        """Nothing was sent yet."""

    def drained(self) -> None:
        """Nothing was sent yet."""

    def closed(self) -> None:
        """Gone before it said anything."""
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def negotiated(offered: list[str]) -> tuple[Flavour | None, str | None]:
    """The flavour, and the subprotocol to answer with: the client's first that is known, msgpack if it offers none.

    A client that offers only unknown ones gets no flavour but an answer, since a browser fails without one and would
    not see the close code.
    """
    if not offered:
        return Flavour.MSGPACK, None
    for name in offered:
        if name in tuple(Flavour):
            return Flavour(name), name
    return None, offered[0]


def socket_route(attach: Attach, *, outbox_bytes: int = Limits().outbox_bytes) -> WebSocketRoute:
    """The endpoint at its path, for a starlette application."""
    return WebSocketRoute(PATH, SocketEndpoint(attach, outbox_bytes=outbox_bytes), name="socket")
