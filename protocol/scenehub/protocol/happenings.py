"""What a replica puts out: frames to send, and happenings that a program or a person wants to hear of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .edits import Edit, EditId, FieldKey, Role
from .messages import Auth, Error, Hello, Notice, Ping, SendEdit, SendPresence, Sync


@dataclass(frozen=True, slots=True)
class SendFrame:
    """Send this to the hub."""

    frame: Hello | SendEdit | SendPresence | Sync | Auth | Ping


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Close the connection and open another one."""

    why: str


@dataclass(frozen=True, slots=True)
class Saved:
    """An own edit is durable, at `seq` or before (S2)."""

    id: EditId
    seq: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """An own edit can never be saved; what was typed is in `edit` (S3)."""

    id: EditId
    code: str
    words: str
    culprit: str | None
    edit: Edit


@dataclass(frozen=True, slots=True)
class Merged:
    """An own edit goes on as another one (None: nothing was left to do)."""

    id: EditId
    into: EditId | None


@dataclass(frozen=True, slots=True)
class Choice:
    """An own guarded edit met another's change that it cannot be merged with: a person decides (O4)."""

    id: EditId
    edit: Edit
    texts: Mapping[FieldKey, str]
    """What its code was written on top of."""
    current: tuple[tuple[str, str, str, Any, int], ...]
    """Kind, id, field, value and seq of what stands there."""


@dataclass(frozen=True, slots=True)
class Overwritten:
    """A write was overwritten by somebody who had not seen it (O3): this client's own (`mine`), or by this client."""

    notice: Notice
    mine: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """The view of these entities may differ (None: of any)."""

    entities: set[tuple[str, str]] | None


@dataclass(frozen=True, slots=True)
class Replaced:
    """The confirmed state came anew: `reason` is delta, snapshot, diverged or history."""

    reason: str
    why: str


@dataclass(frozen=True, slots=True)
class MembersChanged:
    """Somebody came, went or moved."""


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """See `Replica.status`."""

    status: str


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """What this member may do."""

    role: Role
    read_only: bool


@dataclass(frozen=True, slots=True)
class ErrorHeard:
    """The hub refused a frame."""

    error: Error


Happening = (
    Saved
    | Rejected
    | Merged
    | Choice
    | Overwritten
    | Changed
    | Replaced
    | MembersChanged
    | StatusChanged
    | RoleChanged
    | ErrorHeard
)
Output = SendFrame | Reconnect | Happening
