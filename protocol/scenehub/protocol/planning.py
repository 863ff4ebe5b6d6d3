"""Planning: whether an edit may be stored on top of a state, and what it then writes (O3, O4, O5, O7).

`Draft` is a document plus edits that were planned on it but are not durable yet. `plan` decides one edit: either a
`Refusal`, which leaves the draft as it was, or a `Plan`, whose writes the draft then holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .document import (
    DELETED,
    MEMORY,
    MESSAGE,
    PROJECT,
    PROPS,
    SCENE,
    Cell,
    Cells,
    Document,
    Entity,
    Write,
    is_same,
    writes_of,
)
from .edits import Actor, ActorKind, Edit, EditId, FieldKey, Overwritten, Role
from .errors import ErrorCode, Refusal
from .limits import Limits
from .ops import (
    COMMENT_OPS,
    SYSTEM_OPS,
    ComponentSet,
    MemorySet,
    MessageAdd,
    MessageSet,
    Op,
    ProjectSet,
    ProposalSet,
    SceneAdd,
    SceneDelete,
    SceneMove,
    SceneRestore,
    SceneSet,
)

CODE = "tsx_code"
BRAIN, SYSTEM = ActorKind.BRAIN, ActorKind.SYSTEM
VIEWER, COMMENTER = Role.VIEWER, Role.COMMENTER
"""Under names of their own: Python 3.11 takes 0.1 µs to find an enum's member."""


@dataclass(slots=True)
class Plan:
    """What a commit of an edit will store."""

    writes: list[Write]
    replaced: dict[FieldKey, int]
    """Per field written, the seq of the write it replaced (0 when there was none)."""
    overwrote: list[Overwritten]
    restored: dict[str, Cells]
    """The whole state, after this edit, of each scene that it revived (O5)."""
    lost: dict[FieldKey, Any] = field(default_factory=dict)
    """The values of what it overwrote unseen, for the notice (O3)."""


class Draft:
    """A document with planned edits on top that are not durable yet."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.written: dict[Entity, Cells] = {}

    def cell(self, key: FieldKey) -> Cell | None:
        """The cell of a field as the next edit finds it."""
        cells = self.written.get(key[:2])
        cell = None if cells is None else cells.get(key.field)
        return self.document.cell(key) if cell is None else cell

    def put(self, key: FieldKey, cell: Cell) -> None:
        """Hold a planned write."""
        self.written.setdefault(key[:2], {})[key.field] = cell

    def cells(self, kind: str, id: str) -> Cells:
        """All cells of an entity as the next edit finds them."""
        return {**self.document.cells(kind, id), **self.written.get((kind, id), {})}

    def living_scenes(self) -> int:
        """How many scenes are not deleted."""
        markers = {id: cells[DELETED].value for (kind, id), cells in self.document.entities.items() if kind == SCENE}
        for (kind, id), cells in self.written.items():
            if kind == SCENE and DELETED in cells:
                markers[id] = cells[DELETED].value
        return sum(not deleted for deleted in markers.values())


@dataclass(slots=True)
class _Trial:
    """One edit on its way onto a draft: its own writes so far, which its later ops see."""

    draft: Draft
    edit: Edit
    actor: Actor
    limits: Limits
    base: int
    guarded: bool
    values: dict[FieldKey, Any] = field(default_factory=dict)
    replaced: dict[FieldKey, int] = field(default_factory=dict)
    restored: list[str] = field(default_factory=list)
    deleted: set[Entity] = field(default_factory=set)
    unseen: dict[FieldKey, Cell] = field(default_factory=dict)
    """What its author did not know of and it writes over, or does away with."""


class _Refused(Exception):
    def __init__(self, code: ErrorCode, words: str, culprit: str, current: tuple[Any, ...] = ()) -> None:
        super().__init__(words)
        self.refusal = Refusal(code, words, culprit, current)


def must_be_guarded(edit: Edit, actor: Actor) -> bool:
    """Whether an edit is guarded whatever it says itself (O4): code, the brain's edits and undo."""
    if edit.guarded or edit.undoes is not None or actor.kind is BRAIN:
        return True
    return any(map(_writes_code, edit.ops))


def _writes_code(op: Op) -> bool:
    return op.kind == "scene.set" and CODE in op.set.model_fields_set


def allowed(ops: Iterable[Op], role: Role, actor: Actor) -> Refusal | None:
    """The one place where a role is held against an edit's ops (M3)."""
    is_system = actor.kind is SYSTEM
    for index, op in enumerate(ops):
        if not is_system and type(op) in SYSTEM_OPS:
            return Refusal(ErrorCode.FORBIDDEN, f"{op.kind} is for the hub itself", f"ops.{index}")
        if role is VIEWER or (role is COMMENTER and type(op) not in COMMENT_OPS):
            return Refusal(ErrorCode.FORBIDDEN, f"a {role} may not do {op.kind}: ask an owner for more", f"ops.{index}")
    return None


def plan(
    draft: Draft, edit: Edit, actor: Actor, *, seq: int, at: int, base: int, guarded: bool, limits: Limits
) -> Plan | Refusal:
    """Decide an edit that would get `seq` at `at` (ms UTC).

    `base` is the edit's base in the current epoch (−1 when it comes from another one); `guarded` says whether it must
    not overwrite. Afterwards the draft holds the edit's writes, or is unchanged when it was refused.
    """
    trial = _Trial(draft, edit, actor, limits, base, guarded or must_be_guarded(edit, actor))
    try:
        for index, op in enumerate(edit.ops):
            if not _is_no_op(trial, op, index):
                _try(trial, op, index, at)
    except _Refused as refused:
        return refused.refusal
    for key, value in trial.values.items():
        draft.put(key, Cell(value, seq, edit.id, actor.user))
    planned = Plan(list(trial.values.items()), trial.replaced, [], {}, {})
    for id in trial.restored:
        planned.restored[id] = draft.cells(SCENE, id)
    for key, cell in trial.unseen.items():
        if key not in trial.values or key[:2] in trial.deleted or not is_same(cell.value, trial.values[key]):
            planned.overwrote.append(Overwritten(key, cell.id, cell.user, cell.seq))
            planned.lost[key] = cell.value
    return planned


def _try(trial: _Trial, op: Op, index: int, at: int) -> None:
    values, draft, grows = trial.values, trial.draft, False
    if op.kind == "scene.delete":
        trial.deleted.add((SCENE, op.id))
        for name, cell in draft.cells(SCENE, op.id).items():
            _meet(trial, FieldKey(SCENE, op.id, name), cell, index)
    elif op.kind == "scene.restore":
        trial.restored.append(op.id)
        grows = True
    for key, value in writes_of(op, trial.actor.user, at):
        if key not in values:
            before = draft.cell(key)
            if before is None:
                trial.replaced[key] = 0
                grows = True
            else:
                trial.replaced[key] = before.seq
                if op.kind != "scene.delete":
                    _meet(trial, key, before, index)
        values[key] = value
    if grows:
        _check_quota(trial, op, index)


def _meet(trial: _Trial, key: FieldKey, cell: Cell, index: int) -> None:
    """Hold one of the edit's writes against what is there: told (O3), refused when guarded (O4), or nothing.

    For a guarded edit, deleting or reviving the entity counts as a write of each of its fields.
    """
    if not trial.guarded:
        if not _is_seen(trial, cell):
            trial.unseen[key] = cell
        return
    marker = trial.draft.cell(FieldKey(key.kind, key.id, DELETED))
    seen = _is_code_seen(trial, key, cell) if key.field == CODE else _is_seen(trial, cell)
    if not seen or not (marker is None or _is_seen(trial, marker)):
        words = f"{key.field} of {key.kind} {key.id} was changed by another member after what this edit is based on"
        raise _Refused(ErrorCode.STALE, words, f"ops.{index}", ((*key, cell.value, cell.seq),))


def _is_seen(trial: _Trial, cell: Cell) -> bool:
    """Whether the author knew of a write, or made it."""
    return cell.seq <= trial.base or cell.id.client == trial.edit.id.client or cell.id in trial.edit.saw


def _is_code_seen(trial: _Trial, key: FieldKey, latest: Cell) -> bool:
    """Whether code was written on top of what stands there.

    Written on top of an unsaved edit it also holds what that edit did, and would do it even if the edit were rejected:
    so that edit must stand there.
    """
    under = next((id for scene, id in trial.edit.upon if scene == key.id), None)
    if under is None:
        return latest.seq <= trial.base or latest.id.client == trial.edit.id.client
    return latest.id == under


def _is_deleted(trial: _Trial, kind: str, id: str) -> bool | None:
    """Whether an entity is deleted as the next op finds it; None if there is none."""
    key = FieldKey(kind, id, DELETED)
    if key in trial.values:
        return bool(trial.values[key])
    cell = trial.draft.cell(key)
    return None if cell is None else bool(cell.value)


def _is_no_op(trial: _Trial, op: Op, index: int) -> bool:
    """Check that what an op is about exists; true when it asks for what is so already (O5)."""
    if op.kind == "project.set":
        return False
    match op:
        case SceneSet() | SceneMove() | ComponentSet():
            if _existing(trial, SCENE, op.id, index):
                words = f"scene {op.id} is deleted: restore it, or restore it and apply your change in one edit"
                raise _Refused(ErrorCode.SCENE_DELETED, words, f"ops.{index}.id")
        case MemorySet() | ProposalSet():
            pass
        case SceneAdd() | MessageAdd():
            kind = SCENE if isinstance(op, SceneAdd) else MESSAGE
            if _is_deleted(trial, kind, op.id) is not None:
                raise _Refused(ErrorCode.ID_TAKEN, f"there is a {kind} with the id {op.id} already", f"ops.{index}.id")
        case SceneDelete():
            return _existing(trial, SCENE, op.id, index)
        case SceneRestore():
            return not _existing(trial, SCENE, op.id, index)
        case MessageSet():
            _existing(trial, MESSAGE, op.id, index)
            author = trial.draft.cell(FieldKey(MESSAGE, op.id, "author"))
            if author is not None and author.value != trial.actor.user and trial.actor.kind is not ActorKind.SYSTEM:
                raise _Refused(ErrorCode.FORBIDDEN, "only its author may change a message", f"ops.{index}.id")
    return False


def _existing(trial: _Trial, kind: str, id: str, index: int) -> bool:
    deleted = _is_deleted(trial, kind, id)
    if deleted is None:
        raise _Refused(ErrorCode.NOT_FOUND, f"there is no {kind} with the id {id}", f"ops.{index}.id")
    return deleted


def _check_quota(trial: _Trial, op: Op, index: int) -> None:
    match op:
        case SceneSet():
            if op.set.props:
                _check_props(trial, SCENE, op.id, op.set.props, index)
        case ProjectSet():
            if op.set.props:
                _check_props(trial, PROJECT, PROJECT, op.set.props, index)
        case SceneAdd() | SceneRestore():
            if trial.draft.living_scenes() + _own_scenes(trial) > trial.limits.scenes:
                raise _Refused(ErrorCode.QUOTA, f"a project has {trial.limits.scenes} scenes at most", f"ops.{index}")
            if isinstance(op, SceneAdd):
                _check_props(trial, SCENE, op.id, op.props, index)
        case MemorySet() if trial.replaced[FieldKey(MEMORY, op.key, "value")] == 0:
            entities = {*trial.draft.document.entities, *trial.draft.written}
            if sum(kind == MEMORY for kind, _ in entities) >= trial.limits.memories:
                words = f"a project has {trial.limits.memories} memories at most"
                raise _Refused(ErrorCode.QUOTA, words, f"ops.{index}")
        case _:
            pass


def _own_scenes(trial: _Trial) -> int:
    """How many living scenes the edit itself adds to those of the draft."""
    own = 0
    for key, deleted in trial.values.items():
        if key.kind == SCENE and key.field == DELETED:
            cell = trial.draft.cell(key)
            was = cell is not None and not cell.value
            own += (not deleted) - was
    return own


def _check_props(trial: _Trial, kind: str, id: str, written: Mapping[str, Any], index: int) -> None:
    held = len(trial.draft.document.cells(kind, id)) + len(trial.draft.written.get((kind, id), ()))
    if held + len(written) <= trial.limits.props:
        return
    names = {name for name in trial.draft.cells(kind, id) if name.startswith(PROPS)}
    if len(names | {PROPS + key for key in written}) > trial.limits.props:
        raise _Refused(ErrorCode.QUOTA, f"a {kind} has {trial.limits.props} properties at most", f"ops.{index}")


def base_in(edit: Edit, epoch: str) -> int:
    """An edit's base in `epoch`: from another epoch, everything has changed since (O1)."""
    return edit.base if edit.epoch == epoch else -1


__all__ = ["CODE", "Draft", "EditId", "Plan", "allowed", "base_in", "must_be_guarded", "plan"]
