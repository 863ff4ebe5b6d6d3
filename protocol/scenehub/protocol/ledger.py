"""What a room asks of the store and what the store answers: plain values, no I/O.

A `Batch` is everything one project wants stored in one transaction: outcomes in the order of their counters, fenced by
where the project must be for them to be right (N2). A store stores a batch whole or not at all, and says which with a
verdict. The store's port and its adapters are in the server; its memory twin is `testing/ledger.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from .document import PROJECT, Cell, Cells, Document, Write
from .edits import Actor, Edit, EditId, FieldKey, Overwritten, Position
from .errors import Refusal

FOUNDER = EditId("hub", 0)
"""The writer of what a project was made with: no edit has this id, and its seq is 0."""


class ProjectNotFound(Exception):
    """There is no such project, or it is deleted."""


class ClientIdTaken(Exception):
    """The client id belongs to another user (E1)."""


def founding_cells(*, name: str, fps: int, width: int, height: int) -> dict[FieldKey, Cell]:
    """The cells of a new project, at seq 0; fps in frames a second, width and height in pixels."""
    made_with = {"name": name, "fps": fps, "width": width, "height": height}
    return {
        FieldKey(PROJECT, PROJECT, field): Cell(value, 0, FOUNDER, FOUNDER.client) for field, value in made_with.items()
    }


class Head(NamedTuple):
    """Where a project's history ends, and which members' rights hold."""

    epoch: str
    seq: int
    id: EditId | None
    access: int

    @property
    def position(self) -> Position:
        """The head as a client's position."""
        return Position(self.epoch, self.seq, self.id)


@dataclass(slots=True)
class Committed:
    """An edit with its place in the order. Never changed; `frozen` would take 1 µs to make one."""

    seq: int
    at: int
    """Commit time in milliseconds UTC of the hub, strictly increasing within a project."""
    edit: Edit
    actor: Actor
    digest: bytes
    writes: Sequence[Write]
    replaced: Mapping[FieldKey, int] = field(default_factory=dict)
    overwrote: Sequence[Overwritten] = ()
    restored: Mapping[str, Cells] = field(default_factory=dict)
    """The whole state of every scene that it revived, by id, after this edit (O5)."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An edit that can never be stored; it uses up its counter (E1)."""

    id: EditId
    digest: bytes
    user: str
    refusal: Refusal


Outcome = Committed | Rejected


@dataclass(frozen=True, slots=True)
class Batch:
    """Outcomes of one project that are stored together, or not at all.

    `counters` holds, per client that has outcomes here, (last counter before, last counter after, user); a store that
    finds another last counter refuses the batch as `Missed`.
    """

    project: str
    fence: Head
    outcomes: Sequence[Outcome]
    counters: Mapping[str, tuple[int, int, str]]

    @property
    def commits(self) -> list[Committed]:
        """The edits that the batch adds to the order, by seq."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Committed)]


class Verdict(StrEnum):
    """What became of a batch."""

    SAVED = "saved"
    """It is durable."""
    MISSED = "missed"
    """The project or a client's counter was not where the batch expected it: nothing stored, catch up and try again."""
    FAILED = "failed"
    """The store is away or refused for now: nothing stored, try again later."""
    UNKNOWN = "unknown"
    """The connection broke before the answer: stored or not, look first (E2)."""
    POISON = "poison"
    """This batch, alone, cannot be stored as it is: nothing stored, one of its edits is to blame."""


@dataclass(frozen=True, slots=True)
class KeptReject:
    """A recent reject as a client's row keeps it (E1)."""

    n: int
    digest: bytes
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class ClientRow:
    """What the store knows of a client of a project (E1)."""

    client: str
    user: str
    counter: int = 0
    """The last counter that has an outcome."""
    rejects: tuple[KeptReject, ...] = ()
    """The latest rejects, oldest first, `REJECTS_KEPT` at most."""
    digests: Mapping[int, bytes] = field(default_factory=dict)
    """Digests of its latest commits by counter, as far as the log still has them."""
    generation: int = 0
    """How many sessions it has had: the newest supersedes the others (M5)."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A project as a room starts from it."""

    head: Head
    document: Document
    at: int
    """Time of its latest commit in milliseconds UTC, 0 before the first."""


class Conflict(NamedTuple):
    """A write that was overwritten by somebody who had not seen it, told to one side on resume (O3)."""

    key: FieldKey
    lost: EditId
    lost_user: str
    lost_seq: int
    lost_value: Any
    by: EditId
    by_user: str
    by_seq: int


@dataclass(frozen=True, slots=True)
class Admission:
    """What the store says about a client that wants to join, in one consistent reading.

    `known` is whether the client's position is part of this history (false without a position); `conflicts` are those
    since its position in which the client is one of the two sides.
    """

    head: Head
    row: ClientRow
    known: bool
    conflicts: tuple[Conflict, ...] = ()
    thinned: bool = False
    """The position is not known because the log does not reach back to it: it may well be of this history."""


@dataclass(frozen=True, slots=True)
class Caught:
    """The answer to a catch-up from a position, in one consistent reading.

    `replaced` says that the position is not part of this history any more: nothing else in here can be built upon.
    """

    head: Head
    replaced: bool
    edits: Sequence[Committed] = ()
    clients: Mapping[str, ClientRow] = field(default_factory=dict)
