"""Room: the hub's half of the protocol, for one project on one node.

A room never awaits and has no clock: sessions, verdicts of the store, events of the bus and the passing of time go in
as method calls with `now` (seconds, monotonic), effects come out in the order in which they must be performed. This
module takes edits and members; `saving.py` has what the store answers, `gossip.py` what other nodes say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from . import gossip, joining, rebalancing, saving
from .attendance import Attendance, Identity, Session
from .clients import Client, Counters
from .closing import Close as CloseCode
from .document import SCENE, Document, scenes_of
from .edits import Actor, Edit, EditId, Position, Role, digest_of
from .effects import Broadcast, BroadcastRelay, CatchUp, Close, Condemn, Effect, Publish, Send, WantsSave
from .errors import ErrorCode, Refusal
from .events import Event, Speaker
from .foreign import ForeignRelays
from .joining import Parked
from .ledger import Admission, Batch, Caught, Committed, Head, Loaded, Verdict
from .limits import CONFLICTS_KEPT, EXPIRED_GRACE, HELD_AT_MOST, SLOW_AT_MOST, Limits
from .messages import (
    Error,
    Hello,
    Notice,
    Pong,
    PresenceNews,
    Reject,
    RoleNews,
    Unsaved,
)
from .order import LONG_KEY
from .planning import Plan, allowed
from .presence import Presence
from .queue import Entry, Queue, is_old

Effects = list[Effect]
WANTS_SAVE = WantsSave()


class Room:
    """One project, live on one node. Built from what the store loaded; dropped after `Condemn`."""

    def __init__(
        self,
        project: str,
        loaded: Loaded,
        *,
        node: str,
        generation: str,
        limits: Limits,
        wall: Callable[[float], int],
        linked: bool = True,
    ) -> None:
        """`wall` turns `now` into milliseconds UTC; `generation` names this life of the node.

        `linked` says whether there may be other nodes: without, nobody is told of edits and commits.
        """
        self.project = project
        self.head: Head = loaded.head
        self.document: Document = loaded.document
        self.at = loaded.at
        self.limits = limits
        self.wall = wall
        self.linked = linked
        self.speaker = Speaker(node, generation)
        self.attendance = Attendance()
        self.clients: dict[str, Client] = {}
        self.counters = Counters(self.document)
        self.doubted: set[str] = set()
        """Clients of which a later edit committed elsewhere before the outcomes of earlier ones were known here."""
        self.conflicts: deque[Notice] = deque(maxlen=CONFLICTS_KEPT)
        """The latest overwritten writes, for members that could not be told at once (O3)."""
        self.foreign = ForeignRelays()
        self.queue = Queue(self.document, limits)
        self.queue.start(self.head.seq, self.at)
        self.parked: list[Parked] = []
        self.catching_up = False
        self.behind = False
        """Something says that the store is further than this room."""
        self.asked_about: set[str] = set()
        """Clients whose rows the next catch-up must bring."""
        self.asked: tuple[str, ...] = ()
        """Clients whose rows the catch-up under way will bring."""
        self.heard_commits: list[list[Committed]] = []
        """Commits of other nodes that came while a batch was in flight."""
        self.misses = 0
        self.batch_limit: int | None = None
        self.away_since: float | None = None
        self.retry_at: float | None = None
        self.failures = 0
        self.lease_at = 0.0
        self.long_keys = any(len(scene.position) > LONG_KEY for scene in scenes_of(self.document.living(SCENE)))
        """A scene's key has grown long: all get new ones (O6)."""
        self.system_client = rebalancing.client_of(node, generation, self.head.seq)
        self.acted = 0
        """The counter of the room's own edits."""
        self.condemned = False

    # Joining and leaving.

    def join(self, session_id: int, hello: Hello, identity: Identity, admission: Admission, now: float) -> Effects:
        """A client that the store has admitted says hello: welcome and state, or a close that says why not.

        The admission must have been read after this room was loaded.
        """
        return joining.join(self, session_id, hello, identity, admission, now)

    def welcome_parked(self, now: float) -> Effects:
        """Welcome those whose state the room has reached by now."""
        return joining.welcome_parked(self, now)

    def state(self, session: Session, position: Position | None, why: str) -> Effects:
        """A delta from a position, or a snapshot; with all outstanding relays and the client's outcomes (E3)."""
        return joining.state(self, session, position, why)

    def forget_session(self, session_id: int) -> Session | None:
        """Remove a session without telling anybody."""
        self.parked = [parked for parked in self.parked if parked.session.id != session_id]
        session = self.attendance.leave(session_id)
        if session is not None:
            self.forget_client(session.client)
        return session

    def leave(self, session_id: int) -> Effects:
        """A connection is gone. Its queued edits stay; a superseded session is no news (M5)."""
        session = self.forget_session(session_id)
        return [] if session is None else self._gone(session)

    def _gone(self, session: Session) -> Effects:
        """Members hear that a session ended, unless its client has another one."""
        client = session.client
        if not session.joined or client in self.attendance.clients:
            return []
        elsewhere = self.attendance.remote.get(client)
        news = PresenceNews(gone=(client,)) if elsewhere is None else PresenceNews(members=(elsewhere.member,))
        return [Broadcast(news), Publish(self.speaker.gone([client]))]

    def forget_client(self, client: str) -> None:
        """Drop what is known of a client that has neither a session nor a queued edit."""
        known = self.clients.get(client)
        if known is not None and known.taken == known.done and client not in self.attendance.clients:
            del self.clients[client]

    def close(self, session_id: int, code: CloseCode, words: str, retry_ms: int = 0) -> Effects:
        """End a session from the hub's side."""
        session = self.forget_session(session_id)
        if session is None:
            return []
        return [Close(session_id, code, words, retry_ms), *self._gone(session)]

    # Edits.

    def edit(self, session_id: int, edit: Edit, *, age_ms: int, size: int, now: float) -> Effects:
        """A member wants an edit: take it, or refuse it with a typed error (O7, E1)."""
        session = self._alive(session_id, now)
        if session is None:
            return []
        refused: Refusal | None = None
        if size > self.limits.edit_bytes:
            refused = Refusal(
                ErrorCode.TOO_LARGE, f"an edit has {self.limits.edit_bytes} bytes at most: split it", "ops"
            )
        elif len(edit.ops) > self.limits.ops_per_edit:
            refused = Refusal(ErrorCode.TOO_LARGE, f"an edit has {self.limits.ops_per_edit} ops at most", "ops")
        return self._take(session, edit.id, edit, digest_of(edit), refused, age_ms, size, now)

    def bad_edit(self, session_id: int, id: EditId, digest: bytes, refusal: Refusal, now: float) -> Effects:
        """A member sent an edit whose id could be read and whose body not: it is rejected in its turn (O7)."""
        session = self._alive(session_id, now)
        if session is None:
            return []
        return self._take(session, id, None, digest, refusal, 0, 256, now)

    def _take(
        self,
        session: Session,
        id: EditId,
        edit: Edit | None,
        digest: bytes,
        refused: Refusal | None,
        age_ms: int,
        size: int,
        now: float,
    ) -> Effects:
        client = self.clients[session.client]
        if id.client != session.client:
            return [_error(session, ErrorCode.INVALID, "an edit's id starts with the client of its session", id)]
        if id.n <= client.taken:
            return self._again(session, client, id, digest, now)
        if id.n > client.taken + 1:
            words = f"the next edit of this client has the counter {client.taken + 1}"
            return [_error(session, ErrorCode.COUNTER_GAP, words, id, client.taken + 1)]
        if (blocked := self._blocked(session, client, id, size, now)) is not None:
            return [blocked]
        if refused is None and edit is not None:
            refused = allowed(edit.ops, session.identity.role, session.actor)
        actor = (
            session.actor if edit is None or edit.run is None else session.actor.model_copy(update={"run": edit.run})
        )
        entry = Entry(id, edit, actor, digest, size, now, session.id, is_old(age_ms, actor), refused)
        client.taken = id.n
        return self._enqueue(entry, now)

    def _blocked(self, session: Session, client: Client, id: EditId, size: int, now: float) -> Send | None:
        """Reasons not to take an edit now; it stays its author's and may be sent again."""
        if session.read_only:
            return _error(session, ErrorCode.READ_ONLY, "your token has expired: send a new one with `auth`", id)
        if client.taken - client.done >= self.limits.in_flight:
            words = f"{self.limits.in_flight} edits may wait for their outcome: wait for some"
            return _error(session, ErrorCode.TOO_MANY_IN_FLIGHT, words, id)
        if not session.edits.take(now):
            words = f"{self.limits.edits_per_second} edits a second are allowed: slow down"
            return _error(session, ErrorCode.RATE_LIMITED, words, id)
        if client.done < self.counters.of(session.client):
            words = "what became of earlier edits is being looked up: send this one again"
            return _error(session, ErrorCode.TOO_MANY_IN_FLIGHT, words, id)
        if self.queue.bytes + size > self.limits.room_queue_bytes or self.handing_back(now):
            return Send(session.id, Unsaved(ids=(id,), held=False, why=ErrorCode.STORE_AWAY, retry_ms=2000))
        return None

    def handing_back(self, now: float) -> bool:
        """Whether the store is away for so long that new edits are not held any more (N4)."""
        return self.away_since is not None and now - self.away_since >= HELD_AT_MOST

    def _enqueue(self, entry: Entry, now: float) -> Effects:
        self.queue.add(entry, self.head.epoch, self.wall(now))
        effects: Effects = []
        if self.foreign.relays:
            entry.relayed = bool(self.foreign.drop([entry.id]))
        if isinstance(entry.decision, Plan) and entry.edit is not None:
            if not entry.relayed:
                effects.append(BroadcastRelay(entry.edit, entry.actor, entry.session))
            entry.relayed = True
            if self.linked:
                effects.append(Publish(self.speaker.relay(entry.edit, entry.actor)))
        effects.append(WANTS_SAVE)
        return effects

    def _again(self, session: Session, client: Client, id: EditId, digest: bytes, now: float) -> Effects:
        """An edit that was sent before: the same outcome, or none yet; another body is another client's (E1)."""
        queued = self.queue.find(id) if id.n > client.done else None
        known = queued.digest if queued is not None else client.digests.get(id.n)
        if known is not None and known != digest:
            words = "this client id has used this counter for another edit: take a new client id"
            return [_error(session, ErrorCode.CLIENT_ID_TAKEN, words, id)]
        if queued is not None:
            queued.session = session.id
            return []
        reject = client.rejects.get(id.n)
        if reject is not None:
            return [Send(session.id, Reject(id=id, code=reject.code, words=reject.words))]
        if not session.syncs.take(now):
            return [_error(session, ErrorCode.RATE_LIMITED, "too many edits that have their outcome: slow down", id)]
        return self.state(session, self.head.position, "asked")

    def act(self, edit: Edit, actor: Actor, now: float) -> Effects:
        """An edit by the hub itself (system, brain, HTTP); its client's counters are contiguous like everyone's."""
        client = self.clients.setdefault(edit.id.client, Client(actor.user, edit.id.n - 1, edit.id.n - 1))
        client.taken = edit.id.n
        return self._enqueue(Entry(edit.id, edit, actor, digest_of(edit), 256, now, None), now)

    # Presence and the rest.

    def presence(self, session_id: int, presence: Presence, now: float) -> Effects:
        """A member says where it is (M1); too much of it is dropped."""
        session = self._alive(session_id, now)
        if session is None or not session.moves.take(now):
            return []
        if session.identity.role is Role.VIEWER:
            words = "a viewer is seen by name only: ask an owner for more"
            return [Send(session_id, Error(code=ErrorCode.FORBIDDEN, words=words))]
        session.presence = presence
        self.attendance.move(session.client, presence, now, own=True)
        return self._awake(session_id)

    def ping(self, session_id: int, nonce: int, now: float) -> Effects:
        """A sign of life, answered with the checksum of what was sent so far."""
        session = self._alive(session_id, now)
        if session is None:
            return []
        pong = Pong(nonce=nonce, seq=self.head.seq, checksum=self.document.checksum(), at=self.wall(now))
        return [Send(session_id, pong)]

    def sync(self, session_id: int, position: Position | None, now: float) -> Effects:
        """A member has found a hole or a difference in what it knows."""
        session = self._alive(session_id, now)
        if session is None:
            return []
        if not session.syncs.take(now):
            return [Send(session_id, Error(code=ErrorCode.RATE_LIMITED, words="too many syncs: wait a second"))]
        if position is not None and (position.epoch != self.head.epoch or position.seq > self.head.seq):
            position = None
        return self.state(session, position, "asked")

    def auth(self, session_id: int, identity: Identity, now: float) -> Effects:
        """A member brings a newer token (M4)."""
        session = self._alive(session_id, now)
        if session is None:
            return []
        if identity.user != session.identity.user:
            return self.close(session_id, CloseCode.TOKEN_INVALID, "the new token is of another user")
        session.become(identity)
        session.read_only = False
        return [
            Send(session_id, RoleNews(role=identity.role, token_ms=session.token_ms(now))),
            Broadcast(PresenceNews(members=(session.member,)), but=session_id),
            Publish(self.speaker.members([(session.generation, session.member)])),
        ]

    def alive(self, session_id: int, now: float) -> Effects:
        """Any sign of life of a connection that is not a frame."""
        self._alive(session_id, now)
        return self._awake(session_id)

    def _alive(self, session_id: int, now: float) -> Session | None:
        session = self.attendance.sessions.get(session_id)
        if session is None or not session.joined:
            return None
        session.heard = now
        return session

    def _awake(self, session_id: int) -> Effects:
        session = self.attendance.sessions.get(session_id)
        if session is None or not session.idle:
            return []
        session.idle = False
        return [
            Broadcast(PresenceNews(members=(session.member,)), but=session_id),
            Publish(self.speaker.members([(session.generation, session.member)])),
        ]

    # Slow readers (M2).

    def lagging(self, session_id: int, since: int, now: float) -> Effects:
        """A reader's outbox is full; `since` is the seq of the last commit that was queued for it."""
        session = self.attendance.sessions.get(session_id)
        if session is not None and session.lagging_since is None:
            session.lagging_since = now
            session.lag_seq = since
        return []

    def drained(self, session_id: int, now: float) -> Effects:
        """The reader reads again: one delta brings it up to date."""
        session = self.attendance.sessions.get(session_id)
        if session is None or session.lagging_since is None:
            return []
        session.lagging_since = None
        if not session.joined:
            return []
        members = PresenceNews(members=tuple(self.attendance.members()), whole=True)
        session.heard = now
        position = Position(self.head.epoch, session.lag_seq, None)
        return [*self.state(session, position, "asked"), Send(session_id, members)]

    # Time.

    def tick(self, now: float) -> Effects:
        """Whatever is due: call it at `deadline` or more often."""
        return [
            *self._flush_presence(now),
            *self._police(now),
            *saving.tick(self, now),
            *gossip.tick(self, now),
            *rebalancing.tick(self, now),
        ]

    def deadline(self, now: float) -> float:
        """When `tick` has something to do next, in the time of `now`."""
        flush = self.attendance.flush_at
        times = [self.lease_at, now + 1.0]
        if flush is not None:
            times.append(flush)
        if self.retry_at is not None:
            times.append(self.retry_at)
        return min(times)

    def _flush_presence(self, now: float) -> Effects:
        if self.attendance.flush_at is None or now < self.attendance.flush_at:
            return []
        moved, own = self.attendance.take_moves()
        effects: Effects = [Broadcast(PresenceNews(moved=moved), droppable=True)] if moved else []
        return [*effects, Publish(self.speaker.moved(own))] if own else effects

    def _police(self, now: float) -> Effects:
        idle, gone = self.attendance.silent(now)
        effects: Effects = []
        for session in gone:
            effects += self.close(session.id, CloseCode.SILENT, "nothing was heard for 25 seconds")
        if members := tuple(session.member for session in idle if session.joined):
            effects.append(Broadcast(PresenceNews(members=members)))
            effects.append(Publish(self.speaker.members([(s.generation, s.member) for s in idle if s.joined])))
        for session in list(self.attendance.sessions.values()):
            if session.lagging_since is not None and now - session.lagging_since >= SLOW_AT_MOST:
                effects += self.close(session.id, CloseCode.TOO_SLOW, "the connection could not keep up", 1000)
            else:
                effects += self._check_token(session, now)
        return effects

    def _check_token(self, session: Session, now: float) -> Effects:
        expires = session.identity.expires
        if expires is None or now < expires:
            return []
        if now >= expires + EXPIRED_GRACE:
            return self.close(session.id, CloseCode.TOKEN_EXPIRED, "the token has expired: come back with a new one")
        if session.read_only:
            return []
        session.read_only = True
        words = "your token has expired: you can read until a new one comes with `auth`"
        return [Send(session.id, RoleNews(role=session.identity.role, read_only=True, words=words))]

    # The store and the other nodes.

    def take(self, now: float) -> Batch | None:
        """The next batch to store, if there is one and none is in flight; answered with `verdict`."""
        return saving.take(self, now)

    def verdict(self, verdict: Verdict, now: float) -> Effects:
        """What became of the batch that was taken."""
        return saving.verdict(self, verdict, now)

    def caught_up(self, caught: Caught | None, now: float) -> Effects:
        """The answer to `CatchUp`; None when the store could not be asked."""
        return saving.caught_up(self, caught, now)

    def hear(self, event: Event, now: float) -> Effects:
        """An event of another node."""
        return gossip.hear(self, event, now)

    def head_seen(self, head: Head, asked_at: int) -> Effects:
        """The periodic check of heads (N3); `asked_at` is the seq that the room had when the store was asked."""
        return gossip.head_seen(self, head, asked_at)

    def introduce(self) -> Effects:
        """Tell the other nodes who is here and ask who is there: at the start, and when the bus is back."""
        return gossip.introduce(self)

    def catch_up(self, *clients: str) -> Effects:
        """Ask the store for what this room has missed and how these clients stand, unless that is under way.

        While a batch is in flight the question waits for its verdict: the answer would overtake it.
        """
        self.asked_about.update(clients)
        if self.catching_up or self.condemned or self.queue.saving:
            self.behind = True
            return []
        self.catching_up = True
        self.behind = False
        about = self.asked_about | self.doubted | {entry.id.client for entry in self.queue.entries}
        self.asked_about.clear()
        self.asked = tuple(sorted(about))
        return [CatchUp(self.head.position, self.asked)]

    def condemn(self, why: str) -> Effects:
        """History was replaced: everybody starts afresh, on a room that is loaded anew (O1)."""
        if self.condemned:
            return []
        self.condemned = True
        sessions = list(self.attendance.sessions)
        for session_id in sessions:
            self.forget_session(session_id)
        held = [entry.id for entry in self.queue.entries if entry.relayed]
        withdrawn: Effects = [Publish(self.speaker.withdraw(held))] if held else []
        return [*(joining.afresh(session_id) for session_id in sessions), *withdrawn, Condemn(why)]

    @property
    def idle(self) -> bool:
        """Whether nobody is here and nothing waits."""
        return not self.attendance.sessions and not self.queue.entries and not self.catching_up


def _error(session: Session, code: ErrorCode, words: str, id: EditId, expected: int | None = None) -> Send:
    return Send(session.id, Error(code=code, words=words, id=id, expected=expected))
