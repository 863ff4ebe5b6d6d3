"""Desk: a replica together with what both shells do around it, synchronous and without I/O.

It turns the replica's outputs into bytes to send, settled handles and happenings for those who listen. A shell moves
the bytes, says when time has passed, and calls everything here from one thread at a time.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Generic, Protocol

from pydantic import ValidationError

from scenehub.protocol.codec import Flavour, hub_frame, pack_frame, refusal_of, unpack
from scenehub.protocol.edits import Edit, EditId
from scenehub.protocol.errors import ProtocolError
from scenehub.protocol.happenings import Happening, Reconnect, Rejected, Saved, SendFrame
from scenehub.protocol.messages import Bye, RoleNews, Welcome
from scenehub.protocol.ops import Op
from scenehub.protocol.presence import Presence
from scenehub.protocol.replica import Outputs, Replica

from .errors import ClientError
from .errors import Rejected as EditRejected
from .handles import H, Handle, Handles
from .status import Status, status_of

log = logging.getLogger("scenehub.client")

BUSY_TICK = 0.05
IDLE_TICK = 1.0
"""Seconds between two looks at the clock: with edits under way, and without."""


def client_ids(first: str | None = None) -> Iterator[str]:
    """Fresh client ids of 128 random bits, after the one that is given."""
    if first is not None:
        yield first
    while True:
        yield token_urlsafe(16)


class Shell(Protocol):
    """What a desk tells its shell; called in the middle of things: note it, do it later."""

    def hear(self, happening: Happening) -> None:
        """Something happened."""

    def outgoing(self) -> None:
        """There is something in the outbox, or the clock matters sooner than it did."""

    def to_keep(self) -> None:
        """What must survive a crash has changed."""


class Desk(Generic[H]):
    """One client's copy of a project, its unsent bytes and its edits without an outcome."""

    def __init__(
        self,
        shell: Shell,
        make: Callable[[Edit], H],
        *,
        ids: Iterator[str],
        agent: str,
        flavour: Flavour,
        clock: Callable[[], float],
    ) -> None:
        self.replica = Replica("", ids, agent=agent)
        self.handles: Handles[H] = Handles(make)
        self.outbox: deque[bytes] = deque()
        """Bounded by the hub's window for edits and by the rates of everything else."""
        self.reconnect: str | None = None
        """Why the replica wants another connection."""
        self.bye: Bye | None = None
        self.token_seconds: float | None = None
        """Time that the token had when the session began; None when it does not expire."""
        self.offline_since: datetime | None = datetime.now(UTC)
        self.words = "connecting"
        self.ended: ClientError | None = None
        self._shell = shell
        self._flavour = flavour
        self._clock = clock
        self._presence: Presence | None = None
        self._presence_after = 0.0

    # The connection.

    def open(self, token: str) -> None:
        """A connection is there."""
        self.outbox.clear()
        self.reconnect = self.bye = None
        self.replica.token = token
        self.perform(self.replica.open(self._clock()))

    def received(self, payload: bytes | str) -> None:
        """A message came. One that cannot be read is passed over: it may be of a newer hub."""
        try:
            frame = hub_frame(unpack(payload, self._flavour))
        except ProtocolError as error:
            log.warning("a frame from the hub could not be read: %s", error)
            frame = None
        if isinstance(frame, Welcome):
            self.token_seconds = None if frame.token_ms is None else frame.token_ms / 1000
        elif isinstance(frame, RoleNews) and frame.token_ms is not None:
            self.token_seconds = frame.token_ms / 1000
        elif isinstance(frame, Bye):
            self.bye = frame
        was_connected = self.replica.connected
        outputs = self.replica.received(frame, self._clock())
        if self.replica.connected and not was_connected:
            self.offline_since, self.words = None, ""
        self.perform(outputs)

    def closed(self, code: int | None, words: str) -> None:
        """The connection is gone."""
        self.outbox.clear()
        self.trouble(words)
        self.perform(self.replica.closed(code))

    def trouble(self, words: str) -> None:
        """Say why there is no connection."""
        self.words = words
        if self.offline_since is None:
            self.offline_since = datetime.now(UTC)

    def authenticate(self, token: str) -> None:
        """Bring a newer token within the session."""
        self.perform(self.replica.authenticate(token, self._clock()))

    def end(self, error: ClientError) -> None:
        """Nothing will ever be heard again: everybody who waits is told why."""
        if self.ended is None:
            self.ended = error
            self.words = str(error)
            self.handles.end(error)

    # Own edits and presence.

    def edit(self, ops: Sequence[Op], *, guarded: bool, undoes: EditId | None, run: str | None) -> H:
        """Make an edit. Raises Rejected when it is clear already that the hub would refuse it."""
        if self.ended is not None:
            raise self.ended
        try:
            id, outputs = self.replica.edit(ops, self._clock(), guarded=guarded, undoes=undoes, run=run)
        except ProtocolError as error:
            raise EditRejected.of(error.refusal) from None
        except ValidationError as error:
            raise EditRejected.of(refusal_of(error)) from None
        handle = self.handles.add(self._pending(id))
        self.perform(outputs)
        self._shell.to_keep()
        self._shell.outgoing()
        return handle

    def _pending(self, id: EditId) -> Edit:
        return next(pending.edit for pending in reversed(self.replica.pending) if pending.edit.id == id)

    def adopt(self) -> list[H]:
        """Handles for edits that an earlier run of this program left pending."""
        return [self.handles.add(pending.edit) for pending in self.replica.pending]

    def where(self, presence: Presence) -> None:
        """Say where this member is, no more often than the hub announced: the latest wins (M1)."""
        self._presence = presence
        self.tick()
        self._shell.outgoing()

    # Time.

    def tick(self) -> None:
        """Do what is due."""
        now = self._clock()
        if self._presence is not None and now >= self._presence_after:
            presence, self._presence = self._presence, None
            self._presence_after = now + 1.1 / self.replica.limits.presence_per_second
            self.perform(self.replica.presence(presence, now))
        self.perform(self.replica.tick(now))

    @property
    def patience(self) -> float:
        """Seconds until `tick` may have something to do."""
        if self._presence is not None:
            return max(0.001, self._presence_after - self._clock())
        return BUSY_TICK if self.replica.pending and self.replica.connected else IDLE_TICK

    # Outputs.

    def perform(self, outputs: Outputs) -> None:
        """Do what the replica wants, in its order."""
        urgent = False
        for output in outputs:
            match output:
                case SendFrame(frame):
                    self.outbox.append(pack_frame(frame, self._flavour))
                    urgent = True
                case Reconnect(why):
                    self.reconnect = why
                    urgent = True
                case happening:
                    self._tell(happening)
        if urgent:
            self._shell.outgoing()

    def _tell(self, happening: Happening) -> None:
        position = self.replica.position
        waiting = len(self.handles)
        self.handles.hear(happening, 0 if position is None else position.seq)
        if isinstance(happening, Saved | Rejected) or len(self.handles) != waiting:
            self._shell.to_keep()
        self._shell.hear(happening)

    @property
    def status(self) -> Status:
        """How it stands."""
        replica = self.replica
        return status_of(replica.status, len(replica.pending), self.offline_since, self.words)


__all__ = ["BUSY_TICK", "Desk", "Handle", "Shell", "client_ids"]
