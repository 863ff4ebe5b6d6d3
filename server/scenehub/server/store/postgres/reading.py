"""Readings: whole projects, what happened since a position, a client's admission; each one consistent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from scenehub.protocol.document import DELETED, MEMORY, MESSAGE, PROJECT, PROPOSAL, SCENE, Cells, Document
from scenehub.protocol.edits import EditId, Overwritten, Position
from scenehub.protocol.ledger import (
    FOUNDER,
    Admission,
    Caught,
    ClientIdTaken,
    ClientRow,
    Conflict,
    Head,
    Loaded,
    ProjectNotFound,
)
from scenehub.server.store.port import ProjectRow
from scenehub.server.store.postgres.rows import (
    EDIT_COLUMNS,
    cells_from,
    client_from,
    commit_from,
    head_from,
    overwritten_from,
)
from scenehub.server.store.postgres.values import dumped, loaded

if TYPE_CHECKING:
    from scenehub.server.store.postgres.connections import Connection, Row

MESSAGES_LOADED = 1000
"""A load brings the newest messages only."""

_EDITS = f"SELECT {EDIT_COLUMNS} FROM edits e "  # noqa: S608 - nothing in it comes from outside

_CLIENTS = """SELECT c.*, (
        SELECT jsonb_object_agg(e.n, encode(e.digest, 'hex')) FROM edits e
        WHERE e.project_id = c.project_id AND e.client_id = c.client_id AND e.n > c.counter - 128
    ) AS digests
    FROM clients c WHERE c.project_id = $1 AND c.client_id = ANY ($2)"""


async def load(connection: Connection, project: str) -> Loaded:
    """Read a whole project. Raises ProjectNotFound."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(
            "SELECT *, coalesce(ms_of(committed_at), 0) AS at FROM projects WHERE id = $1 AND deleted_at IS NULL",
            project,
        )
        if row is None:
            raise ProjectNotFound(project)
        scenes = await connection.fetch("SELECT * FROM scenes WHERE project_id = $1", project)
        messages = await connection.fetch(
            "SELECT *, ms_of(created_at) AS at FROM messages WHERE project_id = $1 ORDER BY seq DESC, id DESC LIMIT $2",
            project,
            MESSAGES_LOADED,
        )
        memories = await connection.fetch("SELECT * FROM project_memory WHERE project_id = $1", project)
        proposals = await connection.fetch("SELECT * FROM proposals WHERE project_id = $1", project)
    document = Document()
    document.entities[PROJECT, PROJECT] = cells_from(row, dict(row))
    for kind, rows, cells_of in (
        (SCENE, scenes, _scene_cells),
        (MESSAGE, messages, _message_cells),
        (PROPOSAL, proposals, _proposal_cells),
    ):
        document.entities.update({(kind, each["id"]): cells_of(each) for each in rows})
    document.entities.update({(MEMORY, each["key"]): _memory_cells(each) for each in memories})
    return Loaded(head_from(row), document, row["at"])


def _scene_cells(row: Row) -> Cells:
    columns = {
        **row,
        DELETED: row["deleted_at"] is not None,
        "component": loaded(row["component"]),
        "diagnostics": loaded(row["diagnostics"]),
    }
    return cells_from(row, columns)


def _message_cells(row: Row) -> Cells:
    return cells_from(row, {**row, DELETED: row["deleted_at"] is not None, "scene": row["scene_id"]})


def _memory_cells(row: Row) -> Cells:
    return cells_from(row, {"value": loaded(row["value"])})


def _proposal_cells(row: Row) -> Cells:
    return cells_from(row, dict(row))


async def admit(connection: Connection, project: str, client: str, user: str, position: Position | None) -> Admission:
    """Bind a client to its user and count its session. Raises ProjectNotFound, ClientIdTaken."""
    epoch, seq, id = position or (None, None, None)
    row = await connection.fetchrow(
        "SELECT * FROM scenehub_admit_v1($1, $2, $3, $4, $5, $6, $7)",
        project,
        client,
        user,
        epoch,
        seq,
        id and id.client,
        id and id.n,
    )
    if row is None:
        raise ProjectNotFound(project)
    if row["taken"]:
        raise ClientIdTaken(client)
    conflicts = await _conflicts(connection, project, client, loaded(row["overwrites"]) or ())
    return Admission(head_from(row), client_from(client, {**row, "user_id": user}), row["known"], conflicts)


async def _conflicts(
    connection: Connection, project: str, client: str, edits: Sequence[dict[str, Any]]
) -> tuple[Conflict, ...]:
    """What the client lost and what it took, with the values that were lost as far as the log has them (O3)."""
    sides = [
        (edit, lost)
        for edit in edits
        for lost in map(overwritten_from, edit["overwrote"])
        if client in (edit["client"], lost.id.client)
    ]
    values = await _values_lost(connection, project, [lost for _, lost in sides]) if sides else {}
    return tuple(
        Conflict(
            lost.key,
            lost.id,
            lost.user,
            lost.seq,
            values.get(lost),
            EditId(edit["client"], edit["n"]),
            edit["user"],
            edit["seq"],
        )
        for edit, lost in sides
    )


async def _values_lost(connection: Connection, project: str, lost: Collection[Overwritten]) -> dict[Overwritten, Any]:
    """What was written by the edits that were overwritten. The log only ever loses its old end: any time will do."""
    rows = await connection.fetch(
        _EDITS + "WHERE e.project_id = $1 AND e.seq = ANY ($2)",
        project,
        sorted({each.seq for each in lost}),
    )
    writes = {commit.seq: dict(commit.writes) for commit in map(commit_from, rows)}
    return {each: writes.get(each.seq, {}).get(each.key) for each in lost}


async def catch_up(connection: Connection, project: str, position: Position, clients: Collection[str]) -> Caught:
    """Read on from a position in one snapshot. Raises ProjectNotFound."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await read_on(connection, project, position, clients)


async def read_on(connection: Connection, project: str, position: Position, clients: Collection[str]) -> Caught:
    """As `catch_up`, within a transaction of the caller that keeps the project from changing."""
    row = await connection.fetchrow(
        """SELECT p.*, e.client_id AS known_client, e.n AS known_n FROM projects p
           LEFT JOIN edits e ON e.project_id = p.id AND e.seq = $2
           WHERE p.id = $1 AND p.deleted_at IS NULL""",
        project,
        position.seq,
    )
    if row is None:
        raise ProjectNotFound(project)
    head = head_from(row)
    rows = await _clients(connection, project, clients)
    if not _is_known(row, head, position) or position.seq + 1 < row["log_start"]:
        return Caught(head, replaced=True, clients=rows)
    edits: Iterable[Row] = ()
    if head.seq > position.seq:
        edits = await connection.fetch(
            _EDITS + "WHERE e.project_id = $1 AND e.seq > $2 ORDER BY e.seq",
            project,
            position.seq,
        )
    return Caught(head, False, [commit_from(edit) for edit in edits], rows)


def _is_known(row: Row, head: Head, position: Position) -> bool:
    if position.epoch != head.epoch:
        return False
    if position.seq == 0:
        return position.id is None
    return row["known_client"] is not None and EditId(row["known_client"], row["known_n"]) == position.id


async def _clients(connection: Connection, project: str, clients: Collection[str]) -> dict[str, ClientRow]:
    if not clients:
        return {}
    rows = await connection.fetch(
        _CLIENTS,
        project,
        list(clients),
    )
    return {row["client_id"]: client_from(row["client_id"], row) for row in rows}


async def heads(connection: Connection, projects: Collection[str]) -> dict[str, Head]:
    """The heads of many projects."""
    rows = await connection.fetch(
        """SELECT id, epoch, seq, head_client, head_n, access_version FROM projects
           WHERE id = ANY ($1) AND deleted_at IS NULL""",
        list(projects),
    )
    return {row["id"]: head_from(row) for row in rows}


async def create(connection: Connection, project: str, epoch: str, made_with: dict[str, Any]) -> bool:
    """Make an empty project; false when the id is used."""
    writers = dumped({field: [0, FOUNDER.client, FOUNDER.n, FOUNDER.client] for field in made_with})
    made = await connection.fetchval(
        """INSERT INTO projects (id, epoch, name, fps, width, height, writers) VALUES ($1, $2, $3, $4, $5, $6, $7)
           ON CONFLICT (id) DO NOTHING RETURNING true""",
        project,
        epoch,
        *(made_with[field] for field in ("name", "fps", "width", "height")),
        writers,
    )
    return bool(made)


async def projects(connection: Connection) -> list[ProjectRow]:
    """All living projects, the latest changed first."""
    rows = await connection.fetch(
        """SELECT p.id, p.name, p.fps, p.width, p.height, p.seq,
               (SELECT count(*) FROM scenes s WHERE s.project_id = p.id AND s.deleted_at IS NULL) AS scenes,
               ms_of(coalesce(p.committed_at, p.created_at)) AS at
           FROM projects p WHERE p.deleted_at IS NULL ORDER BY coalesce(p.committed_at, p.created_at) DESC, p.id"""
    )
    return [ProjectRow(*row) for row in rows]


__all__ = ["admit", "catch_up", "create", "heads", "load", "projects", "read_on"]
