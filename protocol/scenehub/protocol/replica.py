"""Replica: the client's half of the protocol, one copy of a project.

It holds *confirmed* state, others' *relayed* edits and own *pending* ones, and computes the view over them. Like the
room it never awaits and has no clock: frames, local edits and the passing of time go in with `now` (seconds,
monotonic), frames to send and happenings come out. It is the custodian of its edits until their commit or reject (E2).

This module takes frames and local edits; `own.py` has the edits that wait, `settling.py` what becomes of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import settling
from .closing import Close as CloseCode
from .closing import ComeBack, come_back
from .document import Document, apply_edit
from .edits import Actor, Edit, EditId, FieldKey, Foundation, Position, Role
from .errors import RETRYABLE, ErrorCode, ProtocolError, Refusal
from .happenings import (
    Changed,
    Choice,
    ErrorHeard,
    Happening,
    MembersChanged,
    Output,
    Reconnect,
    Rejected,
    Replaced,
    RoleChanged,
    SendFrame,
    StatusChanged,
)
from .limits import GONE_AFTER, PING_EVERY, Limits
from .messages import (
    Auth,
    Bye,
    Commit,
    CommitRow,
    Error,
    Hello,
    HubFrame,
    Ping,
    Pong,
    PresenceNews,
    Reject,
    Relay,
    RoleNews,
    SendPresence,
    State,
    Sync,
    Unsaved,
    Welcome,
)
from .notices import Notices
from .ops import Op
from .own import NO_EPOCH, Ground, OwnEdits, Pending
from .planning import CODE, allowed
from .presence import Member, Presence
from .relayed import Relays, keys_of
from .roster import told
from .settling import KEPT, Remembered
from .states import Incoming, cell_of
from .view import View

ASK_AGAIN_AFTER = 3.0
"""Seconds after which an unanswered `sync` is sent again."""
GAP_RETRY = 0.05
REFUSED_RETRY = 0.5
"""Seconds until edits that the hub did not take are sent again: out of order, or too many."""

Outputs = list[Output]


class Replica:
    """A client's copy of one project."""

    def __init__(self, token: str, client_ids: Iterator[str], *, agent: str = "", keep_at_most: int = 10_000) -> None:
        """`client_ids` gives fresh random client ids (128 bits); `keep_at_most` bounds the pending edits."""
        self.token = token
        self.client_ids = client_ids
        self.agent = agent
        self.keep_at_most = keep_at_most
        self.client = next(client_ids)
        self.counter = 0
        self.attempts = 0
        """How many connections this client has opened."""
        self.confirmed = Document()
        self.position: Position | None = None
        self.relays = Relays()
        self.pending: deque[Pending] = deque()
        self.own = OwnEdits(self.pending)
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
        self.remembered: deque[Remembered] = deque(maxlen=KEPT)
        self.resume_from: Position | None = None
        """Where an earlier run of this program was: conflicts since then are told, its state is gone."""
        self.notices = Notices()
        self._incoming = Incoming()
        self._whole = False
        """The confirmed state is known to be wrong: only a snapshot will do."""
        self._asked_at: float | None = None
        self._view: View | None = None
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

    def forget_view(self) -> None:
        """What is shown has changed: compute it when it is asked for."""
        self._view = None

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
        self._incoming = Incoming()
        self._asked_at = None
        self._online = True
        self.attempts += 1
        self.own.none_sent()
        self.own.index()
        position = self.position or self.resume_from
        hello = Hello(
            token=self.token,
            client=self.client,
            counter=self.counter,
            position=position,
            attempt=self.attempts,
            whole=self._whole or (self.position is None and position is not None),
            agent=self.agent,
        )
        return [SendFrame(hello)]

    def closed(self, code: int | None) -> Outputs:
        """The connection is gone; edits wait here until the next one."""
        self.connected = self._online = False
        self.members = {}
        self.relays.clear()
        self.forget_view()
        self.own.none_sent()
        outputs: Outputs = [MembersChanged(), StatusChanged(self.status), Changed(None)]
        if come_back(code) is ComeBack.AFRESH:
            self._whole = True
        if code == CloseCode.CLIENT_ID_TAKEN:
            outputs += settling.renew(self, adrift=False)
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
        """Make an edit: it shows at once and is sent when it can be. Raises ProtocolError if it would be refused."""
        if len(self.pending) >= self.keep_at_most:
            words = f"{self.keep_at_most} edits wait to be saved: no more are kept"
            raise ProtocolError(Refusal(ErrorCode.TOO_MANY_IN_FLIGHT, words))
        if len(ops) > self.limits.ops_per_edit:
            words = f"an edit has {self.limits.ops_per_edit} ops at most: split it"
            raise ProtocolError(Refusal(ErrorCode.TOO_LARGE, words, "ops"))
        if self.connected:
            refusal = allowed(ops, self.role, Actor(user=self.user or "me"))
            if refusal is not None:
                raise ProtocolError(refusal)
        pending = self.make(tuple(ops), now, guarded=guarded, undoes=undoes, run=run)
        changed = Changed({(key.kind, key.id) for key in keys_of(ops)})
        return pending.edit.id, [changed, StatusChanged(self.status), *self._pump(now)]

    def make(
        self,
        ops: tuple[Op, ...],
        now: float,
        *,
        guarded: bool,
        undoes: EditId | None = None,
        run: str | None = None,
        merged_with: Mapping[FieldKey, str] | None = None,
    ) -> Pending:
        """Append an edit to the pending ones; `merged_with` is what it was merged with, if it is a merge."""
        keys = keys_of(ops)
        ground = Ground(NO_EPOCH, 0) if self.position is None else Ground(*self.position[:2])
        if merged_with is None:
            codes = sorted(key for key in keys if key.field == CODE)
            texts = {key: self.view.value(key) or "" for key in codes}
            under = [Foundation(key.id, id) for key in codes if (id := self.view.unsaved_writer(key)) is not None]
            ground = self.own.ground(ops, keys, ground._replace(upon=tuple(under)), self.relays)
        else:
            texts = dict(merged_with)
        id = EditId(self.client, self.counter + 1)
        edit = Edit(id=id, ops=ops, guarded=guarded, undoes=undoes, run=run, **ground._asdict())
        self.counter += 1
        pending = Pending(edit, now, texts)
        self.own.add(pending)
        self._view = None if self._view is None else self._view.over(edit, self.user)
        return pending

    def _pump(self, now: float) -> Outputs:
        """Send what may be sent."""
        if not self.connected or self.read_only:
            return []
        outputs: Outputs = [SendFrame(frame) for frame in self.own.due(now)]
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
            case State():
                return self._state(frame, now)
            case Welcome():
                return self._welcome(frame, now)
            case PresenceNews():
                self.members = told(self.members, frame)
                return [MembersChanged()]
            case Error():
                return self._error(frame, now)
            case RoleNews():
                return self._role_news(frame, now)
            case Bye():
                return [StatusChanged(frame.words)]
            case _:
                return self._heard_on_top(frame, now) if self.connected else []

    def _heard_on_top(self, frame: HubFrame | None, now: float) -> Outputs:
        """A frame that builds upon the state: before the state is here it means nothing, which will bring it."""
        match frame:
            case Relay():
                return self._relay(frame)
            case Commit():
                return self._commit(frame, now)
            case Reject():
                return self._reject(frame, now)
            case Unsaved():
                return self._unsaved(frame, now)
            case Pong():
                return self._pong(frame, now)
            case _:
                return []

    def _welcome(self, frame: Welcome, now: float) -> Outputs:
        self.user, self.role, self.limits = frame.user, frame.role, frame.limits
        self.read_only = False
        self.own.allow(frame.limits, now)
        self.members = {member.client: member for member in frame.members}
        return [RoleChanged(self.role, self.read_only), MembersChanged()]

    def _relay(self, frame: Relay) -> Outputs:
        if frame.edit.id.client == self.client:
            return []
        return self._changed(self.relays.put(frame))

    def _commit(self, frame: Commit, now: float) -> Outputs:
        assert self.position is not None
        if frame.seq > self.position.seq + 1:
            return self._ask(now)
        outputs: Outputs = []
        keys: set[FieldKey] = set()
        for seq, row in enumerate(frame.edits, frame.seq):
            if seq <= self.position.seq:
                continue
            known = self._body(row)
            if known is None:
                return [*outputs, *self._changed(keys), *self._ask(now)]
            keys |= self._confirm(row, *known, seq, outputs)
        self._set_saving(True, outputs)
        return [*outputs, *self._changed(keys), *self._pump(now)]

    def _ask(self, now: float) -> Outputs:
        """Ask for the state, once until it comes; a state that is wrong is asked for as a whole."""
        if self._asked_at is not None and now - self._asked_at < ASK_AGAIN_AFTER:
            return []
        self._asked_at = now
        return [SendFrame(Sync(position=None if self._whole else self.position))]

    def _body(self, row: CommitRow) -> tuple[Edit, str] | None:
        if row.edit is not None and row.actor is not None:
            return row.edit, row.actor.user
        relay = self.relays.get(row.id)
        if relay is not None:
            return relay.edit, relay.actor.user
        own = self.own.find(row.id)
        return None if own is None else (own.edit, self.user)

    def _confirm(self, row: CommitRow, edit: Edit, user: str, seq: int, outputs: Outputs) -> set[FieldKey]:
        """An edit has its seq: it moves from relayed or pending to confirmed."""
        outputs += self.notices.of_commit(row, self.client, self.confirmed, user, seq)
        assert self.position is not None
        keys = set(apply_edit(self.confirmed, edit.ops, row.id, user, seq, row.at))
        for id, cells in (row.restored or {}).items():
            for name, cell in cells.items():
                key = FieldKey("scene", id, name)
                self.confirmed.put(key, cell_of(cell))
                keys.add(key)
        self.position = Position(self.position.epoch, seq, row.id)
        keys |= self.relays.passed(row.id)
        own = self.own.find(row.id)
        if own is not None:
            keys |= own.keys
            outputs += settling.saved(self, own, seq)
        return keys

    def _reject(self, frame: Reject, now: float) -> Outputs:
        outputs: Outputs = []
        keys: set[FieldKey] = set(self.relays.pop(frame.id))
        own = self.own.find(frame.id)
        if own is not None:
            self._set_saving(True, outputs)
            outputs += settling.rejected(self, own, frame, now)
            keys |= own.keys
        return [*outputs, *self._changed(keys), *self._pump(now)]

    # State.

    def _state(self, frame: State, now: float) -> Outputs:
        parts = self._incoming.add(frame)
        if parts is None:
            return []
        if frame.reason == "delta" and not self._continues(frame):
            self._asked_at = None
            self._whole = self._whole or self.position is None
            return self._ask(now)
        self._replace(parts)
        outputs: Outputs = [Replaced(frame.reason, frame.why)]
        if frame.outcomes is not None:
            outputs += settling.settle(self, frame, frame.outcomes, now)
        if self._presence is not None:
            outputs += self.presence(self._presence, now)
        return [*outputs, Changed(None), StatusChanged(self.status), *self._pump(now)]

    def _continues(self, delta: State) -> bool:
        """Whether a delta builds upon what is confirmed here."""
        here = self.position
        if here is None or self._whole or here.epoch != delta.position.epoch:
            return False
        return delta.since is None or delta.since <= here.seq <= delta.position.seq

    def _replace(self, parts: Sequence[State]) -> None:
        """Take a state: it replaces the fields it names and the whole set of relays (E3)."""
        last = parts[-1]
        if last.reason == "snapshot":
            self.confirmed = Document()
            self._whole = False
        for part in parts:
            for kind, id, cells in part.entities:
                self.confirmed.take(kind, id, {name: cell_of(cell) for name, cell in cells.items()})
        self.position = Position(*last.position)
        self.relays.replace(relay for relay in last.relays if relay.edit.id.client != self.client)
        self.connected = True
        self.saving = last.saving
        self._asked_at = None
        self.forget_view()

    # Everything else that the hub says.

    def _unsaved(self, frame: Unsaved, now: float) -> Outputs:
        outputs: Outputs = []
        keys: set[FieldKey] = set()
        own: list[int] = []
        for id in frame.ids:
            keys |= self.relays.pop(id)
            if id.client == self.client:
                own.append(id.n)
        if own:
            self.own.take_back(min(own), now + (frame.retry_ms or 1000) / 1000)
        if frame.held or own:
            self._set_saving(False, outputs)
        elif not frame.ids:
            self.own.retry_at = None
            self._set_saving(True, outputs)
        return [*outputs, *self._changed(keys), *self._pump(now)]

    def _error(self, frame: Error, now: float) -> Outputs:
        outputs: Outputs = [ErrorHeard(frame)]
        if frame.code == ErrorCode.CLIENT_ID_TAKEN:
            return [*outputs, *settling.renew(self, adrift=False)]
        if frame.id is None or frame.id.client != self.client:
            return outputs
        if frame.code == ErrorCode.COUNTER_GAP:
            return [*outputs, *self._gap(frame.id.n, frame.expected, now)]
        if frame.code in RETRYABLE:
            self.own.take_back(frame.id.n, now + REFUSED_RETRY)
            return outputs
        own = self.own.find(frame.id)
        if own is not None:
            self.own.drop(own)
            self.forget_view()
            outputs.append(Rejected(frame.id, frame.code, frame.words, frame.culprit, own.edit))
        return [*outputs, Changed(None)]

    def _gap(self, n: int, expected: int | None, now: float) -> Outputs:
        """The hub waits for an earlier edit: send again from there, or ask what became of it."""
        first = self.pending[0].edit.id.n if self.pending else n
        self.own.take_back(n if expected is None else min(expected, n), now + GAP_RETRY)
        return self._ask(now) if expected is None or expected < first else []

    def _pong(self, frame: Pong, now: float) -> Outputs:
        """Compare states: a difference is repaired by a snapshot, whatever caused it."""
        if self.position is None or frame.seq != self.position.seq or self._whole:
            return []
        if frame.checksum == self.confirmed.checksum():
            return []
        self._whole = True
        self._asked_at = None
        return [Replaced("diverged", "the state differed from the hub's and is loaded anew"), *self._ask(now)]

    def _role_news(self, frame: RoleNews, now: float) -> Outputs:
        self.role, self.read_only = frame.role, frame.read_only
        return [RoleChanged(self.role, self.read_only), *self._pump(now)]

    # Time.

    def tick(self, now: float) -> Outputs:
        """Whatever is due: pings, retries, and giving up a connection that has gone silent."""
        if not self._online:
            return []
        if now - self._heard >= GONE_AFTER:
            return [Reconnect("nothing was heard from the hub for 25 seconds")]
        outputs = self._pump(now)
        if self._asked_at is not None:
            outputs += self._ask(now)
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
        self.forget_view()
        return [Changed(entities), StatusChanged(self.status)]

    def _set_saving(self, saving: bool, outputs: Outputs) -> None:
        if saving != self.saving:
            self.saving = saving
            outputs.append(StatusChanged(self.status))


__all__ = ["Happening", "Outputs", "Pending", "Replica"]
