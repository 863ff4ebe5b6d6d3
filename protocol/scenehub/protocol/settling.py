"""Settling: what a replica makes of its own edits' outcomes: saved, rejected, merged, lost, or made anew (E1–E4, O4).

A guarded edit that came too late is merged three ways, once, here at its author: on top of what is confirmed, never on
top of a relay, which may vanish.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .edits import Edit, EditId, FieldKey, Foundation
from .errors import ErrorCode
from .happenings import Choice, Merged, Output, Reconnect, Rejected, Replaced, Saved
from .merging import merge_text
from .messages import Outcomes, Reject, State
from .ops import Op, SceneSet
from .own import NO_EPOCH, Pending
from .planning import CODE

if TYPE_CHECKING:
    from .replica import Replica

KEPT = 256
"""Saved edits that are remembered, in case the store fails over to a state without them."""

Outputs = list[Output]


class Remembered(NamedTuple):
    """An own edit that was called saved."""

    edit: Edit
    texts: dict[FieldKey, str]


def saved(replica: Replica, own: Pending, seq: int) -> Outputs:
    """An own edit is durable."""
    replica.own.drop(own)
    replica.remembered.append(Remembered(own.edit, own.texts))
    return [Saved(own.edit.id, seq)]


def rejected(replica: Replica, own: Pending, frame: Reject, now: float) -> Outputs:
    """An own edit cannot be saved: merge it if that is what it is for, else hand it to the person (O4, S3)."""
    replica.own.drop(own)
    replica.forget_view()
    if frame.code == ErrorCode.STALE:
        return _rebase(replica, own, frame, now)
    return [Rejected(frame.id, frame.code, frame.words, frame.culprit, own.edit)]


class _Merge(NamedTuple):
    """A stale code edit as it can go on."""

    ops: tuple[Op, ...]
    """What is left to write."""
    texts: dict[FieldKey, str]
    """What that was merged with."""
    carried: dict[FieldKey, Pending]
    """Fields whose later own edit, not sent back yet, holds this one's text already."""


def _rebase(replica: Replica, own: Pending, frame: Reject, now: float) -> Outputs:
    merge = _merged(replica, own)
    if merge is None:
        choice = Choice(frame.id, own.edit, dict(own.texts), frame.current)
        replica.choices[frame.id] = choice
        _inherit(own, {key: later for key in own.texts if (later := replica.own.next_on(key, own)) is not None})
        return [choice, Rejected(frame.id, frame.code, frame.words, frame.culprit, own.edit)]
    _inherit(own, merge.carried)
    if merge.ops:
        again = replica.make(merge.ops, now, guarded=own.edit.guarded, run=own.edit.run, merged_with=merge.texts)
        return [Merged(frame.id, again.edit.id)]
    into = next((later.edit.id for later in merge.carried.values()), None)
    return [Merged(frame.id, into)]


def _inherit(own: Pending, carried: dict[FieldKey, Pending]) -> None:
    """A later edit was written on top of this one, which is no more: it builds upon what this one was built upon."""
    for key, later in carried.items():
        later.texts[key] = own.texts.get(key, "")


def _merged(replica: Replica, own: Pending) -> _Merge | None:
    """A code edit on top of what stands there now; None when a person must decide."""
    if own.edit.undoes is not None:
        return None
    ops: list[Op] = []
    texts: dict[FieldKey, str] = {}
    carried: dict[FieldKey, Pending] = {}
    for op in own.edit.ops:
        if not isinstance(op, SceneSet) or op.set.model_fields_set != {CODE}:
            return None
        key = FieldKey("scene", op.id, CODE)
        later = replica.own.next_on(key, own)
        if later is not None:
            carried[key] = later
            continue
        cell = replica.confirmed.cell(key)
        if cell is None or not isinstance(cell.value, str):
            return None
        text = merge_text(own.texts.get(key, ""), op.set.tsx_code, cell.value)
        if text is None:
            return None
        if text != cell.value:
            ops.append(SceneSet(kind="scene.set", id=op.id, set=op.set.model_copy(update={CODE: text})))
            texts[key] = cell.value
    return _Merge(tuple(ops), texts, carried)


def settle(replica: Replica, state: State, outcomes: Outcomes, now: float) -> Outputs:
    """Learn what became of own edits while nobody was listening (E1, E3)."""
    outputs: Outputs = []
    for notice in outcomes.conflicts:
        outputs += replica.notices.tell(notice, replica.client)
    counter, edits = outcomes.counter, replica.own.edits
    lost = [one for one in replica.remembered if one.edit.id.client == replica.client and one.edit.id.n > counter]
    settled_here = edits[0].edit.id.n - 1 if edits else replica.counter
    if settled_here > counter:
        return [*outputs, *_recover(replica, lost, now)]
    replica.counter = max(replica.counter, counter)
    rejects = {row.n: row for row in outcomes.rejects}
    for pending in replica.own.up_to(counter):
        id = pending.edit.id
        row = rejects.get(id.n)
        if row is None:
            outputs += saved(replica, pending, state.position.seq)
        else:
            outputs += rejected(replica, pending, Reject(id=id, code=row.code, words=row.words), now)
    replica.own.none_sent()
    replica.forget_view()
    if edits and state.why == "unknown_position":
        why = "the hub's history is not the one that was known here"
        return [*outputs, Replaced("history", why), *renew(replica, adrift=True)]
    return outputs


def _recover(replica: Replica, lost: Sequence[Remembered], now: float) -> Outputs:
    """The store went back to a time before edits that it had called saved: make them again, guarded."""
    again = [Pending(one.edit, now, dict(one.texts)) for one in lost]
    replica.own.edits.extendleft(reversed(again))
    words = "the hub has lost saved edits of this client"
    if lost:
        words += f": {len(lost)} of them are sent again"
    return [Replaced("history", words), *renew(replica, adrift=True)]


def renew(replica: Replica, *, adrift: bool) -> Outputs:
    """Become another client: own edits without outcome are made anew, guarded (E1, E4).

    `adrift`: what they build upon is no part of the hub's history, so everything has changed since.
    """
    replica.client = next(replica.client_ids)
    renewed: deque[Pending] = deque()
    outputs: Outputs = []
    ids = {pending.edit.id: EditId(replica.client, n) for n, pending in enumerate(replica.own.edits, 1)}
    for pending in replica.own.edits:
        changes: dict[str, object] = {"id": ids[pending.edit.id], "guarded": True}
        if adrift:
            changes |= {"epoch": NO_EPOCH, "base": 0, "saw": (), "upon": ()}
        else:
            changes["upon"] = tuple(Foundation(scene, ids.get(id, id)) for scene, id in pending.edit.upon)
        edit = pending.edit.model_copy(update=changes)
        renewed.append(Pending(edit, pending.made, pending.texts))
        outputs.append(Merged(pending.edit.id, edit.id))
    replica.counter = len(renewed)
    replica.own.edits.clear()
    replica.own.edits.extend(renewed)
    replica.own.index()
    replica.remembered.clear()
    replica.connected = False
    replica.forget_view()
    return [*outputs, Reconnect("this client takes a new id")]
