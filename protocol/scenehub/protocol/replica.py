"""Replica: the client's half of the protocol, one copy of a project.

It holds *confirmed* state, others' *relayed* edits and own *pending* ones, and computes the view over them. Like the
room it never awaits and has no clock: frames, local edits and the passing of time go in with `now` (seconds,
monotonic), frames to send and happenings come out. It is the custodian of its edits until their commit or reject (E2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .closing import Close as CloseCode
from .closing import ComeBack, come_back
from .document import Cell, Document, apply_edit, writes_of
from .edits import Actor, Edit, EditId, FieldKey, Position, Role
from .errors import RETRYABLE, ErrorCode, ProtocolError, Refusal
from .happenings import (
    Changed,
    Choice,
    ErrorHeard,
    Happening,
    MembersChanged,
    Merged,
    Output,
    Overwritten,
    Reconnect,
    Rejected,
    Replaced,
    RoleChanged,
    Saved,
    SendFrame,
    StatusChanged,
)
from .limits import GONE_AFTER, PING_EVERY, Limits, TokenBucket
from .merging import merge_text
from .messages import (
    Auth,
    Bye,
    Commit,
    CommitRow,
    Error,
    Hello,
    HubFrame,
    Notice,
    Outcomes,
    Ping,
    Pong,
    PresenceNews,
    Reject,
    Relay,
    RoleNews,
    SendEdit,
    SendPresence,
    State,
    Sync,
    Unsaved,
    Welcome,
)
from .ops import Op, SceneSet
from .planning import CODE, allowed
from .presence import Member, Presence
from .states import cell_of
from .view import View

KEPT = 256
"""Saved edits that are remembered, in case the store fails over to a state without them."""

Outputs = list[Output]


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


@dataclass(slots=True)
class _Incoming:
    """A state of which parts have come."""

    parts: list[State] = field(default_factory=list)


class Replica:
    """A client's copy of one project."""

    def __init__(self, token: str, client_ids: Iterator[str], *, agent: str = "", keep_at_most: int = 10_000) -> None:
        """`client_ids` gives fresh random client ids (128 bits); `keep_at_most` bounds the pending edits."""
        self.token = token
        self._client_ids = client_ids
        self.agent = agent
        self.keep_at_most = keep_at_most
        self.client = next(client_ids)
        self.counter = 0
        self.confirmed = Document()
        self.position: Position | None = None
        self.relays: dict[EditId, Relay] = {}
        self.pending: deque[Pending] = deque()
        self.choices: dict[EditId, Choice] = {}
        self.members: dict[str, Member] = {}
        self.user = ""
        self.role = Role.VIEWER
        self.read_only = False
        self.limits = Limits()
        self.connected = False
        """Welcomed, and the state is complete."""
        self.saving = True
        """False while the hub says that it cannot save."""
        self._saved: deque[tuple[EditId, Edit]] = deque(maxlen=KEPT)
        self._incoming = _Incoming()
        self._view: View | None = None
        self._retry_at: float | None = None
        self._bucket = TokenBucket.full(100.0, 100.0, 0.0)
        self._heard = 0.0
        self._spoke = 0.0
        self._nonce = 0
        self._presence: Presence | None = None
        self._online = False

    # What is shown.

    @property
    def view(self) -> View:
        """Confirmed, under relays, under pending."""
        if self._view is None:
            unsaved = [(relay.edit, relay.actor.user) for relay in self.relays.values()]
            unsaved += [(pending.edit, self.user) for pending in self.pending]
            self._view = View(self.confirmed, unsaved, 0)
        return self._view

    @property
    def status(self) -> str:
        """`offline`, `not saved` (the hub cannot save), `saving` (edits are under way) or `live`."""
        if not self.connected:
            return "offline"
        if not self.saving:
            return "not saved"
        return "saving" if self.pending else "live"

    # Connecting.

    def open(self, now: float) -> Outputs:
        """A connection is there: say hello."""
        self._heard = self._spoke = now
        self._incoming = _Incoming()
        self._online = True
        for pending in self.pending:
            pending.sent = False
        hello = Hello(
            token=self.token, client=self.client, counter=self.counter, position=self.position, agent=self.agent
        )
        return [SendFrame(hello)]

    def closed(self, code: int | None) -> Outputs:
        """The connection is gone; edits wait here until the next one."""
        self.connected = self._online = False
        self._retry_at = None
        self.members = {}
        self.relays = {}
        self._view = None
        for pending in self.pending:
            pending.sent = False
        outputs: Outputs = [MembersChanged(), StatusChanged(self.status), Changed(None)]
        if come_back(code) is ComeBack.AFRESH:
            self.position = None
        if code == CloseCode.CLIENT_ID_TAKEN:
            outputs += self._renew()
        return outputs

    def authenticate(self, token: str, now: float) -> Outputs:
        """Use a newer token from now on, in-band if there is a connection (M4)."""
        self.token = token
        if not self._online:
            return []
        self._spoke = now
        return [SendFrame(Auth(token=token))]

    # Own edits.

    def edit(
        self,
        ops: Sequence[Op],
        now: float,
        *,
        guarded: bool = False,
        undoes: EditId | None = None,
        run: str | None = None,
    ) -> tuple[EditId, Outputs]:
        """Make an edit: it shows at once and is sent when it can be.

        Raises ProtocolError when it is already clear that the hub would refuse it.
        """
        if len(self.pending) >= self.keep_at_most:
            words = f"{self.keep_at_most} edits wait to be saved: no more are kept"
            raise ProtocolError(Refusal(ErrorCode.TOO_MANY_IN_FLIGHT, words))
        if len(ops) > self.limits.ops_per_edit:
            words = f"an edit has {self.limits.ops_per_edit} ops at most: split it"
            raise ProtocolError(Refusal(ErrorCode.TOO_LARGE, words, "ops"))
        pending = self._make(tuple(ops), now, guarded, undoes, run)
        if self.connected:
            refusal = allowed(pending.edit, self.role, Actor(user=self.user or "me"))
            if refusal is not None:
                self.counter -= 1
                raise ProtocolError(refusal)
        self.pending.append(pending)
        self._view = None
        changed = Changed({(key.kind, key.id) for key in _keys(ops)})
        return pending.edit.id, [changed, StatusChanged(self.status), *self._pump(now)]

    def _make(
        self, ops: tuple[Op, ...], now: float, guarded: bool, undoes: EditId | None = None, run: str | None = None
    ) -> Pending:
        keys = _keys(ops)
        texts = {key: self.view.value(key) or "" for key in keys if key.field == CODE}
        saw = tuple(id for id, relay in self.relays.items() if keys & _keys(relay.edit.ops))
        self.counter += 1
        edit = Edit(
            id=EditId(self.client, self.counter),
            epoch=self.position.epoch if self.position else "none",
            base=self.position.seq if self.position else 0,
            ops=ops,
            guarded=guarded,
            saw=saw,
            undoes=undoes,
            run=run,
        )
        return Pending(edit, now, texts)

    def _pump(self, now: float) -> Outputs:
        """Send what may be sent: in order, within the window and the rate that the hub announced."""
        if not self.connected or self.read_only or (self._retry_at is not None and now < self._retry_at):
            return []
        self._retry_at = None
        outputs: Outputs = []
        under_way = sum(pending.sent for pending in self.pending)
        for pending in self.pending:
            if pending.sent:
                continue
            if under_way >= self.limits.in_flight:
                break
            if not self._bucket.take(now):
                self._retry_at = now + 1.0 / self._bucket.rate
                break
            pending.sent = pending.ever_sent = True
            under_way += 1
            outputs.append(SendFrame(SendEdit(edit=pending.edit, age=max(0, int((now - pending.made) * 1000)))))
        if outputs:
            self._spoke = now
        return outputs

    def presence(self, presence: Presence, now: float) -> Outputs:
        """Say where this member is; remembered and said again after a reconnect."""
        self._presence = presence
        if not self.connected or self.role is Role.VIEWER:
            return []
        self._spoke = now
        return [SendFrame(SendPresence(presence=presence))]

    # Frames.

    def received(self, frame: HubFrame | None, now: float) -> Outputs:
        """A frame from the hub; None for one that this client does not know."""
        self._heard = now
        match frame:
            case Relay():
                return self._relay(frame)
            case Commit():
                return self._commit(frame, now)
            case Reject():
                return self._reject(frame, now)
            case State():
                return self._state(frame, now)
            case Welcome():
                return self._welcome(frame, now)
            case PresenceNews():
                return self._presence_news(frame)
            case Unsaved():
                return self._unsaved(frame, now)
            case Error():
                return self._error(frame, now)
            case Pong():
                return self._pong(frame)
            case RoleNews():
                return self._role_news(frame, now)
            case Bye():
                return [StatusChanged(frame.words)]
            case _:
                return []

    def _welcome(self, frame: Welcome, now: float) -> Outputs:
        self.user, self.role, self.limits = frame.user, frame.role, frame.limits
        self.read_only = False
        self._bucket = TokenBucket.full(0.9 * self.limits.edits_per_second, 0.9 * self.limits.edit_burst, now)
        self.members = {member.client: member for member in frame.members}
        return [RoleChanged(self.role, self.read_only), MembersChanged()]

    def _relay(self, frame: Relay) -> Outputs:
        id = frame.edit.id
        if id.client == self.client:
            return []
        self.relays[id] = frame
        return self._changed(_keys(frame.edit.ops))

    def _commit(self, frame: Commit, now: float) -> Outputs:
        if self.position is None or not self.connected:
            return []
        if frame.seq > self.position.seq + 1:
            return [SendFrame(Sync(position=self.position))]
        outputs: Outputs = []
        keys: set[FieldKey] = set()
        for seq, row in enumerate(frame.edits, frame.seq):
            if seq <= self.position.seq:
                continue
            known = self._body(row)
            if known is None:
                return [*outputs, *self._changed(keys), SendFrame(Sync(position=self.position))]
            keys |= self._confirm(row, *known, seq, outputs)
        self._set_saving(True, outputs)
        return [*outputs, *self._changed(keys), *self._pump(now)]

    def _body(self, row: CommitRow) -> tuple[Edit, str] | None:
        if row.edit is not None and row.actor is not None:
            return row.edit, row.actor.user
        relay = self.relays.get(row.id)
        if relay is not None:
            return relay.edit, relay.actor.user
        own = self._own(row.id)
        return None if own is None else (own.edit, self.user)

    def _own(self, id: EditId) -> Pending | None:
        if id.client != self.client:
            return None
        return next((pending for pending in self.pending if pending.edit.id == id), None)

    def _confirm(self, row: CommitRow, edit: Edit, user: str, seq: int, outputs: Outputs) -> set[FieldKey]:
        """An edit has its seq: it moves from relayed or pending to confirmed."""
        outputs += self._notices(row, user, seq)
        assert self.position is not None
        keys = set(apply_edit(self.confirmed, edit.ops, row.id, user, seq, row.at))
        for id, cells in (row.restored or {}).items():
            for name, cell in cells.items():
                key = FieldKey("scene", id, name)
                self.confirmed.put(key, cell_of(cell))
                keys.add(key)
        self.position = Position(self.position.epoch, seq, row.id)
        for passed in [id for id in self.relays if id.client == row.id.client and id.n <= row.id.n]:
            keys |= _keys(self.relays.pop(passed).edit.ops)
        own = self._own(row.id)
        if own is not None:
            self.pending.remove(own)
            self._saved.append((row.id, own.edit))
            outputs.append(Saved(row.id, seq))
        return keys

    def _notices(self, row: CommitRow, user: str, seq: int) -> Outputs:
        """Tell of own values that were overwritten and of those that this client overwrote (O3)."""
        outputs: Outputs = []
        for key, lost, lost_user, lost_seq in row.overwrote:
            if self.client in (lost.client, row.id.client):
                cell = self.confirmed.cell(key)
                value = cell.value if cell is not None and cell.id == lost else None
                notice = Notice(
                    key=key, lost=lost, lost_user=lost_user, lost_seq=lost_seq, lost_value=value,
                    by=row.id, by_user=user, by_seq=seq,
                )  # fmt: skip
                outputs.append(Overwritten(notice, mine=lost.client == self.client))
        return outputs

    def _reject(self, frame: Reject, now: float) -> Outputs:
        outputs: Outputs = []
        relay = self.relays.pop(frame.id, None)
        keys = _keys(relay.edit.ops) if relay is not None else set()
        own = self._own(frame.id)
        if own is not None:
            self._set_saving(True, outputs)
            outputs += self._rejected(own, frame, now)
            keys |= _keys(own.edit.ops)
        return [*outputs, *self._changed(keys), *self._pump(now)]

    def _rejected(self, own: Pending, frame: Reject, now: float) -> Outputs:
        """An own edit cannot be saved: merge it if that is what it is for, else hand it to the person (O4, S3)."""
        self.pending.remove(own)
        self._view = None
        if frame.code == ErrorCode.STALE:
            return self._rebase(own, frame, now)
        return [Rejected(frame.id, frame.code, frame.words, frame.culprit, own.edit)]

    def _rebase(self, own: Pending, frame: Reject, now: float) -> Outputs:
        ops = self._merged_ops(own)
        if ops is None:
            choice = Choice(frame.id, own.edit, dict(own.texts), frame.current)
            self.choices[frame.id] = choice
            return [choice, Rejected(frame.id, frame.code, frame.words, frame.culprit, own.edit)]
        if not ops:
            return [Merged(frame.id, None)]
        again = self._make(ops, now, guarded=own.edit.guarded, run=own.edit.run)
        self.pending.append(again)
        self._view = None
        return [Merged(frame.id, again.edit.id)]

    def _merged_ops(self, own: Pending) -> tuple[Op, ...] | None:
        """A code edit on top of what stands there now; None when a person must decide, () when nothing is left."""
        if own.edit.undoes is not None:
            return None
        merged: list[Op] = []
        for op in own.edit.ops:
            if not isinstance(op, SceneSet) or op.set.model_fields_set != {CODE}:
                return None
            key = FieldKey("scene", op.id, CODE)
            theirs = self.view.value(key)
            if not isinstance(theirs, str):
                return None
            text = merge_text(own.texts.get(key, ""), op.set.tsx_code, theirs)
            if text is None:
                return None
            if text != theirs:
                merged.append(SceneSet(kind="scene.set", id=op.id, set=op.set.model_copy(update={CODE: text})))
        return tuple(merged)

    # State.

    def _state(self, frame: State, now: float) -> Outputs:
        if frame.part == 0:
            self._incoming = _Incoming()
        self._incoming.parts.append(frame)
        if len(self._incoming.parts) < frame.parts:
            return []
        parts, self._incoming = self._incoming.parts, _Incoming()
        if frame.reason == "snapshot":
            self.confirmed = Document()
        for part in parts:
            for kind, id, cells in part.entities:
                for name, cell in cells.items():
                    self.confirmed.put(FieldKey(kind, id, name), cell_of(cell))
        self.position = Position(*frame.position)
        self.relays = {relay.edit.id: relay for relay in frame.relays if relay.edit.id.client != self.client}
        self.connected = True
        self.saving = frame.saving
        self._view = None
        outputs: Outputs = [Replaced(frame.reason, frame.why)]
        if frame.outcomes is not None:
            outputs += self._settle(frame.outcomes, now)
        if self._presence is not None:
            outputs += self.presence(self._presence, now)
        return [*outputs, Changed(None), StatusChanged(self.status), *self._pump(now)]

    def _settle(self, outcomes: Outcomes, now: float) -> Outputs:
        """Learn what became of own edits while nobody was listening (E1, E3)."""
        outputs: Outputs = [
            Overwritten(notice, mine=notice.lost.client == self.client) for notice in outcomes.conflicts
        ]
        lost = [edit for id, edit in self._saved if id.client == self.client and id.n > outcomes.counter]
        if lost or (self.pending and self.pending[0].edit.id.n > outcomes.counter + 1):
            return [*outputs, *self._recover(lost, now)]
        rejects = {row.n: row for row in outcomes.rejects}
        assert self.position is not None
        for pending in [pending for pending in self.pending if pending.edit.id.n <= outcomes.counter]:
            id = pending.edit.id
            row = rejects.get(id.n)
            if row is not None:
                outputs += self._rejected(pending, Reject(id=id, code=row.code, words=row.words), now)
            else:
                self.pending.remove(pending)
                self._saved.append((id, pending.edit))
                outputs.append(Saved(id, self.position.seq))
        self.counter = max(self.counter, outcomes.counter)
        for pending in self.pending:
            pending.sent = False
        self._retry_at = None
        self._view = None
        return outputs

    def _recover(self, lost: Sequence[Edit], now: float) -> Outputs:
        """The store went back to a time before edits that it had called saved: make them again, guarded."""
        again = [Pending(edit, now, {}) for edit in lost]
        self.pending = deque([*again, *self.pending])
        self._saved.clear()
        return [
            Replaced("history", f"{len(lost)} saved edits were lost by the hub and are sent again"),
            *self._renew(),
        ]

    def _renew(self) -> Outputs:
        """Become another client: own edits without outcome are made anew, guarded (E1, E4)."""
        self.client = next(self._client_ids)
        self.counter = 0
        renewed: deque[Pending] = deque()
        outputs: Outputs = []
        for pending in self.pending:
            self.counter += 1
            id = EditId(self.client, self.counter)
            edit = pending.edit.model_copy(update={"id": id, "guarded": True})
            edit.__dict__.pop("wire", None)
            renewed.append(Pending(edit, pending.made, pending.texts))
            outputs.append(Merged(pending.edit.id, id))
        self.pending = renewed
        self._saved.clear()
        self.connected = False
        self._view = None
        return [*outputs, Reconnect("this client takes a new id")]

    # Everything else that the hub says.

    def _unsaved(self, frame: Unsaved, now: float) -> Outputs:
        outputs: Outputs = []
        keys: set[FieldKey] = set()
        own: list[int] = []
        for id in frame.ids:
            relay = self.relays.pop(id, None)
            keys |= _keys(relay.edit.ops) if relay is not None else set()
            if id.client == self.client:
                own.append(id.n)
        if own:
            self._take_back(min(own), now, (frame.retry_ms or 1000) / 1000)
        if frame.held or own:
            self._set_saving(False, outputs)
        elif not frame.ids:
            self._retry_at = None
            self._set_saving(True, outputs)
        return [*outputs, *self._changed(keys), *self._pump(now)]

    def _take_back(self, n: int, now: float, after: float) -> None:
        """Edits from `n` on are not with the hub: send them again later, in order."""
        for pending in self.pending:
            if pending.edit.id.n >= n:
                pending.sent = False
        self._retry_at = now + after

    def _error(self, frame: Error, now: float) -> Outputs:
        outputs: Outputs = [ErrorHeard(frame)]
        if frame.code == ErrorCode.CLIENT_ID_TAKEN:
            return [*outputs, *self._renew()]
        if frame.id is None or frame.id.client != self.client:
            return outputs
        if frame.code == ErrorCode.COUNTER_GAP:
            self._take_back(frame.id.n, now, 1.0)
            if frame.expected is None or frame.expected > frame.id.n or not self._fills(frame.expected):
                return [*outputs, SendFrame(Sync(position=self.position))]
            self._take_back(frame.expected, now, 0.0)
            return [*outputs, *self._pump(now)]
        if frame.code in RETRYABLE:
            self._take_back(frame.id.n, now, 0.5)
            return outputs
        own = self._own(frame.id)
        if own is not None:
            self.pending.remove(own)
            self._view = None
            outputs.append(Rejected(frame.id, frame.code, frame.words, frame.culprit, own.edit))
        return [*outputs, Changed(None)]

    def _fills(self, expected: int) -> bool:
        """Whether the edit that the hub waits for is here and was not sent on this connection."""
        return any(pending.edit.id.n == expected and not pending.sent for pending in self.pending)

    def _pong(self, frame: Pong) -> Outputs:
        """Compare states: a difference is repaired by a snapshot, whatever caused it."""
        if self.position is None or frame.seq != self.position.seq or not self.connected:
            return []
        if frame.checksum == self.confirmed.checksum():
            return []
        self.position = Position(self.position.epoch, self.position.seq, None)
        return [Replaced("diverged", "the state differed from the hub's and is loaded anew"), SendFrame(Sync())]

    def _role_news(self, frame: RoleNews, now: float) -> Outputs:
        self.role, self.read_only = frame.role, frame.read_only
        return [RoleChanged(self.role, self.read_only), *self._pump(now)]

    def _presence_news(self, frame: PresenceNews) -> Outputs:
        for member in frame.members:
            self.members[member.client] = member
        for client, presence in frame.moved.items():
            known = self.members.get(client)
            if known is not None:
                self.members[client] = known.model_copy(update={"presence": presence, "idle": False})
        for client in frame.gone:
            self.members.pop(client, None)
        return [MembersChanged()]

    # Time.

    def tick(self, now: float) -> Outputs:
        """Whatever is due: pings, retries, and giving up a connection that has gone silent."""
        if not self._online:
            return []
        if now - self._heard >= GONE_AFTER:
            return [Reconnect("nothing was heard from the hub for 25 seconds")]
        outputs = self._pump(now)
        if now - self._spoke >= PING_EVERY:
            self._spoke = now
            self._nonce += 1
            outputs.append(SendFrame(Ping(nonce=self._nonce)))
        return outputs

    # Small change.

    def _changed(self, keys: Iterable[FieldKey]) -> Outputs:
        entities = {(key.kind, key.id) for key in keys}
        if not entities:
            return []
        self._view = None
        return [Changed(entities), StatusChanged(self.status)]

    def _set_saving(self, saving: bool, outputs: Outputs) -> None:
        if saving != self.saving:
            self.saving = saving
            outputs.append(StatusChanged(self.status))


def _keys(ops: Iterable[Op]) -> set[FieldKey]:
    """The fields that ops write; a delete or restore counts as its marker."""
    return {key for op in ops for key, _ in writes_of(op, "", 0)}


__all__ = ["Cell", "Happening", "Pending", "Replica"]
