"""Presence: who is here and where they are (M1). Never stored, latest wins, silent after a while."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from .edits import ActorKind, Role
from .ops import Model
from .scalars import Colour, Frames, Id, Integer, Name

Activity = Annotated[str, StringConstraints(strict=True, max_length=200, pattern=r"^[^\x00]*$")]
Coordinate = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class Presence(Model):
    """Where a member is.

    `selection` in UTF-16 units of the field's text, `cursor` in units that senders agree upon, `playhead` in frames.
    """

    scene: Id | None = None
    field: Name | None = None
    selection: tuple[Integer, Integer] | None = None
    cursor: tuple[Coordinate, Coordinate] | None = None
    playhead: Frames | None = None
    activity: Activity | None = None
    """What the member is busy with, in words; the brain says here what it is doing."""


class Member(BaseModel):
    """A member of a project as others see it, by client: two tabs of one person are two members."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    client: Id
    user: Id
    name: Name
    colour: Colour
    role: Role
    kind: ActorKind = ActorKind.PERSON
    idle: bool = False
    presence: Presence | None = None
