"""The simulated member: a replica, its connection, what it keeps on disk, and what it was told of its edits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

from scenehub.protocol import keeping
from scenehub.protocol.closing import Close as CloseCode
from scenehub.protocol.closing import ComeBack, come_back
from scenehub.protocol.edits import EditId, Role
from scenehub.protocol.errors import ErrorCode, ProtocolError
from scenehub.protocol.happenings import Output, Reconnect, SendFrame
from scenehub.protocol.messages import Bye, HubFrame, SendEdit
from scenehub.protocol.ops import Op
from scenehub.protocol.replica import Replica

from .clock import Clock
from .transcript import Transcript
from .wire import Wire

if TYPE_CHECKING:
    from .node import Node
    from .oracle import Oracle

TICK = 0.25


class Member:
    """A program that edits; it may end and start again, with or without what it kept."""

    def __init__(
        self,
        name: str,
        role: Role,
        clock: Clock,
        chance: Random,
        nodes: Sequence[Node],
        oracle: Oracle,
        transcript: Transcript,
    ) -> None:
        self.name = name
        self.user = f"user-{name}"
        self.role = role
        self.oracle = oracle
        self.wire: Wire | None = None
        self.running = False
        self.hurry = False
        self.replica: Replica
        self.garbled: set[EditId] = set()
        """Edits that this member's program always sends with a kind of op that nobody knows."""
        self.old: set[EditId] = set()
        """Edits that it says it made long ago."""
        self._clock = clock
        self._chance = chance
        self._nodes = nodes
        self._transcript = transcript
        self._ids = (f"{name}-{number}" for number in count(1))
        self._retry_ms = 0
        self._tries = 0
        self._connecting = False
        self._kept: str | None = None

    @property
    def now(self) -> float:
        """Virtual time in seconds."""
        return self._clock.now

    def _say(self, what: str, *more: Any) -> None:
        self._transcript.say(self._clock.now, self.name, what, *more)

    # Program.

    def start(self) -> None:
        """Run the program: as the client that was kept, if one was."""
        kept = None if self._kept is None else keeping.read(json.loads(self._kept))
        ids: Iterator[str] = self._ids
        self.replica = Replica("token", ids, agent="simulation")
        if kept is not None:
            keeping.load(self.replica, kept, self._clock.now, self._clock.wall(self._clock.now))
        self.running = True
        self._say("starts as", self.replica.client)
        self.oracle.started(self)
        self._connect_in(0.0)
        self._tick(self.replica)

    def vanish(self, *, keeps: bool, told_after: float) -> None:
        """End without a word; the node hears of it later."""
        now = self._clock.now
        self._kept = json.dumps(keeping.dump(self.replica, now, self._clock.wall(now))) if keeps else None
        if not keeps:
            self.oracle.forgot(self)
        self.running = self._connecting = False
        self._say("vanishes", "keeping its edits" if keeps else "forgetting everything")
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.member_open = False
            wire.cut(told_after=told_after)

    def _tick(self, replica: Replica) -> None:
        if self.running and self.replica is replica:
            self.do(replica.tick(self._clock.now))
            self._clock.after(TICK, lambda: self._tick(replica))

    # Connection.

    def _connect_in(self, delay: float) -> None:
        if self._connecting:
            return
        self._connecting = True
        replica = self.replica

        def connect() -> None:
            if self.replica is not replica or not self.running:
                return
            self._connecting = False
            wire = self._chance.choice(self._nodes).accept(self)
            if wire is None:
                self._tries += 1
                self._connect_in(self._chance.uniform(0.1, 0.5))
                return
            self.wire = wire
            self._say("connects to", wire.node.name, wire.session)
            self.do(replica.open(self._clock.now))

        self._clock.after(delay, connect)

    def take_over(self, told_after: float) -> None:
        """Open another connection without closing this one: the node hears of the older one's end later (M5)."""
        wire, self.wire = self.wire, None
        if wire is None:
            return
        self._say("leaves", wire.session, "behind")
        wire.member_open = False
        wire.cut(told_after=told_after)
        self.do(self.replica.closed(None))
        self._connect_in(self._chance.random() * 0.2)

    def closed(self, wire: Wire, code: int | None) -> None:
        """A connection is gone."""
        if wire is not self.wire or not self.running:
            return
        self.wire = None
        self._say("loses its connection", code)
        if code == CloseCode.SUPERSEDED:
            self.oracle.broken("M5", f"{self.name}'s living session was taken for an older one")
        self.do(self.replica.closed(code))
        if code is not None and come_back(code) is ComeBack.NO and code != CloseCode.SUPERSEDED:
            self.oracle.broken("O7", f"{self.name} was sent away for good: {code}")
        delay = min(self._retry_ms / 1000, 5.0) + self._chance.uniform(0.0, 0.01 if self.hurry else 0.3)
        self._retry_ms = 0
        self._connect_in(delay)

    def received(self, wire: Wire, frame: HubFrame | None) -> None:
        """A frame came."""
        if wire is not self.wire or not self.running:
            return
        self._say("gets", frame)
        if isinstance(frame, Bye):
            self._retry_ms = frame.retry_ms
        self.oracle.before_frame(self, frame)
        self.do(self.replica.received(frame, self._clock.now))
        self.oracle.after_frame(self)

    # Edits.

    def edit(self, ops: Sequence[Op], note: Callable[[EditId], None] | None = None, **more: Any) -> EditId | None:
        """Make an edit, if the replica lets one."""
        try:
            id, outputs = self.replica.edit(ops, self._clock.now, **more)
        except ProtocolError as error:
            self._say("may not edit", error.refusal.words)
            if error.refusal.code == ErrorCode.TOO_MANY_IN_FLIGHT:
                raise
            return None
        if note is not None:
            note(id)
        self._say("edits", id, [op.kind for op in ops], more)
        self.oracle.made(self, id)
        self.do(outputs)
        return id

    def do(self, outputs: Sequence[Output]) -> None:
        """Do what the replica wants."""
        for output in outputs:
            match output:
                case SendFrame(SendEdit() as frame):
                    self._send_edit(frame)
                case SendFrame(other):
                    if self.wire is not None:
                        self._say("sends", other)
                        self.wire.up(other)
                case Reconnect(why):
                    self._say("wants to reconnect:", why)
                    self._reconnect()
                case _:
                    self.oracle.told(self, output)

    def _send_edit(self, frame: SendEdit) -> None:
        id = frame.edit.id
        if self.wire is None:
            return
        self._say("sends", id)
        aged = frame.model_copy(update={"age": 70_000}) if id in self.old else frame
        self.wire.up(aged, garbled=id in self.garbled)

    def _reconnect(self) -> None:
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.member_open = False
            wire.cut(told_after=self._chance.random())
        self.do(self.replica.closed(None))
        self._connect_in(0.1)
