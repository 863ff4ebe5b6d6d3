"""A replica's own edits without an outcome: what they build upon, and which of them may be sent (E1, E2, O4).

Pending edits lie in the order of their counters, and those that were sent on this connection are the first of them.
Nothing here goes through all of them for one edit: a client may have worked offline for days.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .document import SCENE
from .edits import Edit, EditId, FieldKey, Foundation
from .limits import Limits, TokenBucket
from .messages import SendEdit
from .ops import Op, SceneDelete
from .relayed import Keys, Relays, keys_of

NO_EPOCH = "none"
"""The epoch of an edit that builds upon nothing confirmed: no project's, so everything has changed since (O1)."""


@dataclass(slots=True, eq=False)
class Pending:
    """An own edit without an outcome. `made` in seconds; `texts` are what its code was written on top of."""

    edit: Edit
    made: float
    texts: dict[FieldKey, str]
    sent: bool = False
    """On this connection."""
    ever_sent: bool = False
    """Frozen: its body may be known to a hub (E1)."""
    _keys: Keys | None = None

    @property
    def keys(self) -> Keys:
        """The fields that it writes; a delete or a restore counts as its marker."""
        if self._keys is None:
            self._keys = keys_of(self.edit.ops)
        return self._keys


class Ground(NamedTuple):
    """What an edit stands on: the epoch and seq that its author had seen, and the relays seen on top (O3)."""

    epoch: str
    base: int
    saw: tuple[EditId, ...] = ()
    upon: tuple[Foundation, ...] = ()
    """Per scene whose code is written, the unsaved edit that the code was written on top of (O4)."""


class OwnEdits:
    """Pending edits in order, the window of those under way, and the latest one on each field."""

    def __init__(self, edits: deque[Pending]) -> None:
        self.edits = edits
        self.retry_at: float | None = None
        """When those that are not under way may be sent; None for now."""
        self._latest: dict[tuple[str, str], dict[str, Pending]] = {}
        """By entity and field."""
        self._bucket = TokenBucket.full(100.0, 100.0, 0.0)
        self._in_flight = 64

    # What an edit builds upon.

    def ground(self, ops: Sequence[Op], keys: Keys, confirmed: Ground, relays: Relays) -> Ground:
        """What an edit of these fields has been made on.

        An own pending edit hides what others did to its field since (S4): who edits the field again builds upon that
        edit's ground, and has seen neither a later commit nor a relay.
        """
        epoch, seq = confirmed.epoch, confirmed.base
        below = self._below(ops, keys)
        saw = dict.fromkeys(id for id, common in relays.on(ops, keys) if not any(map(self._on, common)))
        for edit in below:
            if edit.epoch != epoch:
                epoch, seq = edit.epoch, edit.base
            elif edit.base < seq:
                seq = edit.base
        for id in set.intersection(*(set(edit.saw) for edit in below)) if below else ():
            saw[id] = None
        return Ground(epoch, seq, tuple(saw), confirmed.upon)

    def _below(self, ops: Sequence[Op], keys: Keys) -> list[Edit]:
        """Own edits that lie under these ops, each once; a delete lies over all fields of its scene."""
        deleted = {op.id for op in ops if isinstance(op, SceneDelete)}
        under: dict[EditId, Edit] = {}
        for key in keys:
            if key.kind == SCENE and key.id in deleted:
                hidden = list(self._latest.get((SCENE, key.id), {}).values())
            else:
                hidden = [own] if (own := self._on(key)) is not None else []
            under.update((own.edit.id, own.edit) for own in hidden)
        return [under[id] for id in sorted(under)]

    def _on(self, key: FieldKey) -> Pending | None:
        """The latest own edit of a field."""
        return self._latest.get((key.kind, key.id), {}).get(key.field)

    def _put(self, pending: Pending) -> None:
        for key in pending.keys:
            self._latest.setdefault((key.kind, key.id), {})[key.field] = pending

    def add(self, pending: Pending) -> None:
        """An edit was made."""
        self.edits.append(pending)
        self._put(pending)

    def index(self) -> None:
        """Find the latest edit on each field anew: the edits came from a disk, or under new ids."""
        self._latest = {}
        for pending in self.edits:
            self._put(pending)

    # Finding and dropping.

    def find(self, id: EditId) -> Pending | None:
        """A pending edit; one that a hub speaks of is among the first."""
        if not self.edits or id.client != self.edits[0].edit.id.client:
            return None
        return next((pending for pending in self.edits if pending.edit.id == id), None)

    def up_to(self, n: int) -> list[Pending]:
        """Those with a counter up to `n`."""
        found: list[Pending] = []
        for pending in self.edits:
            if pending.edit.id.n > n:
                break
            found.append(pending)
        return found

    def drop(self, pending: Pending) -> Keys:
        """An edit has its outcome; returns the fields that it wrote."""
        self.edits.remove(pending)
        for key in pending.keys:
            if self._on(key) is pending:
                of_entity = self._latest[key.kind, key.id]
                del of_entity[key.field]
                if not of_entity:
                    del self._latest[key.kind, key.id]
        return pending.keys

    def next_on(self, key: FieldKey, after: Pending) -> Pending | None:
        """The next own edit of a field that was made on top of one which is not pending any more."""
        if self._on(key) is None:
            return None
        later = (pending for pending in self.edits if pending.edit.id.n > after.edit.id.n)
        return next((pending for pending in later if key in pending.keys), None)

    # Sending.

    def allow(self, limits: Limits, now: float) -> None:
        """The hub has said what is allowed."""
        self._in_flight = limits.in_flight
        self._bucket = TokenBucket.full(0.9 * limits.edits_per_second, 0.9 * limits.edit_burst, now)

    def none_sent(self) -> None:
        """Another connection: nothing is under way on it."""
        self.retry_at = None
        for pending in self._sent():
            pending.sent = False

    def take_back(self, n: int, when: float) -> None:
        """Edits from `n` on are not with the hub: send them again, in order, at a time; the sooner of two holds."""
        changed = False
        for pending in self._sent():
            if pending.edit.id.n >= n:
                pending.sent = False
                changed = True
        if changed:
            self.retry_at = when if self.retry_at is None else min(self.retry_at, when)

    def _sent(self) -> Iterable[Pending]:
        for pending in self.edits:
            if not pending.sent:
                return
            yield pending

    def due(self, now: float) -> Iterator[SendEdit]:
        """What may be sent now: in order, within the window and the rate that the hub announced."""
        if self.retry_at is not None and now < self.retry_at:
            return
        self.retry_at = None
        for under_way, pending in enumerate(self.edits):
            if under_way >= self._in_flight:
                return
            if pending.sent:
                continue
            if not self._bucket.take(now):
                self.retry_at = now + 1.0 / self._bucket.rate
                return
            pending.sent = pending.ever_sent = True
            yield SendEdit(edit=pending.edit, age=max(0, int((now - pending.made) * 1000)))
