"""After-images: what the rows of a project look like once a batch is stored, as far as they change (pure).

A batch was planned against exactly the state that its fence names, so the last write of a field is its value: nothing
needs to be read. Each list holds the records of one argument of `scenehub_commit_v1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from scenehub.protocol import document
from scenehub.protocol.document import DELETED, PROJECT, PROPS, SCENE, Entity
from scenehub.protocol.edits import FieldKey
from scenehub.protocol.ledger import Batch, Committed, Outcome, Rejected
from scenehub.protocol.limits import REJECTS_KEPT
from scenehub.protocol.ops import MessageAdd, SceneAdd
from scenehub.protocol.planning import CODE
from scenehub.server.store.postgres.rows import Record, edit_record, writer_record


class Unsound(ValueError):
    """A batch that contradicts itself: it can never be stored."""


@dataclass(slots=True)
class Images:
    """The records to store, a list for each argument."""

    fences: list[Record] = field(default_factory=list)
    counters: list[Record] = field(default_factory=list)
    new_edits: list[Record] = field(default_factory=list)
    new_scenes: list[Record] = field(default_factory=list)
    changed_scenes: list[Record] = field(default_factory=list)
    codes: list[Record] = field(default_factory=list)
    new_messages: list[Record] = field(default_factory=list)
    changed_messages: list[Record] = field(default_factory=list)
    memories: list[Record] = field(default_factory=list)
    new_proposals: list[Record] = field(default_factory=list)

    def lists(self) -> list[list[Record]]:
        """The arguments in their order."""
        return [getattr(self, each.name) for each in fields(self)]


@dataclass(slots=True)
class _Entity:
    """The last write of each field that a batch writes."""

    project: str
    id: str
    is_new: bool = False
    first: Committed | None = None
    values: Record = field(default_factory=dict)
    writers: Record = field(default_factory=dict)
    deleted_at: int | None = None

    def take(self, name: str, value: Any, commit: Committed) -> None:
        self.first = self.first or commit
        self.values[name] = value
        self.writers[name] = writer_record(commit)
        if name == DELETED:
            self.deleted_at = commit.at if value else None

    def record(self) -> Record:
        """Columns that are written, and the writers of all fields."""
        props = {name.removeprefix(PROPS): value for name, value in self.values.items() if name.startswith(PROPS)}
        record = {name: value for name, value in self.values.items() if not name.startswith(PROPS) and name != DELETED}
        if props or self.is_new:
            record["props"] = props
            record["unset"] = [key for key, value in props.items() if value is None]
        assert self.first is not None
        record.update(
            project_id=self.project,
            id=self.id,
            at=self.first.at,
            seq=self.first.seq,
            deleted_at=self.deleted_at,
            writers=self.writers,
        )
        return record


def images_of(batches: Iterable[Batch]) -> Images:
    """The images of batches of different projects. Raises Unsound."""
    images = Images()
    for batch in batches:
        _check(batch)
        _add(images, batch)
    return images


def _check(batch: Batch) -> None:
    """Refuse what the database could not tell from a sound batch."""
    seq, at = batch.fence.seq, 0
    for commit in batch.commits:
        if commit.seq != seq + 1 or commit.at <= at:
            raise Unsound(f"edit {commit.edit.id} is out of order")
        seq, at = commit.seq, commit.at


def _add(images: Images, batch: Batch) -> None:
    commits = batch.commits
    entities: dict[Entity, _Entity] = {}
    for commit in commits:
        images.new_edits.append(edit_record(batch.project, commit))
        _take(entities, images.codes, batch.project, commit)
    project = entities.pop((PROJECT, PROJECT), None)
    images.fences.append(_fence(batch, commits, project))
    images.counters.extend(_counters(batch))
    for (kind, _), entity in entities.items():
        _list_for(images, kind, entity.is_new).append(entity.record())


def _list_for(images: Images, kind: str, is_new: bool) -> list[Record]:
    match kind:
        case document.SCENE:
            return images.new_scenes if is_new else images.changed_scenes
        case document.MESSAGE:
            return images.new_messages if is_new else images.changed_messages
        case document.MEMORY:
            return images.memories
        case document.PROPOSAL:
            return images.new_proposals
        case _:
            raise Unsound(f"there is no table for a {kind}")


def _take(entities: dict[Entity, _Entity], codes: list[Record], project: str, commit: Committed) -> None:
    for key, value in commit.writes:
        entity = entities.get(key[:2])
        if entity is None:
            entity = entities[key[:2]] = _Entity(project, key.id)
        if key.field == DELETED and _adds(commit, key):  # also when the same edit deletes it again
            entity.is_new = True
        entity.take(key.field, value, commit)
        if key.field == CODE and key.kind == SCENE:
            codes.append(_code(project, commit, key, value))


def _adds(commit: Committed, key: FieldKey) -> bool:
    return any(isinstance(op, SceneAdd | MessageAdd) and op.id == key.id for op in commit.edit.ops)


def _code(project: str, commit: Committed, key: FieldKey, code: str) -> Record:
    return {
        "project_id": project,
        "scene_id": key.id,
        "tsx_code": code,
        "user_id": commit.actor.user,
        "client_id": commit.edit.id.client,
        "actor": commit.actor.kind.value,
        "run_id": commit.actor.run,
        "seq": commit.seq,
        "at": commit.at,
    }


def _fence(batch: Batch, commits: Sequence[Committed], project: _Entity | None) -> Record:
    fence = batch.fence
    record: Record = {} if project is None else project.record()
    record.update(
        project_id=batch.project,
        epoch=fence.epoch,
        seq=fence.seq,
        client=fence.id.client if fence.id else None,
        n=fence.id.n if fence.id else None,
        access=fence.access,
        new_seq=fence.seq,
    )
    if commits:
        last = commits[-1]
        record.update(
            new_seq=last.seq,
            new_client=last.edit.id.client,
            new_n=last.edit.id.n,
            first_at=commits[0].at,
            last_at=last.at,
        )
    return record


def _counters(batch: Batch) -> Iterable[Record]:
    rejects = _rejects(batch.outcomes)
    for client, (before, after, user) in batch.counters.items():
        yield {
            "project_id": batch.project,
            "client_id": client,
            "user_id": user,
            "before": before,
            "after": after,
            "rejects": rejects.get(client, []),
        }


def _rejects(outcomes: Sequence[Outcome]) -> Mapping[str, list[Record]]:
    rejects: dict[str, list[Record]] = {}
    for outcome in outcomes:
        if isinstance(outcome, Rejected):
            refusal = outcome.refusal
            rejects.setdefault(outcome.id.client, []).append(
                {
                    "n": outcome.id.n,
                    "digest": outcome.digest.hex(),
                    "code": str(refusal.code),
                    "words": refusal.words,
                }
            )
    return {client: latest[-REJECTS_KEPT:] for client, latest in rejects.items()}
