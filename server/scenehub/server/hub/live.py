"""A live room: performs the effects of a pure `Room` on peers, bus and store, and gives their outcomes back to it.

Everything here is synchronous and runs on the loop's thread; what must be awaited is handed to the hub.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from scenehub.protocol.closing import Close as CloseCode
from scenehub.protocol.closing import ComeBack, come_back
from scenehub.protocol.effects import (
    Broadcast,
    BroadcastCommit,
    BroadcastRelay,
    CatchUp,
    Close,
    Condemn,
    Effect,
    Publish,
    Send,
    WantsSave,
)
from scenehub.protocol.ledger import Batch, Caught, Loaded, Verdict
from scenehub.protocol.limits import PING_EVERY
from scenehub.protocol.messages import HubFrame, Reject, SendEdit, State, Welcome
from scenehub.protocol.room import Room

from .fanout import Fanout

if TYPE_CHECKING:
    from .connection import Connection
    from .hub import Hub
    from .observer import Observer


class LiveRoom:
    """A project that is live on this node."""

    def __init__(self, hub: Hub, project: str, loaded: Loaded) -> None:
        self.hub = hub
        self.project = project
        options = hub.options
        self.room = Room(
            project,
            loaded,
            node=options.node,
            generation=hub.generation,
            limits=options.limits,
            wall=hub.wall,
            linked=options.linked,
        )
        self.connections: dict[int, Connection] = {}
        self.fanout = Fanout(self.room.head.seq, lambda flush: hub.loop.call_soon(self.guarded, flush))
        self.dropped = False
        self.idle_since: float | None = hub.now()
        self.taken_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        hub.bus.subscribe(project, self._heard)
        self.perform(self.room.introduce())

    # Effects.

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the room wants, in its order, and have it called when it has something to do."""
        self._do(effects)
        self._arm()

    def attempt(self, step: Callable[[], Iterable[Effect]]) -> None:
        """Let the room take a step. A defect in it costs its members a reconnect, never the node anything."""
        self.guarded(lambda: self.perform(step()))

    def guarded(self, step: Callable[[], object]) -> None:
        """Do something of this room; if that raises, the room is dropped and loaded anew by whoever comes next."""
        if self.dropped:
            return
        try:
            step()
        except Exception:
            self.hub.log.exception("room_failed", project=self.project)
            self.hub.drop(self, CloseCode.INTERNAL, "this room failed and is loaded anew")

    def edit(self, session: int, frame: SendEdit, size: int) -> None:
        """A member wants an edit: the hot path. It changes no deadline of the room."""
        self._do(self.room.edit(session, frame.edit, age_ms=frame.age, size=size, now=self.hub.now()))

    def _do(self, effects: Iterable[Effect]) -> None:
        condemned = False
        for effect in effects:
            match effect:
                case Broadcast():
                    self._broadcast(effect)
                case Publish():
                    self.hub.bus.publish(self.project, effect.event)
                case WantsSave():
                    self.hub.committer.wants(self)
                case Send():
                    self._send(effect.session, effect.frame)
                case Close():
                    self._close(effect)
                case CatchUp():
                    self.hub.catch_up(self, effect)
                case Condemn():
                    self.hub.log.warning("history_replaced", project=self.project, why=effect.why)
                    condemned = True
        if condemned:
            self.hub.drop(self)

    def _broadcast(self, broadcast: Broadcast) -> None:
        if broadcast.droppable:
            self.fanout.say_at_once(broadcast, self.hub.options.limits.presence_outbox_bytes)
        else:
            self.fanout.say(broadcast)
        if self.hub.observer is not None:
            self._observe(self.hub.observer, broadcast)

    def _observe(self, observer: Observer, broadcast: Broadcast) -> None:
        match broadcast:
            case BroadcastRelay():
                observer.relayed(self.project, broadcast.edit, broadcast.actor.user)
            case BroadcastCommit():
                seconds = self.hub.now() - self.taken_at
                observer.saved(self.project, broadcast.last, len(broadcast.rows), seconds)
            case _:
                pass

    def _send(self, session: int, frame: HubFrame) -> None:
        connection = self.connections.get(session)
        if connection is None or connection.lagging_now:
            return
        self.fanout.flush()
        if isinstance(frame, Welcome):
            self.fanout.readers[session] = connection.peer
            if self.hub.observer is not None:
                own = [member for member in frame.members if member.client == frame.client]
                self.hub.observer.joined(self.project, own[0])
        if isinstance(frame, Reject) and self.hub.observer is not None:
            self.hub.observer.rejected(self.project, frame.id, frame.code, frame.words)
        if isinstance(frame, State):
            connection.send_state(frame)
        else:
            connection.send(frame)

    def _close(self, effect: Close) -> None:
        self.fanout.flush()
        self.fanout.leaves(effect.session)
        connection = self.connections.pop(effect.session, None)
        if connection is not None:
            self._observe_left(connection)
            connection.end(effect.code, effect.words, effect.retry_ms)

    def _observe_left(self, connection: Connection) -> None:
        if self.hub.observer is not None:
            self.hub.observer.left(self.project, connection.client)

    def _arm(self) -> None:
        """Have `tick` called when the room has something to do."""
        if self.dropped:
            return
        now = self.hub.now()
        due = self.room.deadline(now)
        if self._timer is not None and self._timer_at <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = self.hub.loop.call_later(max(0.0, due - now), self.tick)

    def tick(self) -> None:
        """Let time pass in the room."""
        self._timer = None
        self.attempt(lambda: self.room.tick(self.hub.now()))

    # Inputs.

    def enter(self, connection: Connection) -> None:
        """A connection belongs to this room from now on."""
        self.connections[connection.session] = connection
        self.idle_since = None

    def leave(self, session: int) -> None:
        """A connection is gone."""
        self.fanout.leaves(session)
        connection = self.connections.pop(session, None)
        if connection is not None:
            self._observe_left(connection)
            self.perform(self.room.leave(session))
        if not self.connections:
            self.idle_since = self.hub.now()

    def ping_silent(self) -> None:
        """Ask those who have not said anything for a while whether they are there (M1)."""
        long_ago = self.hub.now() - PING_EVERY / 2  # asked again as often, so the answer is here before it is idle
        for session in self.room.attendance.sessions.values():
            connection = self.connections.get(session.id)
            if session.heard < long_ago and connection is not None:
                connection.peer.ping()

    def lagging(self, session: int) -> None:
        """A peer is full: nothing that is sent from now on reaches it (M2)."""
        told = self.fanout.lags(session)
        if told is not None:
            self.perform(self.room.lagging(session, told, self.hub.now()))

    def drained(self, session: int) -> None:
        """A peer reads again."""
        connection = self.connections.get(session)
        if connection is not None:
            self.fanout.flush()
            self.fanout.readers[session] = connection.peer
            self.perform(self.room.drained(session, self.hub.now()))

    def _heard(self, event: dict[str, object]) -> None:
        if not self.dropped:
            self.perform(self.room.hear(event, self.hub.now()))

    def take(self) -> Batch | None:
        """The next batch to store."""
        taken: list[Batch | None] = []
        self.guarded(lambda: taken.append(self.room.take(self.hub.now())))
        batch = taken[0] if taken else None
        if batch is not None:
            self.taken_at = self.hub.now()
        return batch

    def caught_up(self, caught: Caught | None) -> None:
        """What the store has beyond this room (None: it could not be asked)."""
        self.attempt(lambda: self.room.caught_up(caught, self.hub.now()))

    def verdict(self, verdict: Verdict) -> None:
        """What became of the batch that was taken."""
        self.attempt(lambda: self.room.verdict(verdict, self.hub.now()))

    # The end.

    def say_bye(self) -> None:
        """Send everybody away, each with another time to come back (N5)."""
        self.fanout.flush()
        for session in list(self.connections):
            retry_ms = random.randint(100, self.hub.options.return_within_ms)
            self.perform(self.room.close(session, CloseCode.STOPPING, "this node is being stopped", retry_ms))

    def drop(self, code: CloseCode, words: str) -> None:
        """Let go of timer, bus and whoever is left."""
        self.dropped = True
        if self._timer is not None:
            self._timer.cancel()
        self.hub.bus.unsubscribe(self.project)
        left, self.connections = self.connections, {}
        self.fanout.readers.clear()
        for connection in left.values():
            retry_ms = 0 if come_back(code) is ComeBack.NO else random.randint(100, 1500)
            connection.end(code, words, retry_ms)
