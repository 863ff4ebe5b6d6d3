"""Saving: how a room's queue becomes durable, and what it makes of the store's answers (S2, S3, E1, E2, N2, N4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import joining, rebalancing
from .closing import Close as CloseCode
from .document import apply_edit
from .edits import EditId, FieldKey
from .effects import Broadcast, BroadcastCommit, Effect, Known, Publish, Send, WantsSave
from .errors import ErrorCode, Refusal
from .ledger import Batch, Caught, ClientRow, Committed, KeptReject, Verdict
from .limits import HELD_AT_MOST
from .messages import CommitRow, Error, Notice, Reject, Unsaved
from .ops import MessageAdd, ProposalSet, SceneAdd
from .planning import Plan
from .queue import BATCH_EDITS, Entry
from .states import cell_rows

if TYPE_CHECKING:
    from .room import Room

Effects = list[Effect]

FIRST_RETRY = 0.05
LAST_RETRY = 1.0
"""Seconds between two tries while the store is away: doubling from the first to the last."""


def take(room: Room, now: float) -> Batch | None:
    """The next batch, fenced by where the room believes the project to be."""
    if room.condemned or room.catching_up or (room.retry_at is not None and now < room.retry_at):
        return None
    if room.failures and not room.queue.saving:
        room.queue.replan(room.head, room.at, room.wall(now))
    most = room.batch_limit or BATCH_EDITS
    return room.queue.batch(room.project, room.head, lambda client: room.clients[client].done, most)


def verdict(room: Room, answer: Verdict, now: float) -> Effects:
    """Go on from what became of the batch in flight."""
    if room.condemned:
        return []
    effects: Effects = []
    match answer:
        case Verdict.SAVED:
            effects = _saved(room)
        case Verdict.MISSED:
            room.queue.saving = 0
            room.misses += 1
            if not any(edits[-1].seq > room.head.seq for edits in room.heard_commits):
                room.behind = True
        case Verdict.FAILED | Verdict.UNKNOWN:
            room.queue.saving = 0
            effects = _away(room, now)
            room.behind = room.behind or answer is Verdict.UNKNOWN
        case Verdict.POISON:
            effects = _poison(room, now)
    effects += take_heard(room, now)
    effects += room.welcome_parked(now)
    if room.behind or room.doubted:
        effects += room.catch_up()
    elif room.queue.entries:
        effects.append(WantsSave())
    return effects


def _saved(room: Room) -> Effects:
    before = room.head.id
    settled = room.queue.settle()
    effects = recovered(room)
    room.misses = 0
    room.batch_limit = None
    commits: list[Committed] = []
    rows: list[CommitRow | Known] = []
    rejects: Effects = []
    for entry in settled:
        committed = entry.outcome
        if isinstance(entry.decision, Plan) and isinstance(committed, Committed):
            commits.append(committed)
            if committed.overwrote:
                _note_conflicts(room, committed, entry.decision.lost)
            room.long_keys = room.long_keys or any(map(rebalancing.has_long_key, committed.edit.ops))
            rows.append(commit_row(committed, known=entry.relayed))
            _count(room, entry.id, entry.digest, None)
        else:
            rejects += _rejected(room, entry)
    if commits:
        last = commits[-1]
        room.head = room.head._replace(seq=last.seq, id=last.edit.id)
        room.at = last.at
        effects.append(BroadcastCommit(commits[0].seq, rows))
        if room.linked:
            effects.append(Publish(room.speaker.commit(room.head.epoch, before, commits)))
    _forget_absent(room, settled)
    return effects + rejects


def commit_row(edit: Committed, *, known: bool) -> CommitRow | Known:
    """A commit as members get it; `known` says that they have the body from a relay."""
    if known and not edit.overwrote and not edit.restored:
        return Known(edit.edit.id, edit.at)
    return CommitRow(
        id=edit.edit.id,
        at=edit.at,
        overwrote=tuple((row.key, row.id, row.user, row.seq) for row in edit.overwrote),
        edit=None if known else edit.edit,
        actor=None if known else edit.actor,
        restored={id: cell_rows(cells) for id, cells in edit.restored.items()} or None,
    )


def _note_conflicts(room: Room, commit: Committed, lost: Mapping[FieldKey, Any]) -> None:
    """Remember what was overwritten unseen, for members that cannot be told now (O3)."""
    for row in commit.overwrote:
        notice = Notice(
            key=row.key,
            lost=row.id,
            lost_user=row.user,
            lost_seq=row.seq,
            lost_value=lost.get(row.key),
            by=commit.edit.id,
            by_user=commit.actor.user,
            by_seq=commit.seq,
        )
        room.conflicts.append(notice)


def _count(room: Room, id: EditId, digest: bytes, reject: KeptReject | None) -> None:
    """An edit has its durable outcome: nothing of its client up to it is outstanding any more.

    When another node committed it and the outcomes of earlier ones are not known here, the client is in doubt: its row
    has to be read before anything is concluded (E1).
    """
    if reject is None:
        room.counters.saw(id.client, id.n)
    if room.foreign.relays:
        room.foreign.passed(id.client, id.n)
    client = room.clients.get(id.client)
    if client is None or id.n <= client.done:
        return
    if id.n == client.done + 1:
        client.remember(id.n, digest, reject)
    else:
        room.doubted.add(id.client)


def _rejected(room: Room, entry: Entry) -> Effects:
    assert isinstance(entry.decision, Refusal)
    refusal = entry.decision
    _count(room, entry.id, entry.digest, KeptReject(entry.id.n, entry.digest, refusal.code, refusal.words))
    return tell_reject(room, entry.id, refusal, relayed=entry.relayed)


def tell_reject(room: Room, id: EditId, refusal: Refusal, *, relayed: bool, publish: bool = True) -> Effects:
    """Author and members drop a rejected edit; the author hears why and what stands there instead (S3)."""
    author = room.attendance.clients.get(id.client)
    effects: Effects = []
    room.long_keys = room.long_keys or id.client == room.system_client
    if author is not None:
        full = Reject(id=id, code=refusal.code, words=refusal.words, culprit=refusal.culprit, current=refusal.current)
        effects.append(Send(author.id, full))
    if relayed:
        bare = Reject(id=id, code=refusal.code)
        effects.append(Broadcast(bare, but=None if author is None else author.id))
    if publish:
        effects.append(Publish(room.speaker.reject(id, refusal.code, refusal.words)))
    return effects


def _forget_absent(room: Room, entries: Iterable[Entry]) -> None:
    for client in {entry.id.client for entry in entries}:
        room.forget_client(client)


def _away(room: Room, now: float) -> Effects:
    """The store did not take a batch: try again later, and say so once (N4)."""
    room.failures += 1
    room.retry_at = now + min(LAST_RETRY, FIRST_RETRY * 2 ** min(room.failures, 10))
    if room.away_since is not None:
        return []
    room.away_since = now
    return [Broadcast(Unsaved(held=True, why=ErrorCode.STORE_AWAY))]


def recovered(room: Room) -> Effects:
    """The store answered: say so if it had been away."""
    was_away = room.away_since is not None
    room.away_since, room.retry_at, room.failures = None, None, 0
    return [Broadcast(Unsaved(held=False, why="saving"))] if was_away else []


def _poison(room: Room, now: float) -> Effects:
    """The batch cannot be stored as it is: halve it until the culprit is alone, and reject that one (N2)."""
    size = room.queue.saving
    room.queue.saving = 0
    if size > 1:
        room.batch_limit = size // 2
        return []
    culprit = room.queue.entries[0]
    room.batch_limit = None
    if culprit.refused is not None:
        return [*hand_back(room, [culprit], "internal"), *_close_author(room, culprit)]
    culprit.refused = _unstorable(culprit)
    room.queue.replan(room.head, room.at, room.wall(now))
    return []


def _unstorable(culprit: Entry) -> Refusal:
    """Why the store refuses an edit that the project allows: an id that it brings is another project's already."""
    ops = () if culprit.edit is None else culprit.edit.ops
    added = [index for index, op in enumerate(ops) if isinstance(op, SceneAdd | MessageAdd | ProposalSet)]
    if added:
        words = "an id that this edit brings is taken in this installation: choose another"
        return Refusal(ErrorCode.ID_TAKEN, words, f"ops.{added[0]}.id")
    return Refusal(ErrorCode.INVALID, "the database cannot store this edit as it is", "ops")


def _close_author(room: Room, entry: Entry) -> Effects:
    session = room.attendance.clients.get(entry.id.client)
    return [] if session is None else room.close(session.id, CloseCode.INTERNAL, "an edit could not be handled", 5000)


def hand_back(room: Room, entries: Sequence[Entry], why: str) -> Effects:
    """Give edits back to their authors, with everything of theirs that came later; nothing is lost (E2)."""
    first: dict[str, int] = {}
    for entry in entries:
        first[entry.id.client] = min(entry.id.n, first.get(entry.id.client, entry.id.n))
    unwanted = [e.id for e in room.queue.entries if e.id.client in first and e.id.n >= first[e.id.client]]
    removed = room.queue.remove(unwanted)
    for client, n in first.items():
        room.clients[client].taken = n - 1
        if client == room.system_client:
            rebalancing.begin_anew(room)
        room.forget_client(client)
    room.queue.replan(room.head, room.at, room.at + 1)
    ids = tuple(entry.id for entry in removed)
    if not ids:
        return []
    return [Broadcast(Unsaved(ids=ids, held=False, why=why, retry_ms=2000)), Publish(room.speaker.withdraw(ids))]


def tick(room: Room, now: float) -> Effects:
    """Retries that are due, and edits that have waited for too long (N4)."""
    if room.condemned:
        return []
    effects: Effects = []
    entries = room.queue.entries
    if room.away_since is not None and entries and not room.queue.saving and now - entries[0].received >= HELD_AT_MOST:
        effects += hand_back(room, list(entries), ErrorCode.STORE_AWAY)
    if room.retry_at is None or now < room.retry_at:
        return effects
    if entries and not room.behind:
        return [*effects, WantsSave()]
    if not room.catching_up:
        effects += room.catch_up()
    return effects


def caught_up(room: Room, caught: Caught | None, now: float) -> Effects:
    """The store said what this room has missed (None: it could not be asked)."""
    room.catching_up = False
    if room.condemned:
        return []
    if caught is None:
        room.behind = True
        return _away(room, now)
    if caught.replaced or caught.head.epoch != room.head.epoch or _regressed(room, caught):
        return room.condemn("the store has another history")
    effects = recovered(room)
    effects += apply_commits(room, caught.edits, now)
    room.head = room.head._replace(access=caught.head.access)
    effects += resolve(room, caught.clients.values())
    room.queue.replan(room.head, room.at, room.wall(now))
    effects += take_heard(room, now)
    effects += joining.refresh_parked(room, caught)
    effects += room.welcome_parked(now)
    room.doubted = {client for client in room.doubted if _is_in_doubt(room, client)}
    room.asked_about.update(parked.session.client for parked in room.parked)
    if room.behind or room.parked or room.doubted:
        effects += room.catch_up()
    elif room.queue.entries:
        effects.append(WantsSave())
    return effects


def _regressed(room: Room, caught: Caught) -> bool:
    """Whether the store has forgotten outcomes that this room knows: its latest history is lost."""
    known = {client: room.clients[client].done for client in room.asked if client in room.clients}
    return any(
        done > (0 if (row := caught.clients.get(client)) is None else row.counter) for client, done in known.items()
    )


def _is_in_doubt(room: Room, client: str) -> bool:
    known = room.clients.get(client)
    return known is not None and known.done < room.counters.of(client)


def resolve(room: Room, rows: Iterable[ClientRow]) -> Effects:
    """Outcomes that other nodes gave to edits of clients that are here (E2)."""
    effects: Effects = []
    for row in rows:
        client = room.clients.get(row.client)
        if client is None:
            continue
        rejects = {reject.n: reject for reject in row.rejects}
        known = [e.id for e in room.queue.entries if e.id.client == row.client and e.id.n <= row.counter]
        settled = {entry.id.n: entry for entry in room.queue.remove(known)}
        for n in range(client.done + 1, row.counter + 1):
            id, reject, entry = EditId(row.client, n), rejects.get(n), settled.get(n)
            digest = reject.digest if reject is not None else row.digests.get(n, b"")
            if entry is not None and digest and entry.digest != digest:
                effects += _taken(room, id)
            client.remember(n, digest, reject)
            shown = room.foreign.passed(row.client, n)
            if reject is not None:
                relayed = id in shown or (entry is not None and entry.relayed)
                effects += tell_reject(
                    room, id, Refusal(ErrorCode(reject.code), reject.words), relayed=relayed, publish=False
                )
        room.forget_client(row.client)
    return effects


def apply_commits(room: Room, edits: Sequence[Committed], now: float) -> Effects:
    """Apply commits of other nodes that follow on the room's head, and tell the members."""
    rows: list[CommitRow | Known] = []
    effects: Effects = []
    first = room.head.seq + 1
    for edit in edits:
        if edit.seq != room.head.seq + 1:
            continue
        id = edit.edit.id
        _note_conflicts(room, edit, {row.key: _value(room, row.key, row.id) for row in edit.overwrote})
        room.long_keys = room.long_keys or any(map(rebalancing.has_long_key, edit.edit.ops))
        apply_edit(room.document, edit.edit.ops, id, edit.actor.user, edit.seq, edit.at)
        room.head = room.head._replace(seq=edit.seq, id=id)
        room.at = max(room.at, edit.at)
        rows.append(commit_row(edit, known=_known(room, edit, effects)))
        _count(room, id, edit.digest, None)
        room.forget_client(id.client)
    if rows:
        effects.append(BroadcastCommit(first, rows))
        room.queue.replan(room.head, room.at, room.wall(now))
    return effects


def _known(room: Room, edit: Committed, effects: Effects) -> bool:
    """Whether members have the body of a commit that another node made; settles our own entry of that id."""
    id = edit.edit.id
    entry = room.queue.find(id)
    if entry is None:
        relay = room.foreign.relays.get(id)
        return relay is not None and not relay.hidden
    room.queue.remove([id])
    if entry.digest == edit.digest:
        return entry.relayed
    effects += _taken(room, id)
    return False


def _taken(room: Room, id: EditId) -> Effects:
    """Another edit has the outcome of this id: its author is not the only one who uses the client id (E1)."""
    author = room.attendance.clients.get(id.client)
    if author is None:
        return []
    words = "this client id has used this counter for another edit: take a new client id"
    return [Send(author.id, Error(code=ErrorCode.CLIENT_ID_TAKEN, words=words, id=id))]


def _value(room: Room, key: FieldKey, id: EditId) -> Any:
    """What an edit wrote to a field, if that is still there."""
    cell = room.document.cell(key)
    return cell.value if cell is not None and cell.id == id else None


def take_heard(room: Room, now: float) -> Effects:
    """Apply commits that other nodes told of while a batch was in flight."""
    heard, room.heard_commits = room.heard_commits, []
    effects: Effects = []
    for edits in heard:
        if edits[0].seq <= room.head.seq + 1:
            effects += apply_commits(room, edits, now)
        else:
            room.behind = True
    return effects
