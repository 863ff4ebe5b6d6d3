"""The store's memory twin: one deployment's truth in dicts, with the semantics of the real one and no I/O.

It is for simulations, for the hub's tests and for measuring the hub without a disk: an edit costs O(1), a load
O(project). A contract suite judges it together with the Postgres adapter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from scenehub.protocol.document import DELETED, PROPOSAL, Cell, Document, Entity
from scenehub.protocol.edits import EditId, FieldKey, Position
from scenehub.protocol.ledger import (
    Admission,
    Batch,
    Caught,
    ClientIdTaken,
    ClientRow,
    Committed,
    Conflict,
    Head,
    KeptReject,
    Loaded,
    Outcome,
    ProjectNotFound,
    Rejected,
    Verdict,
    founding_cells,
)
from scenehub.protocol.limits import REJECTS_KEPT

MESSAGES_LOADED = 1000
"""A load brings the newest messages only."""


@dataclass(slots=True)
class _Client:
    user: str
    counter: int = 0
    generation: int = 0
    rejects: deque[KeptReject] = field(default_factory=lambda: deque(maxlen=REJECTS_KEPT))
    digests: dict[int, bytes] = field(default_factory=dict)

    def row(self, client: str) -> ClientRow:
        return ClientRow(client, self.user, self.counter, tuple(self.rejects), dict(self.digests), self.generation)

    def copy(self) -> _Client:
        return replace(self, rejects=self.rejects.copy(), digests=self.digests.copy())

    def take(self, outcome: Outcome, n: int) -> None:
        self.counter = n
        if isinstance(outcome, Rejected):
            self.rejects.append(KeptReject(n, outcome.digest, outcome.refusal.code, outcome.refusal.words))
        else:
            self.digests[n] = outcome.digest
        self.digests.pop(n - REJECTS_KEPT, None)


@dataclass(slots=True)
class _Project:
    head: Head
    document: Document
    log: deque[Committed]
    clients: dict[str, _Client] = field(default_factory=dict)
    at: int = 0

    def copy(self) -> _Project:
        clients = {id: client.copy() for id, client in self.clients.items()}
        return _Project(self.head, _copied(self.document), self.log.copy(), clients, self.at)

    def edit_at(self, seq: int) -> Committed | None:
        """The edit at `seq`, if the log still has it."""
        index = seq - self.log_start
        return self.log[index] if 0 <= index < len(self.log) else None

    @property
    def log_start(self) -> int:
        return self.head.seq - len(self.log) + 1

    def knows(self, position: Position) -> bool:
        """Whether a position is part of this history (O1)."""
        if position.epoch != self.head.epoch:
            return False
        if position.seq == 0:
            return position.id is None
        edit = self.edit_at(position.seq)
        return edit is not None and edit.edit.id == position.id

    def after(self, seq: int) -> list[Committed]:
        return list(islice(self.log, max(0, seq + 1 - self.log_start), None))


@dataclass(frozen=True, slots=True)
class LedgerCopy:
    """A ledger's state at one moment; `MemoryLedger.restore` goes back to it, any number of times."""

    projects: Mapping[str, _Project]
    owners: Mapping[Entity, str]


class MemoryLedger:
    """Projects, their logs and their clients in memory; every method is atomic, since none can be interrupted.

    `log_kept` bounds each project's log: older edits are thinned, as a real log may be.
    """

    def __init__(self, *, log_kept: int | None = None) -> None:
        self._projects: dict[str, _Project] = {}
        self._owners: dict[Entity, str] = {}
        self._log_kept = log_kept

    def create(self, project: str, *, epoch: str, name: str, fps: int, width: int, height: int) -> bool:
        """Make an empty project; false when there is one with that id already, which is left as it is."""
        if project in self._projects:
            return False
        document = Document()
        document.absorb(founding_cells(name=name, fps=fps, width=width, height=height))
        self._projects[project] = _Project(Head(epoch, 0, None, 0), document, deque(maxlen=self._log_kept))
        return True

    def projects(self) -> list[str]:
        """The ids of all projects, the latest changed first."""
        return sorted(self._projects, key=lambda id: -self._projects[id].at)

    def at(self, project: str) -> int:
        """Time of a project's latest commit in milliseconds UTC, 0 before the first. Raises ProjectNotFound."""
        return self._project(project).at

    def load(self, project: str) -> Loaded:
        """A whole project; the document is the caller's own. Raises ProjectNotFound."""
        found = self._project(project)
        document = _copied(found.document)
        document.forget_messages(MESSAGES_LOADED)
        return Loaded(found.head, document, found.at)

    def admit(self, project: str, client: str, user: str, position: Position | None) -> Admission:
        """Bind a client to its user and count its new session. Raises ProjectNotFound, ClientIdTaken."""
        found = self._project(project)
        row = found.clients.get(client)
        if row is None:
            row = found.clients[client] = _Client(user)
        if row.user != user:
            raise ClientIdTaken(client)
        row.generation += 1
        if position is None or not found.knows(position):
            thinned = position is not None and _is_thinned(found, position)
            return Admission(found.head, row.row(client), known=False, thinned=thinned)
        return Admission(found.head, row.row(client), True, _conflicts(found, client, position.seq))

    def commit(self, batch: Batch) -> Verdict:
        """Store a batch whole or not at all: `SAVED`, `MISSED` or `POISON` (N2)."""
        found = self._projects.get(batch.project)
        if found is None or found.head != batch.fence or not _counters_hold(found, batch):
            return Verdict.MISSED
        if not self._is_sound(found, batch):
            return Verdict.POISON
        for client, (_, _, user) in batch.counters.items():
            if client not in found.clients:
                found.clients[client] = _Client(user)
        last: Committed | None = None
        for outcome in batch.outcomes:
            if isinstance(outcome, Committed):
                last = outcome
                found.clients[outcome.edit.id.client].take(outcome, outcome.edit.id.n)
                self._store(batch.project, found, outcome)
            else:
                found.clients[outcome.id.client].take(outcome, outcome.id.n)
        if last is not None:
            found.head = found.head._replace(seq=last.seq, id=last.edit.id)
            found.at = last.at
        for client, (_, after, _) in batch.counters.items():
            found.clients[client].counter = after
        return Verdict.SAVED

    def catch_up(self, project: str, position: Position, clients: Collection[str]) -> Caught:
        """The edits after `position` and the rows of `clients`. Raises ProjectNotFound."""
        found = self._project(project)
        rows = {client: found.clients[client].row(client) for client in clients if client in found.clients}
        if not found.knows(position) or position.seq + 1 < found.log_start:
            return Caught(found.head, replaced=True, clients=rows)
        return Caught(found.head, False, found.after(position.seq), rows)

    def heads(self, projects: Collection[str]) -> dict[str, Head]:
        """The heads of many projects; one that is gone is left out."""
        return {id: self._projects[id].head for id in projects if id in self._projects}

    def log(self, project: str) -> list[Committed]:
        """The log as far as it is kept, oldest first. Raises ProjectNotFound."""
        return list(self._project(project).log)

    def client(self, project: str, client: str) -> ClientRow | None:
        """A client's row, None when it was never let in. Raises ProjectNotFound."""
        found = self._project(project).clients.get(client)
        return None if found is None else found.row(client)

    def claim(self, project: str, kind: str, id: str) -> None:
        """Have an id belong to a project: no other one can use it."""
        self._owners[kind, id] = project

    def change_access(self, project: str) -> None:
        """Make every batch that was fenced before miss, as a change of members' rights does (M3)."""
        found = self._project(project)
        found.head = found.head._replace(access=found.head.access + 1)

    def change_epoch(self, project: str, epoch: str) -> None:
        """Declare that history was replaced, as a restore from a backup does (O1)."""
        found = self._project(project)
        found.head = found.head._replace(epoch=epoch)

    def remove(self, project: str) -> None:
        """Forget a project; the ids it used stay used."""
        self._projects.pop(project, None)

    def copy(self) -> LedgerCopy:
        """The state of now, untouched by what follows."""
        return LedgerCopy({id: project.copy() for id, project in self._projects.items()}, dict(self._owners))

    def restore(self, copy: LedgerCopy) -> None:
        """Go back to an older state without a change of epoch: what a failover that loses its latest edits does."""
        self._projects = {id: project.copy() for id, project in copy.projects.items()}
        self._owners = dict(copy.owners)

    def _project(self, project: str) -> _Project:
        found = self._projects.get(project)
        if found is None:
            raise ProjectNotFound(project)
        return found

    def _is_sound(self, found: _Project, batch: Batch) -> bool:
        seq, at = found.head.seq, found.at
        for outcome in batch.outcomes:
            if isinstance(outcome, Committed):
                if outcome.seq != seq + 1 or outcome.at <= at:
                    return False
                seq, at = outcome.seq, outcome.at
                for key, _ in outcome.writes:
                    if (key.field == DELETED or key.kind == PROPOSAL) and not self._may_use(batch.project, key):
                        return False
        return True

    def _may_use(self, project: str, key: FieldKey) -> bool:
        """Ids are unique in the installation: an entity belongs to the project that made it."""
        return self._owners.get(key[:2], project) == project

    def _store(self, project: str, found: _Project, commit: Committed) -> None:
        id, seq, user, document = commit.edit.id, commit.seq, commit.actor.user, found.document
        for key, value in commit.writes:
            if key.field == DELETED or key.kind == PROPOSAL:
                self._owners[key[:2]] = project
            document.put(key, Cell(value, seq, id, user))
        found.log.append(commit)


def _is_thinned(found: _Project, position: Position) -> bool:
    """Whether nobody can say any more if a position is of this history."""
    return position.epoch == found.head.epoch and 0 < position.seq < found.log_start


def _copied(document: Document) -> Document:
    """A document of its own; cells are immutable and shared, values are never changed in place."""
    copy = Document()
    copy.entities = {entity: cells.copy() for entity, cells in document.entities.items()}
    return copy


def _counters_hold(found: _Project, batch: Batch) -> bool:
    for client, (before, _, user) in batch.counters.items():
        row = found.clients.get(client)
        if row is None:
            if before != 0:
                return False
        elif row.counter != before or row.user != user:
            return False
    return True


def _conflicts(found: _Project, client: str, seq: int) -> tuple[Conflict, ...]:
    """What the client lost, and what it took from others, in the edits after `seq` (O3)."""
    conflicts: list[Conflict] = []
    for commit in found.after(seq):
        by = commit.edit.id
        for key, lost, user, lost_seq in commit.overwrote:
            if client in (by.client, lost.client):
                value = _value_written(found, key, lost_seq, lost)
                conflicts.append(Conflict(key, lost, user, lost_seq, value, by, commit.actor.user, commit.seq))
    return tuple(conflicts)


def _value_written(found: _Project, key: FieldKey, seq: int, id: EditId) -> Any:
    """What an edit wrote to a field; None when the log was thinned."""
    commit = found.edit_at(seq)
    if commit is None or commit.edit.id != id:
        return None
    return dict(commit.writes).get(key)
