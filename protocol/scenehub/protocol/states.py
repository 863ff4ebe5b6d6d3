"""`state` frames: a document as a delta or a snapshot, cut into parts that fit a frame (E3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from .document import DELETED, MESSAGE, Cell, Cells, Document, is_tombstone
from .edits import EditId, FieldKey, Position
from .ledger import Conflict
from .limits import RECENT_MESSAGES
from .messages import CellRow, EntityRow, Notice, Outcomes, Relay, State


def cell_row(cell: Cell) -> CellRow:
    """A cell as it travels."""
    return CellRow(cell.value, cell.seq, cell.id.client, cell.id.n, cell.user)


def cell_of(row: CellRow) -> Cell:
    """A cell as it is held."""
    return Cell(row.value, row.seq, EditId(row.client, row.n), row.user)


def cell_rows(cells: Mapping[str, Cell]) -> dict[str, CellRow]:
    """An entity's cells as they travel."""
    return {field: cell_row(cell) for field, cell in cells.items()}


def delta_rows(document: Document, since: int) -> list[EntityRow]:
    """What changed after `since`."""
    return [(kind, id, cell_rows(cells)) for kind, id, cells in document.changed_since(since)]


def snapshot_rows(document: Document) -> list[EntityRow]:
    """Everything a client starts from: living entities, bare tombstones, and the last messages."""
    rows: list[EntityRow] = []
    messages: list[tuple[int, str, Cells]] = []
    for (kind, id), cells in document.entities.items():
        if kind == MESSAGE:
            if not is_tombstone(cells):
                messages.append((cells["author"].seq, id, cells))
        elif is_tombstone(cells):
            rows.append((kind, id, cell_rows({DELETED: cells[DELETED]})))
        else:
            rows.append((kind, id, cell_rows(cells)))
    newest = sorted(messages, key=lambda message: message[:2])[-RECENT_MESSAGES:]
    rows.extend((MESSAGE, id, cell_rows(cells)) for _, id, cells in newest)
    return rows


def state_frames(
    reason: Literal["delta", "snapshot"],
    why: str,
    position: Position,
    rows: Iterable[EntityRow],
    relays: Iterable[Relay],
    outcomes: Outcomes | None,
    *,
    saving: bool,
    part_bytes: int,
    since: int | None = None,
) -> list[State]:
    """Cut a state into frames of about `part_bytes`; the last one carries relays and outcomes."""
    parts = list(_parted(rows, part_bytes))
    last = len(parts) - 1
    return [
        State(
            reason=reason,
            why=why,
            part=index,
            parts=len(parts),
            position=position,
            since=since,
            entities=tuple(part),
            relays=tuple(relays) if index == last else (),
            outcomes=outcomes if index == last else None,
            saving=saving,
        )
        for index, part in enumerate(parts)
    ]


def _parted(rows: Iterable[EntityRow], part_bytes: int) -> Iterator[list[EntityRow]]:
    part: list[EntityRow] = []
    size = 0
    for row in rows:
        weight = _weight(row)
        if part and size + weight > part_bytes:
            yield part
            part, size = [], 0
        part.append(row)
        size += weight
    yield part


def _weight(row: EntityRow) -> int:
    """Roughly the bytes of an entity on the wire."""
    return 64 + sum(100 + len(field) + _value_weight(cell.value) for field, cell in row[2].items())


def _value_weight(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else 3 * len(value)
    if isinstance(value, dict):
        return sum(len(key) + 4 + _value_weight(member) for key, member in value.items())
    if isinstance(value, list):
        return sum(4 + _value_weight(member) for member in value)
    return 9


class Incoming:
    """The parts of a state as they come in."""

    def __init__(self) -> None:
        self._parts: list[State] = []

    def add(self, part: State) -> list[State] | None:
        """One more part; all of them when it was the last one."""
        if part.part == 0:
            self._parts = []
        if part.part != len(self._parts):
            return None  # its beginning was lost on a slow connection: another state is on its way
        self._parts.append(part)
        if len(self._parts) < part.parts:
            return None
        parts, self._parts = self._parts, []
        return parts


def notice_of(conflict: Conflict) -> Notice:
    """A conflict as it is told on resume."""
    return Notice(
        key=FieldKey(*conflict.key),
        lost=conflict.lost,
        lost_user=conflict.lost_user,
        lost_seq=conflict.lost_seq,
        lost_value=conflict.lost_value,
        by=conflict.by,
        by_user=conflict.by_user,
        by_seq=conflict.by_seq,
    )
