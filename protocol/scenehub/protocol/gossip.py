"""Gossip: what a room makes of the other nodes' events (N3, S5, M1). Any of them may be lost, doubled or late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .closing import Close as CloseCode
from .edits import EditId
from .effects import Broadcast, BroadcastRelay, Close, Effect, Publish
from .events import Event, Unreadable, committed_of, edit_of, ids_of, kind_of, members_of, moves_of
from .ledger import Committed, Head
from .limits import LEASE_EVERY, NODE_GONE_AFTER
from .messages import PresenceNews, Reject, Unsaved
from .saving import apply_commits

if TYPE_CHECKING:
    from .room import Room

Effects = list[Effect]


def hear(room: Room, event: Event, now: float) -> Effects:
    """Take an event of another node; what cannot be read is ignored."""
    if room.condemned:
        return []
    try:
        kind = kind_of(event)
        node, generation = event["node"], str(event.get("gen", ""))
        lost = room.foreign.hear(node, generation, now)
        return [*_withdrawn(lost), *_hear(room, kind, node, generation, event, now)]
    except Unreadable:
        return []


def _hear(room: Room, kind: str, node: str, generation: str, event: Event, now: float) -> Effects:
    match kind:
        case "relay":
            return _relay(room, node, generation, event, now)
        case "commit":
            return _commit(room, event, now)
        case "reject":
            return _reject(room, event)
        case "withdraw":
            return _withdrawn(room.foreign.withdraw(node, ids_of(event)))
        case "members":
            return _members(room, node, event)
        case "moved":
            return _moved(room, node, event, now)
        case "gone":
            return _gone(room, node, [str(client) for client in event.get("clients", ())])
        case "lease":
            return _lease(room, node, event, now)
        case "who":
            return introduce(room, asking=False)
        case _:
            return []


def _withdrawn(ids: list[EditId]) -> Effects:
    return [Broadcast(Unsaved(ids=tuple(ids), held=False, why="withdrawn"))] if ids else []


def _relay(room: Room, node: str, generation: str, event: Event, now: float) -> Effects:
    edit, actor = edit_of(event)
    client = room.clients.get(edit.id.client)
    committed = max(room.counters.of(edit.id.client), 0 if client is None else client.done)
    if edit.id.n <= committed or room.queue.find(edit.id) is not None:
        return []
    if not room.foreign.announce(edit, actor, node, generation, now):
        return []
    author = room.attendance.clients.get(edit.id.client)
    return [BroadcastRelay(edit, actor, None if author is None else author.id)]


def _commit(room: Room, event: Event, now: float) -> Effects:
    edits = committed_of(event)
    if event.get("epoch") != room.head.epoch:
        return room.catch_up()
    if edits[-1].seq <= room.head.seq:
        return []
    if not _follows(room, event, edits):
        return room.catch_up()
    if room.queue.saving or room.catching_up:
        room.heard_commits.append(edits)
        return []
    effects = [*apply_commits(room, edits, now), *room.welcome_parked(now)]
    return [*effects, *room.catch_up()] if room.doubted else effects


def _follows(room: Room, event: Event, edits: list[Committed]) -> bool:
    """Whether commits continue this room's history: no hole, and the same edit before the first new one."""
    first, head = edits[0].seq, room.head
    if first > head.seq + 1:
        return bool(room.heard_commits) and room.heard_commits[-1][-1].seq + 1 == first
    if first == head.seq + 1:
        before = event.get("before")
        return (None if before is None else EditId(*before)) == head.id
    return edits[head.seq - first].edit.id == head.id


def _reject(room: Room, event: Event) -> Effects:
    """A durable reject; if its author is here now, its row is read before anything is concluded from it."""
    id = ids_of(event)[0]
    shown = room.foreign.drop([id])
    author = room.attendance.clients.get(id.client)
    effects: Effects = []
    if shown:
        bare = Reject(id=id, code=str(event.get("code", "")))
        effects.append(Broadcast(bare, but=None if author is None else author.id))
    if author is not None:
        effects += room.catch_up(id.client)
    return effects


def _members(room: Room, node: str, event: Event) -> Effects:
    effects: Effects = []
    news = []
    for generation, member in members_of(event):
        here = room.attendance.clients.get(member.client)
        if here is not None and here.generation < generation:
            room.forget_session(here.id)
            effects.append(Close(here.id, CloseCode.SUPERSEDED, "a newer connection of this client took over"))
        if room.attendance.remote_news(node, generation, member):
            news.append(member)
    if news:
        effects.append(Broadcast(PresenceNews(members=tuple(news))))
    return effects


def _moved(room: Room, node: str, event: Event, now: float) -> Effects:
    moves = moves_of(event)
    for client, presence in moves.items():
        remote = room.attendance.remote.get(client)
        if remote is not None and remote.node == node and client not in room.attendance.clients:
            moved = remote.member.model_copy(update={"presence": presence})
            room.attendance.remote[client] = remote._replace(member=moved)
            room.attendance.move(client, presence, now, own=False)
    return [Publish(room.speaker.who())] if room.attendance.unknown(moves) else []


def _gone(room: Room, node: str, clients: list[str]) -> Effects:
    gone = room.attendance.remote_gone(node, clients)
    return [Broadcast(PresenceNews(gone=tuple(gone)))] if gone else []


def _lease(room: Room, node: str, event: Event, now: float) -> Effects:
    """A node lives: relays it does not hold any more are withdrawn, members it does not have are gone."""
    clients = {str(client) for client in event.get("clients", ())}
    known = set(room.attendance.of_node(node))
    lost, back = room.foreign.lease(node, set(ids_of(event)), now)
    effects = _withdrawn(lost)
    effects += [BroadcastRelay(relay.edit, relay.actor) for relay in back]
    effects += _gone(room, node, sorted(known - clients))
    if room.attendance.unknown(clients):
        effects.append(Publish(room.speaker.who()))
    if isinstance(event.get("seq"), int) and event["seq"] > room.head.seq:
        effects += room.catch_up()
    return effects


def introduce(room: Room, *, asking: bool = True) -> Effects:
    """Tell the other nodes who is here and what is held here."""
    sessions = [session for session in room.attendance.clients.values() if session.joined]
    effects: Effects = [Publish(room.speaker.who())] if asking else []
    if sessions:
        effects.append(Publish(room.speaker.members([(session.generation, session.member) for session in sessions])))
    for entry in room.queue.entries:
        if entry.relayed and entry.edit is not None:
            effects.append(Publish(room.speaker.relay(entry.edit, entry.actor)))
    return [*effects, _own_lease(room)] if asking else effects


def _own_lease(room: Room) -> Publish:
    """What this room holds and whom it has, also when that is nothing: goodbyes may have been lost."""
    held = [entry.id for entry in room.queue.entries if entry.relayed]
    clients = [session.client for session in room.attendance.clients.values() if session.joined]
    return Publish(room.speaker.lease(room.head.seq, held, clients))


def head_seen(room: Room, head: Head, asked_at: int) -> Effects:
    """Compare the store's head with the room's: it may be ahead (a lost tail) or have another history (O1)."""
    if room.condemned or room.queue.saving:
        return []
    ahead = head.seq > room.head.seq
    behind = head.seq < asked_at
    differs = head.epoch != room.head.epoch or (head.seq == room.head.seq and head.id != room.head.id)
    return room.catch_up() if ahead or behind or differs or head.access != room.head.access else []


def tick(room: Room, now: float) -> Effects:
    """Say that this node lives, and draw the consequence from those that do not say it."""
    if room.condemned or now < room.lease_at:
        return []
    room.lease_at = now + LEASE_EVERY
    effects: Effects = []
    effects.append(_own_lease(room))
    effects += _withdrawn(room.foreign.hide_unheard(now))
    for node in room.foreign.silent_nodes(now, NODE_GONE_AFTER):
        effects += _gone(room, node, room.attendance.of_node(node))
    return effects
