"""Mine: the ops that bring back what this client wrote when somebody else's write stands instead (O3, O4, O5)."""

from __future__ import annotations

from collections.abc import Sequence

from scenehub.protocol.document import DELETED, MEMORY, MESSAGE, PROJECT, PROPS, SCENE
from scenehub.protocol.edits import Edit
from scenehub.protocol.errors import ErrorCode
from scenehub.protocol.happenings import Choice, Overwritten
from scenehub.protocol.happenings import Rejected as RejectedHappening
from scenehub.protocol.messages import Notice
from scenehub.protocol.ops import (
    MemorySet,
    MessageFields,
    MessageSet,
    Op,
    ProjectFields,
    ProjectSet,
    SceneDelete,
    SceneFields,
    SceneMove,
    SceneRestore,
    SceneSet,
)

from .errors import Rejected

Lost = Choice | Overwritten | Notice | Rejected | RejectedHappening
"""Everything that tells of an own write that does not stand."""


def ops_again(lost: Lost) -> Sequence[Op]:
    """The ops that write it again, on top of what stands now. Raises LookupError when the value is not known."""
    match lost:
        case Choice():
            return lost.edit.ops
        case Overwritten():
            return [_write(lost.notice)]
        case Notice():
            return [_write(lost)]
        case Rejected() | RejectedHappening():
            if lost.edit is None:
                raise LookupError("this was refused before there was an edit")
            return _restored(lost.edit) if lost.code == ErrorCode.SCENE_DELETED else lost.edit.ops


def _restored(edit: Edit) -> Sequence[Op]:
    """Restore and apply mine, as one edit (O5)."""
    scenes = dict.fromkeys(op.id for op in edit.ops if isinstance(op, SceneSet | SceneMove))
    return [*(SceneRestore(id=id) for id in scenes), *edit.ops]


def _write(notice: Notice) -> Op:
    """Write one field as it was lost."""
    kind, id, field = notice.key
    value = notice.lost_value
    named = {"props": {field[len(PROPS) :]: value}} if field.startswith(PROPS) else {field: value}
    if value is None and not field.startswith(PROPS) and kind != MEMORY:
        raise LookupError(f"the hub does not know any more what {'.'.join(notice.key)} was: read its history")
    if kind == MEMORY:
        return MemorySet(key=id, value=value)
    if kind == PROJECT:
        return ProjectSet(set=ProjectFields.model_validate(named))
    if kind == MESSAGE:
        return MessageSet(id=id, set=MessageFields.model_validate(named))
    if kind != SCENE:
        raise LookupError(f"a {kind} is not written by members")
    if field == DELETED:
        return SceneDelete(id=id) if value else SceneRestore(id=id)
    if field == "position":
        return SceneMove(id=id, position=value)
    return SceneSet(id=id, set=SceneFields.model_validate(named))
