"""A live room: performs the effects of a pure `Room` on peers, bus and store, and gives their outcomes back to it.

Everything here is synchronous and runs on the loop's thread; what must be awaited is handed to the hub.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import TYPE_CHECKING

from scenehub.protocol.closing import Close as CloseCode
from scenehub.protocol.codec import Flavour, pack
from scenehub.protocol.effects import Broadcast, CatchUp, Close, Condemn, Effect, Publish, Send, WantsSave
from scenehub.protocol.ledger import Batch, Caught, Loaded, Verdict
from scenehub.protocol.messages import Bye, Commit, HubFrame, Reject, Relay, Welcome
from scenehub.protocol.room import Room
from scenehub.server.transport.port import Peer

if TYPE_CHECKING:
    from .connection import Connection
    from .hub import Hub

Bytes = dict[tuple[Flavour, type], bytes]
"""A frame's bytes by flavour and class of peer: encoded once for all."""


class LiveRoom:
    """A project that is live on this node."""

    def __init__(self, hub: Hub, project: str, loaded: Loaded) -> None:
        self.hub = hub
        self.project = project
        options = hub.options
        self.room = Room(
            project, loaded, node=options.node, generation=hub.generation, limits=options.limits, wall=hub.wall
        )
        self.connections: dict[int, Connection] = {}
        self._reading: dict[int, Peer] = {}
        """The peers that keep up."""
        self.told = self.room.head.seq
        """The seq of the last commit that was sent to everyone who keeps up."""
        self.dropped = False
        self.idle_since: float | None = hub.now()
        self.taken_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        hub.bus.subscribe(project, self._heard)
        self.perform(self.room.introduce())

    # Effects.

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the room wants, in its order."""
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
                    self.hub.drop(self)
        self._arm()

    def _broadcast(self, effect: Broadcast) -> None:
        frame = effect.frame
        wire = frame.wire()
        packed: Bytes = {}
        most_waiting = self.hub.options.limits.presence_outbox_bytes if effect.droppable else None
        but = effect.but
        # A peer that lags in the middle of this leaves `_reading`: hence the copy.
        for session, peer in list(self._reading.items()):
            if session == but or (most_waiting is not None and peer.waiting > most_waiting):
                continue
            key = (peer.flavour, type(peer))
            framed = packed.get(key)
            if framed is None:
                framed = packed[key] = peer.framed(pack(wire, peer.flavour))
            peer.send(framed)
        if isinstance(frame, Commit):
            self.told = frame.seq + len(frame.edits) - 1
        if self.hub.observer is not None:
            self._observe(frame)

    def _observe(self, frame: HubFrame) -> None:
        observer = self.hub.observer
        if observer is None:
            return
        match frame:
            case Relay():
                observer.relayed(self.project, frame.edit, frame.actor.user)
            case Commit():
                seconds = self.hub.now() - self.taken_at
                observer.saved(self.project, frame.seq + len(frame.edits) - 1, len(frame.edits), seconds)
            case _:
                pass

    def _send(self, session: int, frame: HubFrame) -> None:
        connection = self.connections.get(session)
        if connection is None or connection.lagging_now:
            return
        if isinstance(frame, Welcome):
            self._reading[session] = connection.peer
            if self.hub.observer is not None:
                own = [member for member in frame.members if member.client == frame.client]
                self.hub.observer.joined(self.project, own[0])
        if isinstance(frame, Reject) and self.hub.observer is not None:
            self.hub.observer.rejected(self.project, frame.code, frame.words)
        connection.send(frame)

    def _close(self, effect: Close) -> None:
        self._reading.pop(effect.session, None)
        connection = self.connections.pop(effect.session, None)
        if connection is not None:
            connection.end(effect.code, effect.words, effect.retry_ms)

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
        if not self.dropped:
            self.perform(self.room.tick(self.hub.now()))

    # Inputs.

    def enter(self, connection: Connection) -> None:
        """A connection belongs to this room from now on."""
        self.connections[connection.session] = connection
        self.idle_since = None

    def leave(self, session: int) -> None:
        """A connection is gone."""
        self._reading.pop(session, None)
        if self.connections.pop(session, None) is not None:
            if self.hub.observer is not None:
                self.hub.observer.left(self.project, "")
            self.perform(self.room.leave(session))
        if not self.connections:
            self.idle_since = self.hub.now()

    def lagging(self, session: int) -> None:
        """A peer is full: nothing that is sent from now on reaches it (M2)."""
        if self._reading.pop(session, None) is not None:
            self.perform(self.room.lagging(session, self.told, self.hub.now()))

    def drained(self, session: int) -> None:
        """A peer reads again."""
        connection = self.connections.get(session)
        if connection is not None:
            self._reading[session] = connection.peer
            self.perform(self.room.drained(session, self.hub.now()))

    def _heard(self, event: dict[str, object]) -> None:
        if not self.dropped:
            self.perform(self.room.hear(event, self.hub.now()))

    def take(self) -> Batch | None:
        """The next batch to store."""
        batch = None if self.dropped else self.room.take(self.hub.now())
        if batch is not None:
            self.taken_at = self.hub.now()
        return batch

    def caught_up(self, caught: Caught | None) -> None:
        """What the store has beyond this room (None: it could not be asked)."""
        if not self.dropped:
            self.perform(self.room.caught_up(caught, self.hub.now()))

    def verdict(self, verdict: Verdict) -> None:
        """What became of the batch that was taken."""
        if not self.dropped:
            self.perform(self.room.verdict(verdict, self.hub.now()))

    # The end.

    def say_bye(self) -> None:
        """Send everybody away, each with another time to come back (N5)."""
        for session, connection in list(self.connections.items()):
            retry_ms = random.randint(100, self.hub.options.return_within_ms)
            connection.send(Bye(code=CloseCode.STOPPING, words="this node is being stopped", retry_ms=retry_ms))
            self.perform(self.room.close(session, CloseCode.STOPPING, "this node is being stopped", retry_ms))

    def drop(self) -> None:
        """Let go of timer, bus and whoever is left."""
        self.dropped = True
        if self._timer is not None:
            self._timer.cancel()
        self.hub.bus.unsubscribe(self.project)
        for connection in list(self.connections.values()):
            connection.end(CloseCode.STOPPING, "this room was closed", 1000)
        self.connections.clear()
        self._reading.clear()
