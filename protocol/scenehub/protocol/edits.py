"""Edits: ops that commit together under one id, who made them, and what became of them (O1, E1)."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple

import msgpack
from pydantic import Field

from .ops import Model, Op
from .scalars import Counter, Id, Seq


class EditId(NamedTuple):
    """An edit's id (E1): the client that made it and the client's counter, contiguous from 1."""

    client: Id
    n: Counter

    def __str__(self) -> str:
        return f"{self.client}.{self.n}"


class FieldKey(NamedTuple):
    """The address of a field: kind and id of its entity, and its name; a property's is `props.<key>`."""

    kind: str
    id: str
    field: str


class Position(NamedTuple):
    """A place in a project's history (O1): comparable only within an epoch, and checked by the id at seq."""

    epoch: str
    seq: int
    id: EditId | None


class ActorKind(StrEnum):
    """What sort of member acts."""

    PERSON = "person"
    BRAIN = "brain"
    SYSTEM = "system"


class Role(StrEnum):
    """What a member may do (M3)."""

    OWNER = "owner"
    EDITOR = "editor"
    COMMENTER = "commenter"
    VIEWER = "viewer"


class Actor(Model):
    """Who an edit is from, as the hub vouches for it; the client is part of the edit's id."""

    user: Id
    kind: ActorKind = ActorKind.PERSON
    run: Id | None = None


class Edit(Model):
    """What an author wants: frozen from the moment it is first sent (E1)."""

    id: EditId
    epoch: Id
    base: Seq
    """The seq that the author had confirmed, in `epoch` (O3)."""
    ops: tuple[Op, ...] = Field(min_length=1)
    guarded: bool = False
    """Reject rather than overwrite what another client wrote after `base` (O4)."""
    saw: tuple[EditId, ...] = ()
    """Relays that the author had in view on the fields it writes: no notice for those (O3)."""
    undoes: EditId | None = None
    run: Id | None = None

    @cached_property
    def wire(self) -> dict[str, Any]:
        """The edit as a plain map, the same for equal edits whatever they were read from."""
        plain: dict[str, Any] = {
            "id": list(self.id),
            "epoch": self.epoch,
            "base": self.base,
            "ops": [{"kind": op.kind, **op.model_dump(exclude_unset=True, exclude={"kind"})} for op in self.ops],
        }
        if self.guarded:
            plain["guarded"] = True
        if self.saw:
            plain["saw"] = [list(id) for id in self.saw]
        if self.undoes is not None:
            plain["undoes"] = list(self.undoes)
        if self.run is not None:
            plain["run"] = self.run
        return plain


def digest_of(edit: Edit) -> bytes:
    """16 bytes (BLAKE2b) that tell two bodies under one id apart (E1)."""
    return blake2b(msgpack.packb(edit.wire), digest_size=16).digest()


class Overwritten(NamedTuple):
    """A field that a commit overwrote though another client had written it after the author's base (O3)."""

    key: FieldKey
    id: EditId
    """The edit whose value was overwritten."""
    user: str
    seq: int


def digest_of_raw(raw: object) -> bytes:
    """The digest of an edit whose body is not one: whatever came, so that a resend is known again."""
    if isinstance(raw, dict) and "edit" in raw:
        raw = raw["edit"]  # the frame around it tells its age, which differs when it is sent again
    return blake2b(msgpack.packb(raw, default=repr), digest_size=16).digest()
