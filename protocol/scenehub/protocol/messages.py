"""Frames: what client and hub say to each other over one connection (design §6).

Every frame is a map whose `t` names it. Frames from clients refuse unknown keys by name; frames from the hub ignore
them, so that an older client can talk to a newer hub. `codec.py` turns frames into bytes and back.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from .edits import Actor, Edit, EditId, FieldKey, Position, Role
from .limits import Limits
from .ops import Model
from .presence import Member, Presence
from .scalars import Id, Integer, Milliseconds, Seq, Value

MINOR = 0
"""The protocol's minor version; the hub serves this and the one before."""

FEATURES: tuple[str, ...] = ("presence", "memory", "restore")

Token = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=16 * 1024)]
Agent = Annotated[str, StringConstraints(strict=True, max_length=200)]


# Client to hub.


class Hello(Model):
    """The first frame: who I am and what I have. `counter` is the last one I ever used as this client."""

    t: Literal["hello"] = "hello"
    token: Token
    client: Id
    counter: Seq = 0
    minor: tuple[Seq, Seq] = (MINOR, MINOR)
    """The lowest and the highest protocol minor that the client speaks."""
    position: Position | None = None
    attempt: Seq = 0
    """How many connections this client has opened, this one included: the latest one counts (M5)."""
    whole: bool = False
    """Send a snapshot whatever the position is: it only says since when conflicts are to be told (O3)."""
    agent: Agent = ""


class SendEdit(Model):
    """An edit; `age` in milliseconds since it was made."""

    t: Literal["edit"] = "edit"
    edit: Edit
    age: Milliseconds = 0


class SendPresence(Model):
    """Where I am now: replaces what I said before."""

    t: Literal["presence"] = "presence"
    presence: Presence


class Sync(Model):
    """Send me `state` from this position (a snapshot without one)."""

    t: Literal["sync"] = "sync"
    position: Position | None = None


class Cancel(Model):
    """Stop a run."""

    t: Literal["cancel"] = "cancel"
    run: Id


class Auth(Model):
    """A newer token for this session (M4)."""

    t: Literal["auth"] = "auth"
    token: Token


class Ping(Model):
    """Are you there? Answered by `pong` with the same nonce."""

    t: Literal["ping"] = "ping"
    nonce: Integer = 0


ClientFrame = Annotated[
    Hello | SendEdit | SendPresence | Sync | Cancel | Auth | Ping,
    Field(discriminator="t"),
]


# Hub to client.


class HubModel(BaseModel):
    """A frame from the hub, or a part of one: unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def wire(self) -> dict[str, Any]:
        """The frame as a plain map; what is None or empty by default is left out."""
        return {"t": getattr(self, "t", None), **self.model_dump(exclude_defaults=True)}


class CellRow(NamedTuple):
    """A cell as it travels: value, seq of its write, and that write's client, counter and user."""

    value: Any
    seq: Seq
    client: str
    n: Seq
    user: str


EntityRow = tuple[str, str, dict[str, CellRow]]
"""Kind, id and cells of an entity."""


class Notice(HubModel):
    """A write that was overwritten by somebody who had not seen it (O3); told to both, also on resume."""

    key: FieldKey
    lost: EditId
    lost_user: str
    lost_seq: Seq
    lost_value: Value = None
    by: EditId
    by_user: str
    by_seq: Seq


class RejectRow(HubModel):
    """An own edit that was rejected while its author was away."""

    n: Seq
    code: str
    words: str


class Outcomes(HubModel):
    """What became of the client's own edits: all up to `counter` are committed but those in `rejects` (E1)."""

    counter: Seq
    rejects: tuple[RejectRow, ...] = ()
    conflicts: tuple[Notice, ...] = ()


class Relay(HubModel):
    """Somebody's edit, valid but not saved yet (S1)."""

    t: Literal["relay"] = "relay"
    edit: Edit
    actor: Actor

    def wire(self) -> dict[str, Any]:
        """As a plain map."""
        return {"t": "relay", "edit": self.edit.wire, "actor": actor_wire(self.actor)}


class Welcome(HubModel):
    """The answer to `hello`; `state` follows."""

    t: Literal["welcome"] = "welcome"
    session: Seq
    client: Id
    user: Id
    role: Role
    project: Id
    epoch: str
    limits: Limits
    members: tuple[Member, ...] = ()
    minor: Seq = MINOR
    features: tuple[str, ...] = FEATURES
    token_ms: Milliseconds | None = None
    """Time left on the token in milliseconds; None when it does not expire."""
    at: Milliseconds = 0

    def wire(self) -> dict[str, Any]:
        """As a plain map, limits spelled out."""
        plain = self.model_dump(exclude_none=True)
        plain["members"] = [member_wire(member) for member in self.members]
        return plain


class State(HubModel):
    """A delta or a snapshot, in `parts`; the last part carries relays and outcomes and takes effect (E3).

    It replaces the fields it names (everything, if a snapshot) and the whole set of relays; nothing is merged.
    """

    t: Literal["state"] = "state"
    reason: Literal["delta", "snapshot"]
    why: str = ""
    """Why it is a snapshot: first, asked, epoch_changed, unknown_position, log_thinned."""
    part: Seq = 0
    parts: Seq = 1
    position: Position
    since: Seq | None = None
    """The seq that a delta builds upon: who has not confirmed it cannot use the delta."""
    entities: tuple[EntityRow, ...] = ()
    relays: tuple[Relay, ...] = ()
    outcomes: Outcomes | None = None
    saving: bool = True
    """False while the hub cannot save."""

    def wire(self) -> dict[str, Any]:
        """As a plain map."""
        plain = self.model_dump(exclude={"relays", "entities"}, exclude_none=True)
        plain["entities"] = self.entities
        plain["relays"] = [{"edit": relay.edit.wire, "actor": actor_wire(relay.actor)} for relay in self.relays]
        return plain


class CommitRow(HubModel):
    """An edit in a commit. Its body is here only for those who cannot know it from a relay."""

    id: EditId
    at: Milliseconds
    overwrote: tuple[tuple[FieldKey, EditId, str, Seq], ...] = ()
    """Per field: which edit's value, whose, written at which seq."""
    edit: Edit | None = None
    actor: Actor | None = None
    restored: dict[str, dict[str, CellRow]] | None = None
    """The whole state of scenes that it revived."""

    def wire(self) -> dict[str, Any]:
        """As a plain map."""
        plain: dict[str, Any] = {"id": self.id, "at": self.at}
        if self.overwrote:
            plain["overwrote"] = self.overwrote
        if self.edit is not None and self.actor is not None:
            plain["edit"] = self.edit.wire
            plain["actor"] = actor_wire(self.actor)
        if self.restored is not None:
            plain["restored"] = self.restored
        return plain


class Commit(HubModel):
    """Edits that are durable: `seq` is the first one's, the others follow without a gap (S2)."""

    t: Literal["commit"] = "commit"
    seq: Seq
    edits: tuple[CommitRow, ...]

    def wire(self) -> dict[str, Any]:
        """As a plain map."""
        return {"t": "commit", "seq": self.seq, "edits": [row.wire() for row in self.edits]}


class Reject(HubModel):
    """An edit that can never be saved: everybody drops it, its author keeps what was typed (S3)."""

    t: Literal["reject"] = "reject"
    id: EditId
    code: str
    words: str = ""
    culprit: str | None = None
    current: tuple[tuple[str, str, str, Value, Seq], ...] = ()
    """For `stale`, to the author: kind, id, field, value and seq of what stands there."""


class Unsaved(HubModel):
    """Edits that are not saved. `held`: the hub goes on trying; else they are the author's again (E2, N4)."""

    t: Literal["unsaved"] = "unsaved"
    ids: tuple[EditId, ...] = ()
    held: bool = False
    why: str = ""
    retry_ms: Milliseconds | None = None


class PresenceNews(HubModel):
    """Members who came or changed, where members are now, and clients that are gone (M1)."""

    t: Literal["presence"] = "presence"
    members: tuple[Member, ...] = ()
    moved: dict[str, Presence] = {}
    gone: tuple[str, ...] = ()
    whole: bool = False
    """`members` is everybody: whoever is not named is gone."""

    def wire(self) -> dict[str, Any]:
        """As a plain map."""
        plain: dict[str, Any] = {"t": "presence"}
        if self.members:
            plain["members"] = [member_wire(member) for member in self.members]
        if self.moved:
            plain["moved"] = {client: where.model_dump(exclude_none=True) for client, where in self.moved.items()}
        if self.gone:
            plain["gone"] = self.gone
        if self.whole:
            plain["whole"] = True
        return plain


class RunNews(HubModel):
    """How a run goes; text and code come in chunks addressed by message and offset."""

    t: Literal["run"] = "run"
    run: Id
    status: str = ""
    message: Id | None = None
    offset: Integer = 0
    chunk: str = ""
    detail: Value = None


class BuildNews(HubModel):
    """A component that was built for a revision of a scene, before its pointer moves."""

    t: Literal["build"] = "build"
    scene: Id
    seq: Seq
    status: str = ""
    detail: Value = None


class RoleNews(HubModel):
    """What you may do has changed (M3, M4)."""

    t: Literal["role"] = "role"
    role: Role
    read_only: bool = False
    words: str = ""
    token_ms: Milliseconds | None = None
    """After `auth`, the time left on the new token in milliseconds."""


class Pong(HubModel):
    """Alive; `checksum` is of the confirmed state at `seq`."""

    t: Literal["pong"] = "pong"
    nonce: Integer = 0
    seq: Seq
    checksum: Seq
    at: Milliseconds = 0


class Error(HubModel):
    """A frame was refused; `id` names the edit if it was one, which the hub has not taken."""

    t: Literal["error"] = "error"
    code: str
    words: str
    culprit: str | None = None
    id: EditId | None = None
    expected: Seq | None = None
    """For `counter_gap`: the counter that the hub waits for."""


class Bye(HubModel):
    """The hub will close this session; come back after `retry_ms`."""

    t: Literal["bye"] = "bye"
    code: Integer
    words: str = ""
    retry_ms: Milliseconds = 0


HubFrame = Annotated[
    Welcome
    | State
    | Relay
    | Commit
    | Reject
    | Unsaved
    | PresenceNews
    | RunNews
    | BuildNews
    | RoleNews
    | Pong
    | Error
    | Bye,
    Field(discriminator="t"),
]


def actor_wire(actor: Actor) -> dict[str, Any]:
    """An actor as a plain map."""
    return actor.wire


def member_wire(member: Member) -> dict[str, Any]:
    """A member as a plain map."""
    return member.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
