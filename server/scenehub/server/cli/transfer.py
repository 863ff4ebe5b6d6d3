"""Transfer: a folder's project written into a project that lives, and a living project as a folder.

A scene of the folder is the scene with its id, else the only one with its name, else a new one. What is so already is
not written, so importing twice changes nothing. Scenes that the folder does not name stay, unless `replace`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any

from scenehub.client import Project, Rejected
from scenehub.protocol.codec import pack
from scenehub.protocol.document import Scene
from scenehub.protocol.errors import ErrorCode
from scenehub.protocol.ops import (
    Op,
    ProjectFields,
    ProjectSet,
    SceneAdd,
    SceneDelete,
    SceneFields,
    SceneMove,
    SceneRestore,
    SceneSet,
)
from scenehub.protocol.order import keys_between

from .folders import Folder, SceneFile, file_names

OPS_AT_ONCE = 100
BYTES_AT_ONCE = 256 * 1024
"""An import goes in edits of about this size, so that the bar moves and nobody waits behind it."""

ID_TROUBLE = (ErrorCode.ID_TAKEN, ErrorCode.INVALID)
"""How a hub rejects an edit because of an id that a scene of another project has."""


@dataclass(slots=True)
class Outcome:
    """What an import did."""

    added: int = 0
    changed: int = 0
    deleted: int = 0
    remapped: int = 0
    """Ids that were taken elsewhere and replaced by new ones."""
    seq: int = 0


class Transfer:
    """The ops that make a project like a folder, and their journey."""

    def __init__(self, project: Project, folder: Folder, *, replace: bool = False) -> None:
        self._project = project
        self.surplus = _surplus(project.scenes, folder) if replace else []
        """Living scenes that will be deleted."""
        self._ops = [*_project_ops(project.fields, folder), *_scene_ops(project, folder)]
        self._ops += [SceneDelete(id=scene.id) for scene in self.surplus]

    @property
    def total(self) -> int:
        """How often the progress will be told."""
        return max(1, len(self._ops))

    async def run(self, advance: Callable[[], object]) -> Outcome:
        """Write it and wait until it is saved. Raises Rejected with what could not be."""
        outcome = Outcome()
        for ops in _chunks(self._ops):
            outcome.seq = await self._saved(ops, outcome)
            for op in ops:
                outcome.added += isinstance(op, SceneAdd)
                outcome.deleted += isinstance(op, SceneDelete)
                advance()
            outcome.changed += len({op.id for op in ops if isinstance(op, SceneSet | SceneMove | SceneRestore)})
        return outcome

    async def _saved(self, ops: Sequence[Op], outcome: Outcome) -> int:
        """One edit; with new ids in place of those that turn out to be taken in another project."""
        try:
            return await self._project.edit(*ops).saved()
        except Rejected as rejected:
            if rejected.code not in ID_TROUBLE or not any(isinstance(op, SceneAdd) for op in ops):
                raise
        if len(ops) > 1:  # which id it is, the database does not say: halve until it stands alone
            middle = len(ops) // 2
            await self._saved(ops[:middle], outcome)
            return await self._saved(ops[middle:], outcome)
        seq = await self._project.edit(ops[0].model_copy(update={"id": token_urlsafe(16)})).saved()
        outcome.remapped += 1
        return seq


def _chunks(ops: Sequence[Op]) -> Iterator[list[Op]]:
    chunk: list[Op] = []
    size = 0
    for op in ops:
        weight = len(pack(op.model_dump(exclude_unset=True)))
        if chunk and (len(chunk) >= OPS_AT_ONCE or size + weight > BYTES_AT_ONCE):
            yield chunk
            chunk, size = [], 0
        chunk.append(op)
        size += weight
    if chunk:
        yield chunk


# What to write.


def _project_ops(fields: Mapping[str, Any], folder: Folder) -> list[Op]:
    wanted = {"name": folder.name, "fps": folder.fps, "width": folder.width, "height": folder.height}
    written: dict[str, Any] = {name: value for name, value in wanted.items() if fields.get(name) != value}
    props = _changed_props(fields.get("props", {}), folder.props)
    if props:
        written["props"] = props
    return [ProjectSet(set=ProjectFields(**written))] if written else []


def _scene_ops(project: Project, folder: Folder) -> list[Op]:
    there = _matched(project.scenes, folder)
    deleted = set(project.view.deleted_scenes)
    positions = _positions([there.get(index) for index in range(len(folder.scenes))], project.scenes)
    ops: list[Op] = []
    for index, wanted in enumerate(folder.scenes):
        scene, position = there.get(index), positions[index]
        if scene is not None:
            written = _differences(scene, wanted)
            if position is not None:
                ops.append(SceneMove(id=scene.id, position=position))
        elif wanted.id in deleted:
            written = {"name": wanted.name, "duration": wanted.duration, "trim_start": wanted.trim_start}
            written |= {"tsx_code": wanted.code, "props": dict(wanted.props)}
            ops += [SceneRestore(id=wanted.id), SceneMove(id=wanted.id, position=position or "a0")]
        else:
            ops.append(_new(wanted, position or "a0"))
            continue
        if written:
            ops.append(SceneSet(id=scene.id if scene else str(wanted.id), set=SceneFields(**written)))
    return ops


def _new(wanted: SceneFile, position: str) -> SceneAdd:
    return SceneAdd(
        id=wanted.id or token_urlsafe(16),
        position=position,
        name=wanted.name,
        duration=wanted.duration,
        trim_start=wanted.trim_start,
        tsx_code=wanted.code,
        props=dict(wanted.props),
    )


def _matched(scenes: Sequence[Scene], folder: Folder) -> dict[int, Scene]:
    """The living scene of each scene in the folder, by its index there: by id, else by a name that is unique."""
    by_id = {scene.id: scene for scene in scenes}
    names = Counter(scene.name for scene in scenes)
    wanted_names = Counter(scene.name for scene in folder.scenes)
    found = {index: by_id[wanted.id] for index, wanted in enumerate(folder.scenes) if wanted.id in by_id}
    used = {scene.id for scene in found.values()}
    by_name = {scene.name: scene for scene in scenes if names[scene.name] == 1 and scene.id not in used}
    for index, wanted in enumerate(folder.scenes):
        if index not in found and wanted.id is None and wanted_names[wanted.name] == 1 and wanted.name in by_name:
            found[index] = by_name[wanted.name]
    return found


def _surplus(scenes: Sequence[Scene], folder: Folder) -> list[Scene]:
    kept = {scene.id for scene in _matched(scenes, folder).values()}
    return [scene for scene in scenes if scene.id not in kept]


def _differences(scene: Scene, wanted: SceneFile) -> dict[str, Any]:
    fields = {
        "name": wanted.name,
        "duration": wanted.duration,
        "trim_start": wanted.trim_start,
        "tsx_code": wanted.code,
    }
    written: dict[str, Any] = {name: value for name, value in fields.items() if getattr(scene, name) != value}
    props = _changed_props(scene.props, wanted.props)
    if props:
        written["props"] = props
    return written


def _changed_props(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    changed = {key: value for key, value in wanted.items() if there.get(key) != value or key not in there}
    return {**changed, **{key: None for key in there if key not in wanted}}


def _positions(there: Sequence[Scene | None], scenes: Sequence[Scene]) -> list[str | None]:
    """New keys for those that need one: the longest run that is in order already keeps its own."""
    kept = _longest_run([None if scene is None else scene.position for scene in there])
    found: list[str | None] = [None] * len(there)
    lowest = scenes[-1].position if scenes and not kept else None
    bounds = [*kept, len(there)]
    start = 0
    for bound in bounds:
        last = there[start - 1] if start else None
        after_scene = there[bound] if bound < len(there) else None
        before = last.position if last is not None else lowest
        after = after_scene.position if after_scene is not None else None
        if bound > start:
            found[start:bound] = keys_between(before, after, bound - start)
        start = bound + 1
    return found


def _longest_run(positions: Sequence[str | None]) -> list[int]:
    """The indices of a longest strictly increasing run."""
    best: list[tuple[int, int | None]] = []
    for index, position in enumerate(positions):
        length, before = (0, None) if position is None else (1, None)
        for earlier in range(index):
            held = positions[earlier]
            if position is not None and held is not None and held < position and best[earlier][0] >= length:
                length, before = best[earlier][0] + 1, earlier
        best.append((length, before))
    run: list[int] = []
    at = max(range(len(best)), key=lambda index: best[index][0], default=None)
    while at is not None and positions[at] is not None:
        run.append(at)
        at = best[at][1]
    return run[::-1]


# The way back.


def folder_of(project: Project, *, ids: bool) -> Folder:
    """A living project as a folder; without `ids` it is imported as new scenes elsewhere."""
    scenes = project.scenes
    fields = project.fields
    files = file_names([scene.name for scene in scenes])
    rows = tuple(
        SceneFile(
            file, scene.name, scene.duration, scene.trim_start, scene.props, scene.tsx_code, scene.id if ids else None
        )
        for file, scene in zip(files, scenes, strict=True)
    )
    return Folder(fields["name"], fields["fps"], fields["width"], fields["height"], fields["props"], rows)
