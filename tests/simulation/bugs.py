"""Bugs to plant: each is a mistake that somebody could make, put into the protocol for the length of a `with`.

Production code has no switch for any of them; here they are patched in. `PLANTED` are of the kind that other systems
are known for, and interleavings that the rules exclude. `MISTAKES` is a list of slips that was written down before any
of them was run; `DRAWN` are the four of them that a die chose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from unittest.mock import patch

from scenehub.protocol import (
    document,
    foreign,
    gossip,
    joining,
    own,
    planning,
    queue,
    relayed,
    replica,
    saving,
    settling,
)
from scenehub.protocol.attendance import Attendance
from scenehub.protocol.document import Document
from scenehub.protocol.edits import FieldKey, Position
from scenehub.protocol.effects import Publish
from scenehub.protocol.errors import Refusal
from scenehub.protocol.ledger import Committed, KeptReject, Verdict
from scenehub.protocol.planning import Plan
from scenehub.protocol.room import Room
from scenehub.protocol.states import cell_of
from scenehub.protocol.testing import ledger
from scenehub.protocol.testing.ledger import MemoryLedger

Plant = Callable[[], Any]


@dataclass(frozen=True)
class Bug:
    """A mistake, its words, and how to make it."""

    name: str
    words: str
    plant: Plant


def _patched(target: Any, name: str, substitute: Any) -> Plant:
    return lambda: patch.object(target, name, substitute)


def _all(*plants: Plant) -> Plant:
    @contextmanager
    def together() -> Iterator[None]:
        held = [plant() for plant in plants]
        for one in held:
            one.__enter__()
        try:
            yield
        finally:
            for one in reversed(held):
                one.__exit__(None, None, None)

    return together


# Of the kind that is known from others, and interleavings that the rules exclude.

_enqueue = Room._enqueue


def _publish_at_once(room: Room, entry: Any, now: float) -> Any:
    before = room.head.id
    for earlier in room.queue.entries:
        before = earlier.id if isinstance(earlier.decision, Plan) else before
    effects = _enqueue(room, entry, now)
    if isinstance(entry.decision, Plan):
        plan = entry.decision
        commit = Committed(
            entry.seq, entry.at, entry.edit, entry.actor, entry.digest, plan.writes, plan.replaced, plan.overwrote,
            plan.restored,
        )  # fmt: skip
        effects.append(Publish(room.speaker.commit(room.head.epoch, before, [commit])))
    return effects


def _reject_at_once(room: Room, entry: Any, now: float) -> Any:
    effects = _enqueue(room, entry, now)
    if isinstance(entry.decision, Refusal) and not room.queue.saving:
        refusal = entry.decision
        room.queue.remove([entry.id])
        client = room.clients[entry.id.client]
        kept = KeptReject(entry.id.n, entry.digest, refusal.code, refusal.words)
        if client.done == entry.id.n - 1:
            client.remember(entry.id.n, entry.digest, kept)
        effects += saving.tell_reject(room, entry.id, refusal, relayed=False)
    return effects


def _merge_relays(relays: relayed.Relays, more: Any) -> None:
    for relay in more:
        relays.put(relay)


def _merge_snapshot(self: replica.Replica, parts: Any) -> None:
    last = parts[-1]
    for part in parts:
        for kind, id, cells in part.entities:
            for name, cell in cells.items():
                self.confirmed.put(FieldKey(kind, id, name), cell_of(cell))
    self._whole = False
    self.position = Position(*last.position)
    self.relays.replace(relay for relay in last.relays if relay.edit.id.client != self.client)
    self.connected, self.saving, self._asked_at = True, last.saving, None
    self.forget_view()


def _lease_without_seq(room: Any, node: str, event: Any, now: float) -> Any:
    return _lease(room, node, {**event, "seq": None}, now)


_lease = gossip._lease


def _counters_of_commits_only(found: Any, batch: Any) -> bool:
    committing = {commit.edit.id.client for commit in batch.commits}
    counters = {client: row for client, row in batch.counters.items() if client in committing}
    return _counters_hold(found, replace(batch, counters=counters))


_counters_hold = ledger._counters_hold


def _leave_by_client(attendance: Attendance, session_id: int) -> Any:
    client = _clients_of_sessions.get((id(attendance), session_id))
    current = attendance.clients.get(client) if client is not None else None
    return _leave(attendance, session_id if current is None else current.id)


def _enter_and_note(attendance: Attendance, session: Any) -> None:
    _clients_of_sessions[id(attendance), session.id] = session.client
    _enter(attendance, session)


_clients_of_sessions: dict[tuple[int, int], str] = {}
_leave, _enter = Attendance.leave, Attendance.enter


def _relay_unchecked(room: Any, node: str, generation: str, event: Any, now: float) -> Any:
    class Ignorant:
        def of(self, client: str) -> int:
            return 0

    counters, clients = room.counters, room.clients
    room.counters, room.clients = Ignorant(), {}
    try:
        return _hear_relay(room, node, generation, event, now)
    finally:
        room.counters, room.clients = counters, clients


_hear_relay = gossip._relay


def _unknown_is_failed(room: Any, answer: Verdict, now: float) -> Any:
    if answer is Verdict.UNKNOWN and not room.condemned:
        lost = [room.queue.entries[index] for index in range(room.queue.saving)]
        room.queue.saving = 0
        effects = []
        for entry in lost:
            entry.relayed = True
            effects += saving.tell_reject(room, entry.id, Refusal("internal", "not stored"), relayed=True)
        room.queue.remove([entry.id for entry in lost])
        for entry in lost:
            client = room.clients[entry.id.client]
            client.taken = min(client.taken, client.done)
        room.queue.replan(room.head, room.at, room.wall(now))
        return [*effects, *room.catch_up()]
    return _verdict(room, answer, now)


_verdict = saving.verdict


def _changed_without_tombstones(cells: Any, seq: int) -> Any:
    return {} if document.is_tombstone(cells) else _changed(cells, seq)


_changed = document._changed


def _commit_row_without_body(edit: Any, *, known: bool) -> Any:
    return _commit_row(replace(edit, restored={}), known=known)


_commit_row = saving.commit_row


def _drained_at_head(room: Room, session_id: int, now: float) -> Any:
    session = room.attendance.sessions.get(session_id)
    if session is not None:
        session.lag_seq = room.head.seq
    return _drained(room, session_id, now)


_drained = Room.drained


def _states_of_an_older_hub(*args: Any, **more: Any) -> Any:
    return _state_frames(*args, **{**more, "since": None})


_state_frames = joining.state_frames


def _replan_only_moves_on(self: queue.Queue, head: Any, at: int, now_ms: int) -> None:
    self.saving = 0
    self.start(head.seq, at)
    for entry in self.entries:
        if isinstance(entry.decision, Plan):
            self.seq += 1
            self.at = entry.at = max(self.at + 1, now_ms)
            entry.seq = self.seq


def _meet_unguarded(trial: Any, key: Any, cell: Any, index: int) -> None:
    guarded, trial.guarded = trial.guarded, False
    _meet(trial, key, cell, index)
    trial.guarded = guarded


_meet = planning._meet

PLANTED = [
    Bug("published before durable", "other nodes hear of a commit when it is planned (N3)",
        _patched(Room, "_enqueue", _publish_at_once)),
    Bug("relays merged", "a state adds its relays to those that were there (E3)",
        _all(_patched(relayed.Relays, "replace", _merge_relays), _patched(relayed.Relays, "clear", lambda self: None))),
    Bug("snapshot merged", "a snapshot is written over the confirmed state instead of replacing it (E3)",
        _patched(replica.Replica, "_replace", _merge_snapshot)),
    Bug("holes not repaired", "nobody compares heads, and a lease says no seq (N3)",
        _all(_patched(gossip, "head_seen", lambda *_: []), _patched(gossip, "_lease", _lease_without_seq))),
    Bug("counter not checked", "the store stores whatever comes (E1)",
        _patched(ledger, "_counters_hold", lambda *_: True)),
    Bug("reject race", "the store checks counters of commits and takes rejects as they come (E1)",
        _patched(ledger, "_counters_hold", _counters_of_commits_only)),
    Bug("guard off", "a guarded edit overwrites like any other (O4)",
        _patched(planning, "_meet", _meet_unguarded)),
    Bug("late close", "the late close of an old socket ends the client's new session (M5)",
        _all(_patched(Attendance, "leave", _leave_by_client), _patched(Attendance, "enter", _enter_and_note))),
    Bug("reject not durable", "a bad edit is rejected at once and not stored (E1)",
        _patched(Room, "_enqueue", _reject_at_once)),
    Bug("relay of a committed edit", "a late relay is shown though its edit is committed (S5)",
        _patched(gossip, "_relay", _relay_unchecked)),
    Bug("unknown is failed", "a connection lost during COMMIT is told to the author as a failure (E2)",
        _patched(saving, "verdict", _unknown_is_failed)),
    Bug("delta without tombstones", "a delta has no tombstones (E3)",
        _patched(document, "_changed", _changed_without_tombstones)),
    Bug("restore without its body", "the commit of a restore carries its ops alone (O5)",
        _patched(saving, "commit_row", _commit_row_without_body)),
    Bug("holder never hidden", "relays of a silent node stay (S5)",
        _patched(foreign.ForeignRelays, "hide_unheard", lambda self, now: [])),
    Bug("lag from the end", "a slow reader's delta starts where it drained, not where it stopped (M2)",
        _all(_patched(Room, "drained", _drained_at_head),
             _patched(joining, "state_frames", _states_of_an_older_hub))),
    Bug("not planned again", "after a catch-up the queue keeps its decisions (O3, O4)",
        _patched(queue.Queue, "replan", _replan_only_moves_on)),
    Bug("base of another epoch", "a base from another epoch is taken for one of this (O1)",
        _patched(queue, "base_in", lambda edit, epoch: edit.base)),
]  # fmt: skip


# Slips, written down before any was run.


def _commit_all_or_nothing(self: replica.Replica, frame: Any, now: float) -> Any:
    assert self.position is not None
    return [] if frame.seq <= self.position.seq else _commit(self, frame, now)


_commit = replica.Replica._commit


def _gone_from_anywhere(self: Attendance, node: str, clients: Any) -> Any:
    gone = [client for client in clients if self.remote.pop(client, None) is not None]
    return [client for client in gone if client not in self.clients]


def _first_ten(self: MemoryLedger, project: str, position: Any, clients: Any) -> Any:
    caught = _catch_up(self, project, position, clients)
    return replace(caught, edits=list(caught.edits)[:10])


_catch_up = MemoryLedger.catch_up


def _texts_forgotten(own_edit: Any, carried: Any) -> None:
    """A later edit keeps the text that it was written on, though that text never got in."""


def _ground_at_position(self: own.OwnEdits, ops: Any, keys: Any, confirmed: Any, relays: Any) -> Any:
    return _ground(self, ops, keys, confirmed, relays)._replace(epoch=confirmed.epoch, base=confirmed.base)


_ground = own.OwnEdits.ground


def _take_back_one(self: own.OwnEdits, n: int, when: float) -> None:
    for pending in self.edits:
        if pending.edit.id.n == n:
            pending.sent = False
    self.retry_at = when


def _outcomes_from_memory(room: Any, session: Any, position: Any, admission: Any) -> Any:
    outcomes = _outcomes(room, session, position, admission)
    return outcomes if outcomes is None else outcomes.model_copy(update={"rejects": ()})


_outcomes = joining._outcomes


def _restore_keeps_deleted_cells(self: Document, key: Any, cell: Any) -> None:
    if key.field == "deleted" and cell.value is True:
        self.entities[key[:2]] = {}
    _put(self, key, cell)


_put = Document.put


def _passed_only_itself(self: relayed.Relays, id: Any) -> Any:
    return set(self.pop(id))


MISTAKES = [
    Bug("overlapping frame dropped", "a commit frame that begins with something known is dropped whole",
        _patched(replica.Replica, "_commit", _commit_all_or_nothing)),
    Bug("gone from anywhere", "a node's goodbye to a client that has moved on removes it at its new node",
        _patched(Attendance, "remote_gone", _gone_from_anywhere)),
    Bug("LIMIT 10", "a catch-up brings the first ten edits only",
        _patched(MemoryLedger, "catch_up", _first_ten)),
    Bug("text of a merge forgotten", "what was typed on top of a stale edit is merged as if that had been saved",
        _patched(settling, "_inherit", _texts_forgotten)),
    Bug("base moved on", "an edit claims the newest base though an own edit hides what came meanwhile",
        _patched(own.OwnEdits, "ground", _ground_at_position)),
    Bug("one taken back", "of edits that the hub hands back only the first is sent again",
        _patched(own.OwnEdits, "take_back", _take_back_one)),
    Bug("rejects not told on resume", "a resume tells the counter and forgets which edits were rejected",
        _patched(joining, "_outcomes", _outcomes_from_memory)),
    Bug("tombstone forgets", "deleting drops the cells, so that a restore revives an empty scene",
        _patched(Document, "put", _restore_keeps_deleted_cells)),
    Bug("relays left behind", "a commit drops its own relay and leaves those of earlier, rejected edits",
        _patched(relayed.Relays, "passed", _passed_only_itself)),
    Bug("no heads check", "a node relies on the bus alone for what others commit",
        _patched(gossip, "head_seen", lambda *_: [])),
    Bug("parked too short", "a client is welcomed before the room has reached what the store showed it",
        _patched(joining, "_is_ready", lambda room, parked: True)),
    Bug("regression not seen", "a room does not notice that the store forgot outcomes",
        _patched(saving, "_regressed", lambda *_: False)),
]  # fmt: skip

DRAWN = Random(20261122).sample(MISTAKES, 4)
"""Drawn before the first of them was run."""
