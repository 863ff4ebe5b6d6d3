"""The transport's port: what a connection offers the hub, and what the hub answers to it. No awaiting on either side.

Adapters: `fast.py` (our uvicorn protocol class) and `plain.py` (any ASGI server).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scenehub.protocol.codec import Flavour


class Peer(Protocol):
    """One connection, seen from the hub. Everything sent within one turn of the loop leaves in one write."""

    flavour: Flavour
    address: str

    @property
    def waiting(self) -> int:
        """Bytes that were sent but have not left for the socket's kernel buffer."""
        ...

    def send(self, frame: bytes) -> None:
        """Queue a frame that `framed` made; does nothing once the connection is closing."""
        ...

    def send_together(self, frames: Sequence[bytes]) -> bool:
        """Queue frames that mean something only together: all, whatever the bound (true), or none."""
        ...

    def joined(self, frames: Sequence[bytes]) -> Sequence[bytes]:
        """Frames made by `framed`, in as few pieces as may stand for them in `send_together`."""
        ...

    def framed(self, payload: bytes) -> bytes:
        """Make the bytes that `send` takes: the same bytes go to every peer of one class and flavour."""
        ...

    def ping(self) -> None:
        """Ask for a sign of life below the frames, where the adapter can; the answer is the listener's `alive`."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say goodbye after what is queued; the listener still hears `closed`."""
        ...


class Listener(Protocol):
    """What the hub does about a connection. Calls are synchronous and never overlap."""

    def received(self, payload: bytes | str) -> None:
        """A whole message came in."""
        ...

    def alive(self) -> None:
        """The peer answered a ping."""
        ...

    def lagging(self) -> None:
        """More than the bound waits for the peer: whatever is sent from now on is lost until `drained` (M2)."""
        ...

    def drained(self) -> None:
        """After `lagging`: everything has left, the peer reads again."""
        ...

    def closed(self) -> None:
        """The connection is gone; nothing more is heard of it."""
        ...
