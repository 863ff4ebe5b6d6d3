"""Document: a project as fields, each a last-write-wins register in the order of edits (O1, O2, O5, O6).

A field's cell holds its value and who wrote it at which seq. An entity exists when it has a `deleted` cell, and lives
while that cell is false; a tombstone keeps the entity's other cells, so a restore revives them. `living` is the one
read path that filters tombstones. A document never decides whether an edit is allowed: `planning.py` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol
from zlib import crc32

import rfc8785

from .edits import EditId, FieldKey
from .ops import (
    ComponentSet,
    MemorySet,
    MessageAdd,
    MessageSet,
    Op,
    ProposalSet,
    SceneAdd,
    SceneDelete,
    SceneMove,
    SceneRestore,
    SceneSet,
)

PROJECT = "project"
SCENE = "scene"
MESSAGE = "message"
MEMORY = "memory"
PROPOSAL = "proposal"
DELETED = "deleted"
PROPS = "props."


class Cell(NamedTuple):
    """A field's value and the write it comes from."""

    value: Any
    seq: int
    id: EditId
    user: str


Cells = dict[str, Cell]
Entity = tuple[str, str]
Write = tuple[FieldKey, Any]


class Scene(NamedTuple):
    """A living scene as people see it; start, duration and trim_start in frames."""

    id: str
    name: str
    position: str
    start: int
    duration: int
    trim_start: int
    tsx_code: str
    props: dict[str, Any]
    component: Any = None
    diagnostics: Any = None


class Message(NamedTuple):
    """A living chat message; `at` in milliseconds UTC of the hub, informative only."""

    id: str
    user: str
    text: str
    scene: str | None
    at: int
    seq: int


class Document:
    """The confirmed state of a project at `seq`."""

    def __init__(self) -> None:
        self.entities: dict[Entity, Cells] = {}
        self._sums: dict[Entity, int] = {}

    def cell(self, key: FieldKey) -> Cell | None:
        """The cell of a field, or None if it was never written."""
        cells = self.entities.get(key[:2])
        return None if cells is None else cells.get(key.field)

    def cells(self, kind: str, id: str) -> Mapping[str, Cell]:
        """All cells of an entity, tombstone or not."""
        return self.entities.get((kind, id), {})

    def put(self, key: FieldKey, cell: Cell) -> None:
        """Set a field's cell."""
        entity = key[:2]
        cells = self.entities.get(entity)
        if cells is None:
            cells = self.entities[entity] = {}
        cells[key.field] = cell
        self._sums.pop(entity, None)

    def take(self, kind: str, id: str, cells: Mapping[str, Cell]) -> None:
        """Set the cells that a delta or a snapshot names.

        A tombstone stands for the whole entity: what was known of it may be old, and must not come back (O5).
        """
        if is_tombstone(cells):
            self.entities.pop((kind, id), None)
        for field, cell in cells.items():
            self.put(FieldKey(kind, id, field), cell)

    def absorb(self, cells: Mapping[FieldKey, Cell]) -> None:
        """Set many cells: what a draft wrote, once it is durable."""
        for key, cell in cells.items():
            self.put(key, cell)

    def living(self, kind: str) -> Iterator[tuple[str, Cells]]:
        """The entities of a kind that are not deleted: the one read path that filters tombstones (O5)."""
        for (its_kind, id), cells in self.entities.items():
            if its_kind == kind and not is_tombstone(cells):
                yield id, cells

    def changed_since(self, seq: int) -> list[tuple[str, str, Cells]]:
        """What a client that had confirmed `seq` lacks (E3): bounded by the project, not by what was missed.

        A deleted entity is its tombstone alone; one that was restored after `seq` is whole, since the client may have
        met it only as a tombstone.
        """
        return [(kind, id, changed) for (kind, id), cells in self.entities.items() if (changed := _changed(cells, seq))]

    def forget_messages(self, keep: int) -> None:
        """Keep the newest `keep` messages; older ones are read from the store."""
        ids = sorted((cells["author"].seq, id) for (kind, id), cells in self.entities.items() if kind == MESSAGE)
        for _, id in ids[: max(0, len(ids) - keep)]:
            del self.entities[MESSAGE, id]

    def checksum(self) -> int:
        """A CRC-32 over everything but the chat, equal for equal states whatever way they came about.

        Each entity's canonical JSON (RFC 8785) has its own CRC-32; they are added modulo 2^32, so only what changed
        is computed again and no order is imposed.
        """
        return sum(self._sum(entity) for entity in self.entities if entity[0] != MESSAGE) & 0xFFFFFFFF

    def _sum(self, entity: Entity) -> int:
        known = self._sums.get(entity)
        if known is None:
            known = self._sums[entity] = crc32(_canonical(entity, self.entities[entity]))
        return known


def is_tombstone(cells: Mapping[str, Cell]) -> bool:
    """Whether these cells are of a deleted entity."""
    cell = cells.get(DELETED)
    return cell is not None and cell.value is True


def _changed(cells: Cells, seq: int) -> Cells:
    marker = cells.get(DELETED)
    if marker is not None:
        if marker.value:
            return {DELETED: marker} if marker.seq > seq else {}
        if marker.seq > seq:
            return dict(cells)
    return {field: cell for field, cell in cells.items() if cell.seq > seq}


def _canonical(entity: Entity, cells: Cells) -> bytes:
    shown = {DELETED: cells[DELETED]} if is_tombstone(cells) else cells
    rows = {field: [cell.value, cell.seq, cell.id.client, cell.id.n] for field, cell in shown.items()}
    return rfc8785.dumps([*entity, rows])


def writes_of(op: Op, user: str, at: int) -> list[Write]:
    """The writes of an op that is allowed and not a no-op; `at` is its edit's time in milliseconds UTC."""
    # By their kinds, not as classes: `isinstance` of a pydantic model takes 0.1 µs for each class that it is not.
    if op.kind == "scene.set":
        return _fields(SCENE, op.id, op.set.written())
    if op.kind == "project.set":
        return _fields(PROJECT, PROJECT, op.set.written())
    match op:
        case SceneMove():
            return [(FieldKey(SCENE, op.id, "position"), op.position)]
        case SceneAdd():
            added = op.model_dump(exclude={"kind", "id"})
            return [(FieldKey(SCENE, op.id, DELETED), False), *_fields(SCENE, op.id, added)]
        case SceneDelete():
            return [(FieldKey(SCENE, op.id, DELETED), True)]
        case SceneRestore():
            return [(FieldKey(SCENE, op.id, DELETED), False)]
        case MessageAdd():
            added = {"text": op.text, "scene": op.scene, "asks": op.asks, "author": user, "at": at}
            return [(FieldKey(MESSAGE, op.id, DELETED), False), *_fields(MESSAGE, op.id, added)]
        case MessageSet():
            return _fields(MESSAGE, op.id, op.set.written())
        case MemorySet():
            return [(FieldKey(MEMORY, op.key, "value"), op.value)]
        case ComponentSet():
            shown: dict[str, Any] = {"component": op.component, "diagnostics": op.diagnostics}
            return _fields(SCENE, op.id, {name: shown[name] for name in shown if name in op.model_fields_set})
        case ProposalSet():
            return _fields(PROPOSAL, op.id, op.set.written())


def _fields(kind: str, id: str, written: Mapping[str, Any]) -> list[Write]:
    writes: list[Write] = []
    for name, value in written.items():
        if name == "props":
            for key, member in value.items():
                writes.append((FieldKey(kind, id, PROPS + key), member))
        else:
            writes.append((FieldKey(kind, id, name), value))
    return writes


def props_of(cells: Mapping[str, Cell]) -> dict[str, Any]:
    """The properties that are set, by key; null removed them."""
    return {
        field[len(PROPS) :]: cell.value
        for field, cell in cells.items()
        if field.startswith(PROPS) and cell.value is not None
    }


def scenes_of(entities: Iterable[tuple[str, Cells]]) -> list[Scene]:
    """Living scenes in their order (O6), with the start that follows from it.

    A scene of which only the marker is known (its restore is on the way) is not shown yet.
    """
    ordered = sorted(
        ((cells["position"].value, id, cells) for id, cells in entities if "position" in cells and "duration" in cells),
        key=lambda row: row[:2],
    )
    scenes: list[Scene] = []
    start = 0
    for position, id, cells in ordered:
        scenes.append(_scene(id, position, start, cells))
        start += cells["duration"].value
    return scenes


def _scene(id: str, position: str, start: int, cells: Cells) -> Scene:
    def value(field: str) -> Any:
        cell = cells.get(field)
        return None if cell is None else cell.value

    return Scene(
        id,
        value("name"),
        position,
        start,
        value("duration"),
        value("trim_start"),
        value("tsx_code"),
        props_of(cells),
        value("component"),
        value("diagnostics"),
    )


def messages_of(entities: Iterable[tuple[str, Cells]]) -> list[Message]:
    """Living messages, oldest first."""
    messages = [
        Message(
            id,
            cells["author"].value,
            cells["text"].value,
            cells["scene"].value,
            cells["at"].value,
            cells["author"].seq,
        )
        for id, cells in entities
    ]
    return sorted(messages, key=lambda message: (message.seq, message.id))


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same on the wire: for Python 1 equals True, for JSON it does not."""
    if type(one) is str:
        return bool(one == other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


class Writable(Protocol):
    """A document, or a draft on top of one."""

    def cell(self, key: FieldKey) -> Cell | None:
        """The cell of a field."""

    def put(self, key: FieldKey, cell: Cell) -> None:
        """Set a field's cell."""


def apply_edit(document: Writable, ops: Iterable[Op], id: EditId, user: str, seq: int, at: int) -> list[FieldKey]:
    """Apply a committed edit and return the fields it wrote.

    What asks for what is so already (deleting a tombstone) or cannot be (adding an id that is there) writes nothing,
    and an op on an entity that this document does not hold (an old message) is passed over: the edit was judged where
    everything is held.
    """
    keys: list[FieldKey] = []
    for op in ops:
        if not _bites(document, op):
            continue
        for key, value in writes_of(op, user, at):
            document.put(key, Cell(value, seq, id, user))
            keys.append(key)
    return keys


def _bites(document: Writable, op: Op) -> bool:
    match op:
        case SceneDelete() | SceneRestore():
            marker = document.cell(FieldKey(SCENE, op.id, DELETED))
            return marker is not None and marker.value is isinstance(op, SceneRestore)
        case SceneAdd():
            return document.cell(FieldKey(SCENE, op.id, DELETED)) is None
        case MessageAdd():
            return document.cell(FieldKey(MESSAGE, op.id, DELETED)) is None
        case MessageSet():
            return document.cell(FieldKey(MESSAGE, op.id, DELETED)) is not None
        case SceneSet() | SceneMove() | ComponentSet():
            return document.cell(FieldKey(SCENE, op.id, DELETED)) is not None
        case _:
            return True
