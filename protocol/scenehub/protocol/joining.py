"""Joining: how a client that the store has admitted becomes a member, and how its state is brought up to date.

A client is parked until the room has reached what the store showed it (S6) and knows what became of each of its edits
(E1): a welcome that were behind either would look to the client like a loss.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import saving
from .attendance import Identity, Session
from .clients import Client
from .closing import Close as CloseCode
from .edits import Position
from .effects import Broadcast, Close, Effect, Publish, Send
from .ledger import Admission, Caught, ClientRow
from .messages import Hello, Notice, Outcomes, PresenceNews, RejectRow, Relay, Welcome
from .states import delta_rows, notice_of, snapshot_rows, state_frames

if TYPE_CHECKING:
    from .room import Room

Effects = list[Effect]
GENERATIONS = 2**20


@dataclass(slots=True, eq=False)
class Parked:
    """A session that waits for the room; `row` is the newest reading of its client's row."""

    session: Session
    hello: Hello
    admission: Admission
    row: ClientRow


def join(room: Room, session_id: int, hello: Hello, identity: Identity, admission: Admission, now: float) -> Effects:
    """A client that the store has admitted says hello: welcome and state, or a close that says why not."""
    if room.condemned:
        return [afresh(session_id)]
    if admission.head.epoch != room.head.epoch:
        return [*room.condemn("the project has another epoch"), afresh(session_id)]
    generation = generation_of(hello, admission)
    older = room.attendance.clients.get(hello.client)
    if older is None and len(room.attendance.sessions) >= room.limits.members:
        return [Close(session_id, CloseCode.FULL, "this project has too many members here", 5000)]
    if older is not None and older.generation > generation:
        return [Close(session_id, CloseCode.INTERNAL, "a newer connection of this client is here already", 1000)]
    effects: Effects = []
    if older is not None:
        room.forget_session(older.id)
        effects.append(Close(older.id, CloseCode.SUPERSEDED, "a newer connection of this client took over"))
    session = Session.begin(session_id, hello.client, generation, identity, room.limits, now)
    room.attendance.enter(session)
    room.parked.append(Parked(session, hello, admission, admission.row))
    effects += welcome_parked(room, now)
    if any(parked.session is session for parked in room.parked):
        effects += room.catch_up(session.client)
    return effects


def generation_of(hello: Hello, admission: Admission) -> int:
    """The order of a client's sessions (M5): as the client opened them, else as the store admitted them.

    The store may admit an older connection, long dead, after a newer one at another node.
    """
    return hello.attempt * GENERATIONS + admission.row.generation % GENERATIONS


def refresh_parked(room: Room, caught: Caught) -> Effects:
    """A newer reading of the store: rows are newer, and an admission beyond its head was of a history that is lost."""
    effects: Effects = []
    for parked in list(room.parked):
        parked.row = caught.clients.get(parked.session.client, parked.row)
        if parked.admission.head.seq > caught.head.seq:
            room.forget_session(parked.session.id)
            effects.append(afresh(parked.session.id))
    return effects


def welcome_parked(room: Room, now: float) -> Effects:
    """Welcome those for whom the room is ready."""
    if room.condemned or not room.parked:
        return []
    ready = [parked for parked in room.parked if _is_ready(room, parked)]
    if not ready:
        return []
    room.parked = [parked for parked in room.parked if parked not in ready]
    return [effect for parked in ready for effect in _welcome(room, parked, now)]


def _is_ready(room: Room, parked: Parked) -> bool:
    """Whether the room has reached the admission, and knows all outcomes of the client's edits.

    A batch in flight may hold edits whose outcome the row has already: its verdict comes first.
    """
    if parked.admission.head.seq > room.head.seq:
        return False
    known = room.clients.get(parked.session.client)
    done = max(parked.row.counter, 0 if known is None else known.done)
    if done < room.counters.of(parked.session.client):
        return False
    queued = known is not None and known.taken > known.done
    return not (queued and room.queue.saving and known is not None and parked.row.counter > known.done)


def _welcome(room: Room, parked: Parked, now: float) -> Effects:
    session, admission = parked.session, parked.admission
    effects = _meet(room, session.client, parked.row, now)
    session.joined = True
    session.told_from = admission.head.seq
    welcome = Welcome(
        session=session.id,
        client=session.client,
        user=session.identity.user,
        role=session.identity.role,
        project=room.project,
        epoch=room.head.epoch,
        limits=room.limits,
        members=tuple(room.attendance.members()),
        token_ms=session.token_ms(now),
        at=room.wall(now),
    )
    member = session.member
    builds_upon = parked.hello.position if admission.known and not parked.hello.whole else None
    return [
        *effects,
        Send(session.id, welcome),
        *state(room, session, builds_upon, _why(parked), admission),
        Broadcast(PresenceNews(members=(member,)), but=session.id),
        Publish(room.speaker.members([(session.generation, member)])),
    ]


def _why(parked: Parked) -> str:
    position, admission = parked.hello.position, parked.admission
    if position is None:
        return "first"
    if admission.known:
        return "asked"
    if position.epoch != admission.head.epoch:
        return "epoch_changed"
    return "log_thinned" if admission.thinned else "unknown_position"


def _meet(room: Room, client: str, row: ClientRow, now: float) -> Effects:
    """Take over what the store knows of a client, unless the room knows more."""
    known = room.clients.get(client)
    if known is None:
        room.clients[client] = Client.of(row)
        return []
    if row.counter <= known.done:
        return []
    if known.taken == known.done:
        room.clients[client] = Client.of(row)
        return []
    effects = saving.resolve(room, [row])
    room.queue.replan(room.head, room.at, room.wall(now))
    return effects


def state(
    room: Room, session: Session, position: Position | None, why: str, admission: Admission | None = None
) -> Effects:
    """A delta from a position, or a snapshot; with all outstanding relays and the client's outcomes (E3)."""
    relays = [Relay(edit=held.edit, actor=held.actor) for held in room.foreign.shown()]
    relays += [
        Relay(edit=entry.edit, actor=entry.actor)
        for entry in room.queue.entries
        if entry.relayed and entry.edit is not None
    ]
    frames = state_frames(
        "snapshot" if position is None else "delta",
        why if position is None else "",
        room.head.position,
        snapshot_rows(room.document) if position is None else delta_rows(room.document, position.seq),
        [relay for relay in relays if relay.edit.id.client != session.client],
        _outcomes(room, session, position, admission),
        saving=room.away_since is None,
        part_bytes=room.limits.frame_bytes // 2,
        since=None if position is None else position.seq,
    )
    return [Send(session.id, frame) for frame in frames]


def _outcomes(room: Room, session: Session, position: Position | None, admission: Admission | None) -> Outcomes | None:
    """What became of the client's edits; None while this room is not sure of it."""
    known = room.clients[session.client]
    if known.done < room.counters.of(session.client):
        return None
    rejects = tuple(RejectRow(n=row.n, code=row.code, words=row.words) for _, row in sorted(known.rejects.items()))
    since = session.told_from if position is None or admission is not None else position.seq
    conflicts = [] if admission is None else [notice_of(conflict) for conflict in admission.conflicts]
    conflicts += _conflicts(room.conflicts, session.client, since)
    return Outcomes(counter=known.done, rejects=rejects, conflicts=tuple(conflicts))


def _conflicts(recent: Iterable[Notice], client: str, since: int) -> list[Notice]:
    return [row for row in recent if row.by_seq > since and client in (row.by.client, row.lost.client)]


def afresh(session_id: int) -> Close:
    """The close of a session whose history is not the store's any more."""
    return Close(session_id, CloseCode.HISTORY_REPLACED, "the project's history was replaced: load it anew", 500)
