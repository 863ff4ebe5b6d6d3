"""Edits: ops that commit together under one id, who made them, and what became of them (O1, E1)."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgpack
from pydantic import ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .ops import Model, Op
from .scalars import Counter, Id, Seq

pack: Callable[[object], bytes] = msgpack.Packer().pack
"""Msgpack, for plain values. `msgpack.packb` makes a packer each time, which is a third of its time for an edit."""


if TYPE_CHECKING:
    _Once = cached_property
else:

    class _Once(cached_property):
        """A cached property without the lock that Python 3.11 takes for one (1 µs)."""

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self.attrname] = self.func(instance)
            return value


class _Spelled(Model):
    """A value that keeps how it is spelled on the wire."""

    model_config = ConfigDict(ignored_types=(_Once,))

    def __copy__(self) -> Self:
        """A copy that spells itself anew: pydantic makes it for `model_copy`, to change it."""
        copy = super().__copy__()
        for name in ("wire", "packed"):
            copy.__dict__.pop(name, None)
        return copy


class EditId(NamedTuple):
    """An edit's id (E1): the client that made it and the client's counter, contiguous from 1."""

    client: Id
    n: Counter

    def __str__(self) -> str:
        return f"{self.client}.{self.n}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A pair; pydantic's own schema of a named tuple takes twice the time."""
        pair = core_schema.tuple_schema([handler.generate_schema(Id), handler.generate_schema(Counter)])
        return core_schema.no_info_after_validator_function(cls._make, pair)


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


class Actor(_Spelled):
    """Who an edit is from, as the hub vouches for it; the client is part of the edit's id."""

    user: Id
    kind: ActorKind = ActorKind.PERSON
    run: Id | None = None

    @_Once
    def wire(self) -> dict[str, Any]:
        """The actor as a plain map."""
        plain: dict[str, Any] = {"user": self.user, "kind": self.kind.value}
        if self.run is not None:
            plain["run"] = self.run
        return plain

    @_Once
    def packed(self) -> bytes:
        """`wire` in msgpack."""
        return pack(self.wire)


class Foundation(NamedTuple):
    """The unsaved edit, another's relay or an own one, that a scene's code was written on top of."""

    scene: Id
    edit: EditId


class Edit(_Spelled):
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
    upon: tuple[Foundation, ...] = ()
    """Code that was written on top of an unsaved edit: it is stale unless that edit is what stands there (O4)."""
    undoes: EditId | None = None
    run: Id | None = None

    @_Once
    def wire(self) -> dict[str, Any]:
        """The edit as a plain map, the same for equal edits whatever they were read from."""
        plain: dict[str, Any] = {
            "id": list(self.id),
            "epoch": self.epoch,
            "base": self.base,
            "ops": [_op_wire(op) for op in self.ops],
        }
        if self.guarded:
            plain["guarded"] = True
        if self.saw:
            plain["saw"] = [list(id) for id in self.saw]
        if self.upon:
            plain["upon"] = [[scene, list(id)] for scene, id in self.upon]
        if self.undoes is not None:
            plain["undoes"] = list(self.undoes)
        if self.run is not None:
            plain["run"] = self.run
        return plain

    @_Once
    def packed(self) -> bytes:
        """`wire` in msgpack: made once, for the digest, the relays and the other nodes."""
        return pack(self.wire)


def _op_wire(op: Op) -> dict[str, Any]:
    """What was set of an op, in the order of its fields: `model_dump(exclude_unset=True)` in a third of its time."""
    plain: dict[str, Any] = {"kind": op.kind}
    given = op.model_fields_set
    for name, value in op.__dict__.items():
        if name == "set":
            plain[name] = value.written()
        elif name in given:
            plain[name] = value
    return plain


def digest_of(edit: Edit) -> bytes:
    """16 bytes (BLAKE2b) that tell two bodies under one id apart (E1)."""
    return blake2b(edit.packed, digest_size=16).digest()


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
