"""The judgement: what must hold of a deployment that has come to rest, recomputed from the log alone where possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scenehub.protocol.document import DELETED, SCENE, is_same, scenes_of
from scenehub.protocol.edits import ActorKind, EditId, FieldKey
from scenehub.protocol.ledger import FOUNDER, Committed
from scenehub.protocol.ops import SceneDelete, SceneSet
from scenehub.protocol.order import LONG_KEY
from scenehub.protocol.testing.ledger import MemoryLedger

from .member import Member
from .node import Node
from .oracle import Oracle

if TYPE_CHECKING:
    from scenehub.protocol.document import Document

CODE = "tsx_code"
Last = dict[FieldKey, tuple[int, EditId, Any]]
"""Per field the seq, the edit and the value of its last write."""


def judge(oracle: Oracle, members: Sequence[Member], nodes: Sequence[Node]) -> None:
    """Raise Broken for the first promise that does not hold."""
    loaded = oracle.store.ledger.load("p")
    _short_keys(oracle, loaded.document)
    for member in members:
        _at_rest(oracle, member, loaded.document)
    _same_views(oracle, members)
    for node in nodes:
        _room_at_rest(oracle, node)
    log = oracle.log()
    _one_order(oracle, log)
    _every_edit_has_an_outcome(oracle, log)
    if not oracle.failed_over:
        _nothing_overwritten_silently(oracle, log, {id for member in members for id in member.old})
        _both_sides_told(oracle, log)
        _no_code_lost(oracle, log)
    _all_present(oracle, members)


def _short_keys(oracle: Oracle, document: Document) -> None:
    """Long keys were rebalanced (O6)."""
    long = [scene.id for scene in scenes_of(document.living(SCENE)) if len(scene.position) > LONG_KEY]
    if long:
        oracle.broken("O6", f"the scenes {long} have long keys at rest")


def _at_rest(oracle: Oracle, member: Member, document: Document) -> None:
    """Confirmed state is the store's, nothing waits, nobody's relay stays (O1, S4, S5, E2)."""
    replica, head = member.replica, oracle.store.ledger.heads(["p"])["p"]
    if replica.status != "live":
        pending = [pending.edit.id for pending in replica.pending]
        oracle.broken("E2", f"{member.name} ({replica.client}) is {replica.status} at rest; pending {pending[:5]}")
    if replica.relays:
        oracle.broken("S5", f"{member.name} still sees the relays {list(replica.relays)}")
    if replica.position != head.position:
        oracle.broken("N3", f"{member.name} is at {replica.position} and the store at {head.position}")
    if replica.confirmed.checksum() != document.checksum():
        oracle.broken(
            "E3", f"{member.name}'s confirmed state is not the store's: {_difference(replica.confirmed, document)}"
        )


def _difference(one: Document, other: Document) -> str:
    for entity in {*one.entities, *other.entities}:
        here, there = one.entities.get(entity, {}), other.entities.get(entity, {})
        for name in {*here, *there}:
            if here.get(name) != there.get(name):
                return f"{entity} {name}: {here.get(name)} / {there.get(name)}"
    return "?"


def _same_views(oracle: Oracle, members: Sequence[Member]) -> None:
    first = members[0].replica.view
    for member in members[1:]:
        view = member.replica.view
        for what in ("scenes", "messages", "memory", "project", "deleted_scenes"):
            if getattr(view, what) != getattr(first, what):
                words = f"{members[0].name} and {member.name} see different {what}"
                oracle.broken("S4", f"{words}: {getattr(first, what)} / {getattr(view, what)}")


def _room_at_rest(oracle: Oracle, node: Node) -> None:
    """Nothing piles up in a room (M2)."""
    if node.live is None:
        return
    room = node.live.room
    piles = {
        "queue": len(room.queue.entries),
        "queued bytes": room.queue.bytes,
        "relays of others": len(room.foreign.shown()),
        "commits heard": len(room.heard_commits),
        "parked": len(room.parked),
        "clients": len(set(room.clients) - set(room.attendance.clients)),
        "draft": len(room.queue.ahead.written),
    }
    for what, size in piles.items():
        if size:
            oracle.broken("M2", f"{node.name}'s room holds {size} {what} at rest")
    if room.head != oracle.store.ledger.heads(["p"])["p"]:
        oracle.broken("N3", f"{node.name}'s room is at {room.head}")


def _one_order(oracle: Oracle, log: Sequence[Committed]) -> None:
    """Contiguous, each edit once, counters used up in order, each by a commit or a reject (O1, E1)."""
    if [commit.seq for commit in log] != list(range(1, len(log) + 1)):
        oracle.broken("O1", "the log has holes")
    counters: dict[str, list[int]] = {}
    for commit in log:
        counters.setdefault(commit.edit.id.client, []).append(commit.edit.id.n)
    for client, numbers in counters.items():
        row = oracle.store.ledger.client("p", client)
        assert row is not None
        used = sorted([*numbers, *(reject.n for reject in row.rejects)])
        if used != list(range(1, row.counter + 1)) or numbers != sorted(numbers):
            oracle.broken("E1", f"{client} has the counter {row.counter}, commits {numbers} and {row.rejects}")


def _every_edit_has_an_outcome(oracle: Oracle, log: Sequence[Committed]) -> None:
    """Exactly one outcome, told to its author, and the one that the store has (E1, E2, S3)."""
    committed = {commit.edit.id for commit in log}
    for id, made in oracle.made_edits.items():
        if made.forgotten:
            continue
        if made.final == 0:
            oracle.broken("E2", f"nobody was told what became of {id}: {made}")
        if oracle.failed_over:
            unheard = made.member not in oracle.announced and id.client not in oracle.lost_sight
            if made.saved and not made.into and id not in committed and unheard:
                oracle.broken("E2", f"{id} was called saved, was lost by a failover, and nobody was told")
            continue
        if bool(made.saved) != (id in committed):
            oracle.broken("E1", f"{id} is {'in' if id in committed else 'not in'} the store; told was {made}")


def _is_guarded(commit: Committed, epoch: str) -> bool:
    edit = commit.edit
    return (
        edit.guarded
        or edit.undoes is not None
        or edit.epoch != epoch
        or commit.actor.kind is ActorKind.BRAIN
        or any(isinstance(op, SceneSet) and CODE in op.set.model_fields_set for op in edit.ops)
    )


def _nothing_overwritten_silently(oracle: Oracle, log: Sequence[Committed], old: set[EditId]) -> None:
    """Go through the log: what an edit overwrote unseen is in its commit (O3); a guarded one did not (O4)."""
    last = _founding()
    for commit in log:
        edit = commit.edit
        guarded = _is_guarded(commit, "e1")
        base = edit.base if edit.epoch == "e1" else -1
        unseen: set[FieldKey] = set()
        for key, value in commit.writes:
            for met in _met(last, commit, key):
                seq, by, before = last[met]
                if guarded and met.field == CODE and by in (under for _, under in edit.upon):
                    continue
                if (
                    seq > base
                    and by.client != edit.id.client
                    and by not in edit.saw
                    and (guarded or met != key or not is_same(before, value) or key.field == DELETED)
                ):
                    unseen.add(met)
        told = {row.key for row in commit.overwrote}
        if guarded and unseen:
            oracle.broken("O4", f"{edit.id} was guarded and overwrote {unseen} at {commit.seq}")
        if not guarded and edit.id not in old and unseen != told:
            oracle.broken("O3", f"{edit.id} overwrote {unseen} at {commit.seq}, told was {told}")
        for key, value in commit.writes:
            last[key] = (commit.seq, edit.id, value)


def _founding() -> Last:
    ledger = MemoryLedger()
    ledger.create("p", epoch="e", name="Film", fps=30, width=1920, height=1080)
    cells = ledger.load("p").document.cells("project", "project")
    return {FieldKey("project", "project", name): (0, FOUNDER, cell.value) for name, cell in cells.items()}


def _met(last: Last, commit: Committed, key: FieldKey) -> list[FieldKey]:
    """The fields that a write does away with: its own, and all of a scene that is deleted."""
    if key.field == DELETED and any(isinstance(op, SceneDelete) and op.id == key.id for op in commit.edit.ops):
        return [other for other in last if other[:2] == key[:2]]
    return [key] if key in last else []


def _both_sides_told(oracle: Oracle, log: Sequence[Committed]) -> None:
    """Author and loser heard of every overwritten write, at once or on resume (O3)."""
    for commit in log:
        for row in commit.overwrote:
            for client, mine in ((commit.edit.id.client, False), (row.id.client, True)):
                if client in oracle.lost_sight or client == FOUNDER.client or client.startswith("system-"):
                    continue
                if (client, mine, commit.edit.id, row.key) not in oracle.notices:
                    side = "lost" if mine else "took"
                    oracle.broken("O3", f"{client} was never told that it {side} {row.key} by {commit.edit.id}")


def _no_code_lost(oracle: Oracle, log: Sequence[Committed]) -> None:
    """A line of code goes only by the hand of somebody who meant to remove it; a line that was saved got in (O4)."""
    texts: dict[FieldKey, set[str]] = {}
    appeared: set[str] = set()
    for commit in log:
        for key, value in commit.writes:
            if key.kind == SCENE and key.field == CODE:
                lines = set(str(value).split("\n"))
                member = oracle.made_edits[commit.edit.id].member
                vanished = texts.get(key, set()) - lines - {""}
                unmeant = vanished - oracle.removed.get(member, set())
                if unmeant:
                    oracle.broken(
                        "O4", f"{commit.edit.id} lost {unmeant} at {commit.seq}, which {member} never removed"
                    )
                texts[key] = lines
                appeared |= lines
    for id, (member, token) in oracle.intents.items():
        if token and token not in appeared and token not in oracle.removed[member] and _was_saved(oracle, id):
            oracle.broken("O4", f"{member} was told that {id} is saved, and its line {token} never got in")


def _was_saved(oracle: Oracle, id: EditId) -> bool:
    made = oracle.made_edits[id]
    if made.into:
        return made.into[0] is None or _was_saved(oracle, made.into[0])
    return made.saved > 0


def _all_present(oracle: Oracle, members: Sequence[Member]) -> None:
    """Everybody who is there is seen by everybody, and nobody else (M1)."""
    there = {member.replica.client for member in members}
    for member in members:
        if set(member.replica.members) != there:
            oracle.broken("M1", f"{member.name} sees {sorted(member.replica.members)} and there are {sorted(there)}")


__all__ = ["judge"]
