"""Rebalancing: a room gives its scenes new keys when one has grown long (O6), by an edit of the system."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from .document import SCENE, scenes_of
from .edits import Actor, ActorKind, Edit, EditId
from .effects import Effect
from .ops import Op
from .order import LONG_KEY, rebalanced

if TYPE_CHECKING:
    from .room import Room

SYSTEM = Actor(user="system", kind=ActorKind.SYSTEM)


def client_of(node: str, generation: str, seq: int) -> str:
    """The client id of a room's own edits, for a room that was loaded at `seq` in one life of its node."""
    return "system-" + blake2b(f"{node} {generation} {seq}".encode(), digest_size=16).hexdigest()


def begin_anew(room: Room) -> None:
    """The room's own edit goes back: act as another client from now on, since it may be stored all the same (E2)."""
    room.system_client = client_of(room.system_client, "again", room.head.seq)
    room.acted, room.long_keys = 0, True


def has_long_key(op: Op) -> bool:
    """Whether a scene may have a key that has grown long after this op."""
    if op.kind == "scene.add" or op.kind == "scene.move":
        return len(op.position) > LONG_KEY
    return op.kind == "scene.restore"


def tick(room: Room, now: float) -> list[Effect]:
    """Make the edit, if one is needed and the room is at rest: it is guarded, so two nodes do not do it twice."""
    if not room.long_keys or room.condemned or room.queue.entries or room.behind or room.catching_up:
        return []
    room.long_keys = False
    moves = rebalanced(scenes_of(room.document.living(SCENE)))
    if not moves:
        return []
    room.acted += 1
    id = EditId(room.system_client, room.acted)
    edit = Edit(id=id, epoch=room.head.epoch, base=room.head.seq, ops=moves, guarded=True)
    return room.act(edit, SYSTEM, now)
