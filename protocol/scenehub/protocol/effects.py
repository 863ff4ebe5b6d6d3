"""Effects: what a room or a replica wants done, in the order in which it must be done.

A shell performs them and gives their outcomes back as inputs. The order is part of the contract: within one answer,
what was made durable is told before what was decided on top of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .edits import Actor, Edit, EditId, Position, pack
from .messages import Commit, CommitRow, HubFrame, Relay

RELAY_EDIT = b"\x83" + pack("t") + pack("relay") + pack("edit")
RELAY_ACTOR = pack("actor")
"""A relay in msgpack: a map of three (0x83), of which these are the same in every one."""


class Known(NamedTuple):
    """A row of a commit whose edit everybody knows from its relay; `at` in milliseconds UTC."""

    id: EditId
    at: int

    def wire(self) -> dict[str, Any]:
        """As a plain map."""
        return {"id": self.id, "at": self.at}


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame to one session."""

    session: int
    frame: HubFrame


@dataclass(slots=True)
class Broadcast:
    """Send a frame to every session of the room that is not lagging, but one."""

    frame: HubFrame
    but: int | None = None
    droppable: bool = False
    """Presence: a reader with much waiting goes without (M2)."""

    def packed(self) -> bytes:
        """The frame in msgpack."""
        return pack(self.frame.wire())


class BroadcastRelay(Broadcast):
    """A `Relay` to everybody but its author. Its bytes are put together from parts that are packed already.

    Making the frame's model and packing it would take six times as long, so that is done only for those who ask for it.
    """

    __slots__ = ("actor", "edit")

    def __init__(self, edit: Edit, actor: Actor, but: int | None = None) -> None:
        self.edit = edit
        self.actor = actor
        self.but = but
        self.droppable = False

    @property
    def frame(self) -> Relay:  # type: ignore[override]
        """The frame as its model."""
        return Relay(edit=self.edit, actor=self.actor)

    def packed(self) -> bytes:
        """The frame in msgpack."""
        return b"".join((RELAY_EDIT, self.edit.packed, RELAY_ACTOR, self.actor.packed))


class BroadcastCommit(Broadcast):
    """A `Commit` to everybody, from `seq` on. An edit that is known by its relay is a bare (id, time)."""

    __slots__ = ("rows", "seq")

    def __init__(self, seq: int, rows: Sequence[CommitRow | Known]) -> None:
        self.seq = seq
        self.rows = rows
        self.but = None
        self.droppable = False

    @property
    def last(self) -> int:
        """The seq of the last edit."""
        return self.seq + len(self.rows) - 1

    @property
    def frame(self) -> Commit:  # type: ignore[override]
        """The frame as its model."""
        rows = (row if isinstance(row, CommitRow) else CommitRow(id=row.id, at=row.at) for row in self.rows)
        return Commit(seq=self.seq, edits=tuple(rows))

    def packed(self) -> bytes:
        """The frame in msgpack."""
        return pack({"t": "commit", "seq": self.seq, "edits": [row.wire() for row in self.rows]})


@dataclass(frozen=True, slots=True)
class Close:
    """End a session; it is gone from the room already. `retry_ms` is when it may come back."""

    session: int
    code: int
    words: str
    retry_ms: int = 0


@dataclass(frozen=True, slots=True)
class Publish:
    """Tell the other nodes."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WantsSave:
    """There is a batch to take."""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Read from the store what happened after a position, and the rows of these clients; answer with `caught_up`."""

    position: Position
    clients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Condemn:
    """This room's history is not the store's any more: drop the room; its sessions have been closed."""

    why: str


Effect = Send | Broadcast | Close | Publish | WantsSave | CatchUp | Condemn
