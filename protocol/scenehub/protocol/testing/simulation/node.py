"""The simulated node: what a hub does around its room, with callbacks where a hub awaits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any

from scenehub.protocol.attendance import Identity
from scenehub.protocol.closing import Close as CloseCode
from scenehub.protocol.codec import client_frame
from scenehub.protocol.edits import EditId, digest_of_raw
from scenehub.protocol.effects import Broadcast, CatchUp, Close, Condemn, Effect, Publish, Send, WantsSave
from scenehub.protocol.errors import ProtocolError
from scenehub.protocol.ledger import Admission, Batch, Caught, Head, Loaded, Verdict
from scenehub.protocol.limits import HEADS_EVERY, Limits
from scenehub.protocol.messages import Bye, Hello, Ping, SendEdit, SendPresence, Sync, Welcome
from scenehub.protocol.room import Room

from .bus import SimulatedBus
from .climate import Climate
from .clock import Clock
from .store import SimulatedStore
from .transcript import Transcript
from .wire import Encoded, Wire

if TYPE_CHECKING:
    from .member import Member


class LiveRoom:
    """A loaded room and the connections that are in it."""

    def __init__(self, room: Room, now: float) -> None:
        self.room = room
        self.wires: dict[int, Wire] = {}
        self.saving = False
        self.idle_since: float | None = now
        self.loaded_at = room.head.seq


class Node:
    """One node, in one life after another."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        chance: Random,
        climate: Climate,
        store: SimulatedStore,
        bus: SimulatedBus,
        transcript: Transcript,
        limits: Limits,
    ) -> None:
        self.name = name
        self.life = 0
        self.alive = False
        self.live: LiveRoom | None = None
        self.limits = limits
        self.crashes = 0
        self._clock = clock
        self._chance = chance
        self._climate = climate
        self._store = store
        self._bus = bus
        self._transcript = transcript
        self._sessions = 0
        self._wires: dict[Wire, None] = {}
        self._loading: list[Callable[[LiveRoom | None], None]] | None = None
        bus.nodes.append(self)

    # Life.

    def start(self) -> None:
        """Begin a life."""
        self.life += 1
        self.alive = True
        self.live = None
        self._loading = None
        self._wires = {}
        self._every(HEADS_EVERY, self._check_head)

    def crash(self) -> None:
        """Lose everything that is in memory; connections break."""
        self._say("crashes")
        self.crashes += 1
        self.alive = False
        self.live = None
        self._loading = None
        for wire in list(self._wires):
            wire.node_open = False
            wire.cut(told_after=0.0)
        self._wires = {}

    def _every(self, seconds: float, deed: Callable[[], None]) -> None:
        life = self.life

        def again() -> None:
            if self.alive and self.life == life:
                deed()
                self._clock.after(seconds, again)

        self._clock.after(self._chance.random() * seconds, again)

    def _say(self, what: str, *more: Any) -> None:
        self._transcript.say(self._clock.now, self.name, what, *more)

    # Connections.

    def accept(self, member: Member) -> Wire | None:
        """A member connects; None when nobody answers."""
        if not self.alive:
            return None
        self._sessions += 1
        wire = Wire(self._clock, self._chance, self._climate, member, self, self._sessions)
        self._wires[wire] = None
        return wire

    def received(self, wire: Wire, frame: Any, size: int) -> None:
        """A frame came."""
        if isinstance(frame, Hello):
            wire.greeted = True
            self._join(wire, frame)
            return
        live, now = self.live, self._clock.now
        if live is None:
            return
        room = live.room
        match frame:
            case SendEdit():
                wire.member.oracle.held(frame.edit.id)
                self.perform(live, room.edit(wire.session, frame.edit, age_ms=frame.age, size=size, now=now))
            case SendPresence():
                self.perform(live, room.presence(wire.session, frame.presence, now))
            case Ping():
                self.perform(live, room.ping(wire.session, frame.nonce, now))
            case Sync():
                self.perform(live, room.sync(wire.session, frame.position, now))
            case _:
                pass

    def received_garbled(self, wire: Wire, raw: dict[str, Any]) -> None:
        """An edit came of which only the id can be read."""
        live = self.live
        if live is None:
            return
        try:
            client_frame(raw)
        except ProtocolError as error:
            id = EditId(*raw["edit"]["id"])
            self.perform(live, live.room.bad_edit(wire.session, id, digest_of_raw(raw), error.refusal, self._clock.now))

    def closed(self, wire: Wire) -> None:
        """A connection is gone."""
        self._wires.pop(wire, None)
        live = self.live
        if live is not None:
            live.wires.pop(wire.session, None)
            self._say("closed", wire.member.name, wire.session)
            self.perform(live, live.room.leave(wire.session))
            self._note_idle(live)

    def lagging(self, wire: Wire) -> None:
        """A reader is full."""
        if self.live is not None and wire.session in self.live.wires:
            self._say("lagging", wire.member.name, wire.last_commit)
            self.perform(self.live, self.live.room.lagging(wire.session, wire.last_commit, self._clock.now))

    def drained(self, wire: Wire) -> None:
        """A reader reads again."""
        if self.live is not None and wire.session in self.live.wires:
            self._say("drained", wire.member.name)
            self.perform(self.live, self.live.room.drained(wire.session, self._clock.now))

    # Joining.

    def _join(self, wire: Wire, hello: Hello) -> None:
        life = self.life

        def loaded(live: LiveRoom | None) -> None:
            if not self._still(life, wire):
                return
            if live is None:
                self._end(wire, CloseCode.STORE_AWAY)
                return
            self._store.admit(hello.client, wire.member.user, hello.position, lambda found: admitted(live, found))

        def admitted(live: LiveRoom, admission: Admission | None) -> None:
            if not self._still(life, wire):
                return
            if admission is None:
                self._end(wire, CloseCode.STORE_AWAY)
            elif self.live is not live:
                self._join(wire, hello)
            else:
                self._say("joins", wire.member.name, wire.session, hello, admission)
                live.wires[wire.session] = wire
                live.idle_since = None
                member = wire.member
                identity = Identity(member.user, member.user, "#112233", member.role)
                self.perform(live, live.room.join(wire.session, hello, identity, admission, self._clock.now))

        self._room(loaded)

    def _still(self, life: int, wire: Wire) -> bool:
        return self.alive and self.life == life and wire.node_open

    def _room(self, then: Callable[[LiveRoom | None], None]) -> None:
        """The live room, loaded once however many ask (N6)."""
        if self.live is not None:
            then(self.live)
            return
        if self._loading is not None:
            self._loading.append(then)
            return
        self._loading = [then]
        life = self.life
        self._store.load(lambda loaded: self._loaded(life, loaded))

    def _loaded(self, life: int, loaded: Loaded | None) -> None:
        if not self.alive or self.life != life:
            return
        waiting, self._loading = self._loading or [], None
        live: LiveRoom | None = None
        if loaded is not None:
            self._say("loads", loaded.head)
            room = Room(
                "p",
                loaded,
                node=self.name,
                generation=f"{self.name}{self.life}",
                limits=self.limits,
                wall=self._clock.wall,
            )
            live = self.live = LiveRoom(room, self._clock.now)
            self.perform(live, room.introduce())
            self._tick(live)
        for then in waiting:
            then(live)

    def _end(self, wire: Wire, code: int) -> None:
        self._wires.pop(wire, None)
        wire.close(code)

    # Effects.

    def perform(self, live: LiveRoom, effects: Iterable[Effect]) -> None:
        """Do what the room wants, in its order."""
        for effect in effects:
            match effect:
                case Send():
                    self._send(live, effect)
                case Broadcast():
                    self._broadcast(live, effect)
                case Publish():
                    self._bus.publish(self, effect.event)
                case WantsSave():
                    self._save_soon(live)
                case CatchUp():
                    self._catch_up(live, effect)
                case Close():
                    self._close(live, effect)
                case Condemn():
                    self._say("condemns its room:", effect.why)
                    self.live = None if self.live is live else self.live

    def _send(self, live: LiveRoom, effect: Send) -> None:
        wire = live.wires.get(effect.session)
        if wire is None:
            return
        if isinstance(effect.frame, Welcome):
            wire.welcomed = True
            wire.member.oracle.there(effect.frame.client)
        wire.down(effect.frame)

    def _broadcast(self, live: LiveRoom, effect: Broadcast) -> None:
        encoded: Encoded = {}
        for session, wire in list(live.wires.items()):
            if session != effect.but and wire.welcomed:
                wire.down(effect.frame, encoded)

    def _close(self, live: LiveRoom, effect: Close) -> None:
        wire = live.wires.pop(effect.session, None)
        if wire is not None:
            self._say("ends", wire.member.name, effect.session, effect.code, effect.words)
            wire.down(Bye(code=effect.code, words=effect.words, retry_ms=effect.retry_ms))
            self._end(wire, effect.code)
        self._note_idle(live)

    def _note_idle(self, live: LiveRoom) -> None:
        if not live.wires:
            live.idle_since = self._clock.now

    # The store.

    def _save_soon(self, live: LiveRoom) -> None:
        if not live.saving:
            live.saving = True
            self._clock.after(0.0, lambda: self._save(live))

    def _save(self, live: LiveRoom) -> None:
        live.saving = False
        if self.live is not live or not self.alive:
            return
        batch = live.room.take(self._clock.now)
        if batch is not None:
            self._commit(live, batch)

    def _commit(self, live: LiveRoom, batch: Batch) -> None:
        life = self.life

        def answer(verdict: Verdict) -> None:
            if self.alive and self.life == life and self.live is live:
                self.perform(live, live.room.verdict(verdict, self._clock.now))

        self._store.commit(batch, answer)

    def _catch_up(self, live: LiveRoom, effect: CatchUp) -> None:
        life = self.life

        def answer(caught: Caught | None) -> None:
            if self.alive and self.life == life and self.live is live:
                self.perform(live, live.room.caught_up(caught, self._clock.now))

        self._store.catch_up(effect.position, effect.clients, answer)

    def _check_head(self) -> None:
        live = self.live
        if live is None:
            return
        life, asked_at = self.life, live.room.head.seq

        def seen(head: Head | None) -> None:
            if head is not None and self.alive and self.life == life and self.live is live:
                self.perform(live, live.room.head_seen(head, asked_at))

        self._store.head(seen)
        idle = live.idle_since
        if idle is not None and live.room.idle and self._clock.now - idle > self._climate.idle_grace:
            self._say("unloads its room")
            self.live = None

    # Time and the bus.

    def _tick(self, live: LiveRoom) -> None:
        if self.live is not live or not self.alive:
            return
        now = self._clock.now
        self.perform(live, live.room.tick(now))
        due = max(live.room.deadline(now), now + 0.02)
        self._clock.at(due, lambda: self._tick(live))

    def heard(self, life: int, event: dict[str, Any]) -> None:
        """An event of another node."""
        if self.alive and self.life == life and self.live is not None:
            self.perform(self.live, self.live.room.hear(event, self._clock.now))

    def bus_is_back(self) -> None:
        """The bus has come back."""
        if self.live is not None:
            self.perform(self.live, self.live.room.introduce())
