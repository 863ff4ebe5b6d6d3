"""The outgoing half of a connection, shared by both adapters: a queue bounded in bytes, and the ladder of M2.

The ladder: while more than `bound` waits, what is sent is lost and the listener hears `lagging`; when everything that
waited has left it hears `drained`, and sends one delta. The bound is judged before a frame is taken, so one frame that
is larger than the bound still gets through to a peer that reads.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from scenehub.protocol.closing import Close
from scenehub.protocol.codec import Flavour

from .port import Listener

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT = 5.0
"""Seconds that a peer has to read what is queued and to answer a close frame before it is cut off."""
REASON_BYTES = 123
"""What RFC 6455 (5.5) leaves for a reason in a close frame."""


class Outbox(ABC):
    """Frames on their way to one peer. An adapter says what waits beyond the queue and empties it once a loop turn.

    Nothing here calls the listener from within `send` or `close`: it may be in the middle of a broadcast.
    """

    __slots__ = (
        "_bytes",
        "_frames",
        "_lagging",
        "_told",
        "_unasked",
        "address",
        "bound",
        "closing",
        "flavour",
        "listener",
    )

    def __init__(self, flavour: Flavour, address: str, bound: int) -> None:
        self.flavour = flavour
        self.address = address
        self.bound = bound
        self.listener: Listener = _NOBODY
        self._frames: list[bytes] = []
        self._bytes = 0
        self._unasked = 0
        """Bytes that may be queued without asking `_admits`: the one comparison of the common case."""
        self.closing = False
        """Nothing more is sent, and what comes in is ignored."""
        self._lagging = False
        self._told = False

    @property
    @abstractmethod
    def waiting(self) -> int:
        """Bytes that were sent but have not left."""

    @abstractmethod
    def _wake(self) -> None:
        """See to it that the queue is emptied after this turn of the loop."""

    @abstractmethod
    def _wake_to_lag(self) -> None:
        """See to it that the listener hears of the lag after this turn of the loop, whatever is stuck."""

    @abstractmethod
    def _unasked_now(self) -> int:
        """How many bytes may be queued before the bound could be passed; 0 when only asking tells."""

    def send(self, frame: bytes) -> None:
        """Queue a frame made by `framed`; it is lost while the peer lags, and once the connection is closing."""
        if self._bytes >= self._unasked and not self._admits():
            return
        if not self._frames:
            self._wake()
        self._frames.append(frame)
        self._bytes += len(frame)

    def send_together(self, frames: Sequence[bytes]) -> bool:
        """Queue frames that mean something only together: all of them, whatever the bound (true), or none."""
        if not self._admits():
            return False
        if frames:
            self._queue(frames)
        return True

    def joined(self, frames: Sequence[bytes]) -> Sequence[bytes]:
        """Frames in as few pieces as may stand for them."""
        return frames

    def _queue(self, frames: Sequence[bytes]) -> None:
        if not self._frames:
            self._wake()
        self._frames.extend(frames)
        self._bytes += sum(map(len, frames))

    def _admits(self) -> bool:
        if self.closing or self._lagging:
            return False
        if self.waiting <= self.bound:
            return True
        self._lagging = True
        self._unasked = 0
        self._wake_to_lag()
        return False

    def _begin_closing(self) -> None:
        self.closing = True
        self._unasked = 0

    def _tell_lag(self) -> None:
        """Report once that the peer lags."""
        if self._lagging and not self._told:
            self._told = True
            self._tell(self.listener.lagging)

    def _tell_drained(self) -> None:
        """Report that a peer that lagged reads again; nothing may be waiting."""
        if self._told and not self.closing:
            self._lagging = self._told = False
            self._unasked = self._unasked_now()
            self._tell(self.listener.drained)

    def deliver(self, payload: bytes | str) -> None:
        """Hand a message to the listener; one that raises costs the connection, with a code (never the loop)."""
        try:
            self.listener.received(payload)
        except Exception:
            logger.exception("a listener failed at a message of %s", self.address)
            self.close(Close.INTERNAL, "internal error")

    def ping(self) -> None:  # noqa: B027 - not every adapter can ask
        """Ask for a sign of life; an adapter that cannot does nothing."""

    def alive(self) -> None:
        """The peer answered."""
        self._tell(self.listener.alive)

    def gone(self) -> None:
        """The connection is lost: tell the listener, once."""
        self._begin_closing()
        self._frames.clear()
        self._bytes = 0
        listener, self.listener = self.listener, _NOBODY
        try:
            listener.closed()
        except Exception:
            logger.exception("a listener failed when its connection was closed")

    def _tell(self, news: Callable[[], None]) -> None:
        try:
            news()
        except Exception:
            logger.exception("a listener failed at news of %s", self.address)
            self.close(Close.INTERNAL, "internal error")

    @abstractmethod
    def framed(self, payload: bytes) -> bytes:
        """Make the bytes that `send` takes."""

    @abstractmethod
    def close(self, code: int, reason: str) -> None:
        """Say goodbye after what is queued."""


class _Nobody:
    """Listens to a connection that no one has taken, or that is gone."""

    def received(self, payload: bytes | str) -> None:
        """Ignored."""

    def alive(self) -> None:
        """Ignored."""

    def lagging(self) -> None:
        """Ignored."""

    def drained(self) -> None:
        """Ignored."""

    def closed(self) -> None:
        """Ignored."""


_NOBODY = _Nobody()


def fitting(reason: str) -> str:
    """A close reason, cut to what fits into the frame."""
    return reason.encode()[:REASON_BYTES].decode(errors="ignore")
