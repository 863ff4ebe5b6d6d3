"""A whole deployment in memory, by seed: members, nodes, a bus and a store in virtual time, and the weather over them.

A run has three parts: a storm of edits and faults; a rest in which everything must come together; and a calm in which
the bus is away and each edit has a deadline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from scenehub.protocol.edits import Role
from scenehub.protocol.foreign import SETTLED
from scenehub.protocol.limits import HOLDER_SILENT_AFTER, LEASE_EVERY, Limits

from .bus import SimulatedBus
from .climate import Climate, climate
from .clock import Clock
from .judgement import judge
from .member import Member
from .node import Node
from .oracle import Broken, Oracle
from .store import ELSEWHERE, SimulatedStore
from .transcript import KEPT, Transcript
from .work import TAKEN, Work

STEP = 0.25
"""Seconds between two throws of the dice for each fault."""
REST = 34.0
"""Seconds of rest: longer than a half-open connection or an edit at a store that is away can last."""
LOOK = 0.5
"""Seconds between two looks at presence and relays."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended."""

    seed: int
    climate: Climate
    broken: str | None
    rule: str | None
    transcript: list[str]
    edits: int
    commits: int
    seconds: float
    """Of virtual time."""


class Deployment:
    """Members, nodes, bus and store of one seed."""

    def __init__(self, seed: int, *, kept: int | None = KEPT, codec: bool | None = None) -> None:
        chance = Random(seed)
        self.seed = seed
        self.climate = climate(chance)
        if codec is not None:
            self.climate = replace(self.climate, codec=codec)
        self.chance = chance
        self.clock = Clock()
        self.transcript = Transcript(kept)
        self.store = SimulatedStore(self.clock, chance, self.climate, self.transcript)
        self._take_id_elsewhere()
        self.bus = SimulatedBus(self.clock, chance, self.climate)
        limits = Limits(in_flight=chance.choice((2, 8, 64)), edits_per_second=chance.choice((5, 200)), edit_burst=10)
        self.nodes = [
            Node(f"n{index}", self.clock, chance, self.climate, self.store, self.bus, self.transcript, limits)
            for index in range(self.climate.nodes)
        ]
        self.oracle = Oracle(self.clock, self.store)
        self.members = [
            Member(
                f"m{index}",
                Role.VIEWER if index < self.climate.viewers else Role.EDITOR,
                self.clock,
                chance,
                self.nodes,
                self.oracle,
                self.transcript,
            )
            for index in range(self.climate.members + self.climate.viewers)
        ]
        for member in self.members:
            member.hurry = self.climate.hurry
        self.works = [Work(member, chance, self.climate, self.oracle) for member in self.members]

    def _take_id_elsewhere(self) -> None:
        self.store.ledger.create(ELSEWHERE, epoch="e1", name="Other", fps=30, width=1920, height=1080)
        self.store.ledger.claim(ELSEWHERE, "scene", TAKEN)

    # The course of a run.

    def run(self) -> None:
        """Storm, rest, judgement, calm, judgement. Raises Broken."""
        for node in self.nodes:
            node.start()
        for member in self.members:
            member.start()
        self._look()
        self._storm()
        self._rest(REST)
        judge(self.oracle, self.members, self.nodes)
        self._calm_without_bus()
        self._rest(3.0)
        judge(self.oracle, self.members, self.nodes)

    def _storm(self) -> None:
        end = self.climate.storm
        steps = int(end / STEP)
        for step in range(steps):
            self.clock.at(step * STEP, self._throw)
        self._schedule_works(end)
        self._schedule_once(end)
        self.clock.run_until(end)

    def _schedule_works(self, end: float) -> None:
        for work in self.works:
            when = 0.3
            while when < end:
                self.clock.at(when, work.once)
                when += self.chance.expovariate(self.climate.pace)

    def _schedule_once(self, end: float) -> None:
        chance, climate = self.chance, self.climate
        if climate.store_away:
            when = chance.uniform(0, end)
            self.clock.at(when, lambda: self._set_store_away(True))
            self.clock.at(when + climate.store_away, lambda: self._set_store_away(False))
        if climate.bus_away:
            when = chance.uniform(0, end)
            self.clock.at(when, lambda: self._set_bus_away(True))
            self.clock.at(when + chance.uniform(1, 8), lambda: self._set_bus_away(False))
        if climate.failover:
            when = chance.uniform(0.3, 0.9) * end
            self.clock.at(when - chance.uniform(0.1, 2.0), self.store.take_copy)
            self.clock.at(when, lambda: self.store.fail_over("e2" if climate.new_epoch else None))

    def _throw(self) -> None:
        for member in self.members:
            if member.running:
                self._throw_for(member)
        for node in self.nodes:
            if node.alive and self.chance.random() < self.climate.crashes * STEP:
                self._crash(node)

    def _throw_for(self, member: Member) -> None:
        chance, climate = self.chance, self.climate
        told_after = chance.choice((0.0, 0.3, 3.0, 3.0, 40.0))
        if chance.random() < climate.cuts * STEP and member.wire is not None:
            member.wire.cut(told_after=told_after)
        elif chance.random() < climate.takeovers * STEP:
            member.take_over(told_after)
        elif chance.random() < climate.stalls * STEP and member.wire is not None:
            member.wire.stall(chance.uniform(0.2, 4.0))
        elif chance.random() < climate.vanishings * STEP:
            self._vanish(member, told_after)

    def _crash(self, node: Node) -> None:
        chance = self.chance
        for member in self.members:
            here = member.running and member.wire is not None and member.wire.node is node
            if here and chance.random() < self.climate.blackouts:
                self._vanish(member, 0.0)
        node.crash()
        self.clock.after(chance.choice((chance.uniform(0.2, 6.0), chance.uniform(12.0, 20.0))), node.start)

    def _vanish(self, member: Member, told_after: float) -> None:
        chance = self.chance
        member.vanish(keeps=chance.random() < 0.7, told_after=told_after)
        self.clock.after(chance.choice((chance.uniform(0.1, 3.0), chance.uniform(8.0, 16.0))), member.start)

    def _set_store_away(self, away: bool) -> None:
        self.store.away = away
        self.transcript.say(self.clock.now, "store", "away" if away else "back")

    def _set_bus_away(self, away: bool) -> None:
        self.bus.away = away
        self.transcript.say(self.clock.now, "bus", "away" if away else "back")
        if not away:
            for node in self.nodes:
                node.bus_is_back()

    def _rest(self, seconds: float) -> None:
        self.transcript.say(self.clock.now, "weather", "calms down")
        self.store.calm = self.bus.calm = True
        waits = max(0.0, self.climate.store_away - self.climate.storm)
        if self.bus.away:
            self._set_bus_away(False)
        self.clock.run_until(self.clock.now + seconds + waits)

    def _calm_without_bus(self) -> None:
        """Without the bus everybody sees every commit within two seconds (N3)."""
        self.transcript.say(self.clock.now, "weather", "calm, without a bus")
        self._set_bus_away(True)
        self.store.on_saved = self._expect
        for work in self.works:
            self.clock.after(self.chance.uniform(0.0, 2.0), work.once)
        self.clock.run_until(self.clock.now + 5.0)
        self.store.on_saved = None

    def _expect(self, seq: int) -> None:
        self.clock.after(2.0 + 2 * self.climate.wire_delay, lambda: self._must_be_at(seq))

    def _must_be_at(self, seq: int) -> None:
        for member in self.members:
            position = member.replica.position
            if position is None or position.seq < seq:
                self.oracle.broken("N3", f"{member.name} is at {position} two seconds after {seq} was saved")

    # Looking on.

    def _look(self) -> None:
        now = self.clock.now
        for node in self.nodes:
            if node.alive and node.live is not None:
                for session in node.live.room.attendance.clients.values():
                    self.oracle.there(session.client)
                for entry in node.live.room.queue.entries:
                    self.oracle.last_held[entry.id] = now
        slack = 2 * self.climate.wire_delay + 5 * self.climate.bus_delay + LOOK
        for member in self.members:
            wire = member.wire
            if not member.running or wire is None or not member.replica.connected or not wire.node_open or wire.stalled:
                continue
            if member.replica.client not in member.replica.members:
                self.oracle.broken("M5", f"{member.name}'s living session {wire.session} was ended with an older one")
            for client in member.replica.members:
                if now - self.oracle.last_there.setdefault(client, now) > 10.0 + slack:
                    self.oracle.broken("M1", f"{member.name} still sees {client}, gone for ten seconds")
            for id in member.replica.relays:
                if (
                    now - self.oracle.last_held.setdefault(id, now)
                    > SETTLED + HOLDER_SILENT_AFTER + LEASE_EVERY + slack
                ):
                    self.oracle.broken("S5", f"{member.name} still sees the relay {id}, held by nobody for 5 s")
        self.clock.after(LOOK, self._look)


def simulate(seed: int, *, kept: int | None = KEPT, codec: bool | None = None) -> Run:
    """Run a seed to its end or to the first broken promise."""
    deployment = Deployment(seed, kept=kept, codec=codec)
    broken: str | None = None
    rule: str | None = None
    try:
        deployment.run()
    except Broken as error:
        broken, rule = str(error), error.rule
    except Exception as error:  # noqa: BLE001 - whatever a half raises is a finding, told with its seed
        import traceback

        broken, rule = "".join(traceback.format_exception(error)[-6:]), "crash"
    return Run(
        seed,
        deployment.climate,
        broken,
        rule,
        deployment.transcript.read() if broken or kept is None else [],
        len(deployment.oracle.made_edits),
        deployment.store.saved,
        deployment.clock.now,
    )
