"""Rows and values: how edits, clients and cells are spelled in the tables, and read again (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sys import intern
from typing import TYPE_CHECKING, Any

from scenehub.protocol.document import PROPS, Cell, Cells, Write, writes_of
from scenehub.protocol.edits import Actor, ActorKind, Edit, EditId, FieldKey, Overwritten
from scenehub.protocol.ledger import ClientRow, Committed, Head, KeptReject
from scenehub.server.store.postgres.values import loaded

if TYPE_CHECKING:
    from scenehub.server.store.postgres.connections import Row

FORMAT = 1
"""The format of the ops in an edit's row."""

Record = dict[str, Any]


def writer_record(commit: Committed) -> list[Any]:
    """Who wrote a field last: seq, client, counter and user."""
    client, n = commit.edit.id
    return [commit.seq, client, n, commit.actor.user]


def edit_record(project: str, commit: Committed) -> Record:
    """An edit as `scenehub_commit_v1` takes it."""
    edit, actor = commit.edit, commit.actor
    replaced = commit.replaced
    return {
        "project_id": project,
        "seq": commit.seq,
        "client_id": edit.id.client,
        "n": edit.id.n,
        "digest": commit.digest.hex(),
        "user_id": actor.user,
        "actor": actor.kind.value,
        "run_id": actor.run,
        "asked_run": edit.run,
        "undoes_client": edit.undoes.client if edit.undoes else None,
        "undoes_n": edit.undoes.n if edit.undoes else None,
        "base_epoch": edit.epoch,
        "base": edit.base,
        "guarded": edit.guarded,
        "saw": edit.saw or None,
        "format": FORMAT,
        "ops": edit.wire["ops"],
        "replaced": [[*key, replaced.get(key, 0)] for key, _ in commit.writes],
        "overwrote": [_overwritten_record(lost) for lost in commit.overwrote] or None,
        "restored": {id: _cells_record(cells) for id, cells in commit.restored.items()} or None,
        "at": commit.at,
    }


def _overwritten_record(lost: Overwritten) -> Record:
    kind, id, name = lost.key
    client, n = lost.id
    return {"kind": kind, "id": id, "field": name, "client": client, "n": n, "user": lost.user, "seq": lost.seq}


def overwritten_from(record: Mapping[str, Any]) -> Overwritten:
    """What `edits.overwrote` says of one field."""
    key = FieldKey(record["kind"], record["id"], record["field"])
    return Overwritten(key, EditId(record["client"], record["n"]), record["user"], record["seq"])


def _cells_record(cells: Mapping[str, Cell]) -> Record:
    return {name: [cell.value, cell.seq, cell.id.client, cell.id.n, cell.user] for name, cell in cells.items()}


def _cells_from(record: Mapping[str, Any]) -> Cells:
    return {name: Cell(value, seq, EditId(client, n), user) for name, (value, seq, client, n, user) in record.items()}


EDIT_COLUMNS = """e.seq, e.client_id, e.n, e.digest, e.user_id, e.actor, e.run_id, e.asked_run, e.undoes_client,
    e.undoes_n, e.base_epoch, e.base, e.guarded, e.saw, e.ops, e.replaced, e.overwrote, e.restored,
    ms_of(e.created_at) AS at"""


def commit_from(row: Row) -> Committed:
    """The commit that a row of `edits` stands for."""
    edit = _edit_from(row)
    at: int = row["at"]
    actor = Actor(user=row["user_id"], kind=ActorKind(row["actor"]), run=row["run_id"])
    replaced = {FieldKey(kind, id, name): seq for kind, id, name, seq in loaded(row["replaced"])}
    return Committed(
        seq=row["seq"],
        at=at,
        edit=edit,
        actor=actor,
        digest=row["digest"],
        writes=writes_again(edit, actor.user, at, replaced),
        replaced=replaced,
        overwrote=[overwritten_from(record) for record in loaded(row["overwrote"]) or ()],
        restored={id: _cells_from(record) for id, record in (loaded(row["restored"]) or {}).items()},
    )


def _edit_from(row: Row) -> Edit:
    undoes = None if row["undoes_client"] is None else (row["undoes_client"], row["undoes_n"])
    return Edit.model_validate(
        {
            "id": (row["client_id"], row["n"]),
            "epoch": row["base_epoch"],
            "base": row["base"],
            "ops": loaded(row["ops"]),
            "guarded": row["guarded"],
            "saw": loaded(row["saw"]) or (),
            "undoes": undoes,
            "run": row["asked_run"],
        }
    )


def writes_again(edit: Edit, user: str, at: int, written: Iterable[FieldKey]) -> list[Write]:
    """The writes of an edit that is in the log; `written` are the fields that it wrote, in their order.

    Ops that asked for what was so already wrote nothing, or nothing that another op of the edit did not write too.
    """
    values = {key: value for op in edit.ops for key, value in writes_of(op, user, at)}
    return [(key, values[key]) for key in written]


def head_from(row: Row) -> Head:
    """A project's head."""
    id = None if row["head_client"] is None else EditId(row["head_client"], row["head_n"])
    return Head(row["epoch"], row["seq"], id, row["access_version"])


def client_from(client: str, row: Row | Mapping[str, Any]) -> ClientRow:
    """A client's row, with the digests of its latest commits."""
    return ClientRow(
        client,
        row["user_id"],
        row["counter"],
        tuple(
            KeptReject(kept["n"], bytes.fromhex(kept["digest"]), kept["code"], kept["words"])
            for kept in loaded(row["rejects"])
        ),
        {int(n): bytes.fromhex(digest) for n, digest in sorted((loaded(row["digests"]) or {}).items(), key=_counter)},
        row["generation"],
    )


def _counter(item: tuple[str, str]) -> int:
    return int(item[0])


def cells_from(row: Row, columns: Mapping[str, Any]) -> Cells:
    """The cells of an entity, from its `writers` and its columns; `props` is read from the row where there is one.

    What many cells of a project have in common is held once: a third of a room (`loadtest/hub_figures.py`).
    """
    props = loaded(row.get("props")) or {}
    cells: Cells = {}
    ids: dict[tuple[str, int], EditId] = {}
    for name, (seq, client, n, user) in loaded(row["writers"]).items():
        value = props.get(name.removeprefix(PROPS)) if name.startswith(PROPS) else columns[name]
        id = ids.setdefault((client, n), EditId(intern(client), n))
        cells[intern(name)] = Cell(value, seq, id, intern(user))
    return cells
