"""Ops: the changes that an edit is made of, one change of one entity each (rules O2, O5, O6, O8).

Every op is a frozen pydantic model whose `kind` names it; `Op` is the union that frames carry. An op knows nothing of
documents: `document.py` turns it into writes of fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .scalars import Code, Frames, Id, Integer, Integral, Key, Name, Position, Props, Text, Value

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _Plain(ModelMetaclass):
    """Classes that are never registered for one another: `isinstance` is the interpreter's own, 0.1 µs and not 0.4."""

    __instancecheck__ = type.__instancecheck__


class Model(BaseModel, metaclass=_Plain):
    """A value of the wire: immutable, and unknown keys are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Fields(Model):
    """A set of named fields to write; a field left out is not written."""

    @model_validator(mode="after")
    def _writes_something(self) -> _Fields:
        if not self.model_fields_set:
            raise ValueError("set at least one field")
        return self

    def written(self) -> dict[str, Any]:
        """The fields that are written, by their wire names, in the order of their declaration."""
        given = self.__pydantic_fields_set__
        if len(given) == 1:
            (name,) = given
            return {name: self.__dict__[name]}
        return {name: value for name, value in self.__dict__.items() if name in given}


Duration = Annotated[int, Integral(1, 10_000_000)]
Side = Annotated[int, Integral(16, 16_384)]
Rate = Annotated[int, Integral(1, 240)]


class ProjectFields(_Fields):
    """Fields of the project; width and height in pixels, fps in frames a second."""

    name: Name = ""
    fps: Rate = 30
    width: Side = 1920
    height: Side = 1080
    props: Props = {}


class SceneFields(_Fields):
    """Fields of a scene; duration and trim_start in frames, tsx_code with \\n line ends."""

    name: Name = ""
    duration: Duration = 1
    trim_start: Frames = 0
    tsx_code: Code = ""
    props: Props = {}


class MessageFields(_Fields):
    """Fields of a chat message that may change after it was added."""

    text: Text = ""
    deleted: bool = False


class ProjectSet(Model):
    """Write fields of the project."""

    kind: Literal["project.set"] = "project.set"
    set: ProjectFields


class SceneAdd(Model):
    """Add a scene at a position."""

    kind: Literal["scene.add"] = "scene.add"
    id: Id
    position: Position
    name: Name
    duration: Duration
    trim_start: Frames = 0
    tsx_code: Code = ""
    props: Props = {}


class SceneSet(Model):
    """Write fields of a scene; a property set to null is removed."""

    kind: Literal["scene.set"] = "scene.set"
    id: Id
    set: SceneFields


class SceneMove(Model):
    """Give a scene another position (O6)."""

    kind: Literal["scene.move"] = "scene.move"
    id: Id
    position: Position


class SceneDelete(Model):
    """Leave a tombstone for a scene (O5)."""

    kind: Literal["scene.delete"] = "scene.delete"
    id: Id


class SceneRestore(Model):
    """Revive a deleted scene under its own id (O5)."""

    kind: Literal["scene.restore"] = "scene.restore"
    id: Id


class MessageAdd(Model):
    """Add a chat message; `scene` is the scene it is about, `asks` asks the brain for a run (B5)."""

    kind: Literal["message.add"] = "message.add"
    id: Id
    text: Text
    scene: Id | None = None
    asks: bool = False


class MessageSet(Model):
    """Change or delete a chat message."""

    kind: Literal["message.set"] = "message.set"
    id: Id
    set: MessageFields


class MemorySet(Model):
    """Write a preference of the project; null removes it."""

    kind: Literal["memory.set"] = "memory.set"
    key: Key
    value: Value


class ComponentSet(Model):
    """By the system: where a scene's build stands and what is published (C3, O8)."""

    kind: Literal["component.set"] = "component.set"
    id: Id
    component: Value = None
    diagnostics: Value = None


class ProposalFields(_Fields):
    """Fields of a proposal (B2): a version of a scene's field that a person accepts or dismisses."""

    scene: Id = ""
    field: Name = ""
    text: Code = ""
    base: Integer = 0
    run: Id | None = None
    status: Literal["open", "accepted", "dismissed"] = "open"


class ProposalSet(Model):
    """By the system: add a proposal or change it (O8)."""

    kind: Literal["proposal.set"] = "proposal.set"
    id: Id
    set: ProposalFields


Op = Annotated[
    ProjectSet
    | SceneAdd
    | SceneSet
    | SceneMove
    | SceneDelete
    | SceneRestore
    | MessageAdd
    | MessageSet
    | MemorySet
    | ComponentSet
    | ProposalSet,
    Field(discriminator="kind"),
]

SYSTEM_OPS = (ComponentSet, ProposalSet)
"""Ops that only the system actor may use."""

COMMENT_OPS = (MessageAdd, MessageSet)
"""Ops that a commenter may use."""
