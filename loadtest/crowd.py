"""A crowd: many members of one project in this process, who edit all the time and remember what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import asyncpg
from deployment import PROJECT, Deployment

from scenehub.client import Project, Timing, connect
from scenehub.protocol.edits import EditId
from scenehub.protocol.happenings import Happening, Merged, Rejected, Saved

PACE = 0.2
"""Seconds between two edits of a member, on average."""


@dataclass(eq=False)
class Member:
    """One of the crowd. `made` are its edits, `saved` and `ended` what it was told became of them."""

    number: int
    project: Project
    random: Random
    made: list[EditId] = field(default_factory=list)
    saved: dict[EditId, int] = field(default_factory=dict)
    ended: dict[EditId, str] = field(default_factory=dict)
    offline_at: float | None = None
    longest_absence: float = 0.0
    writing: bool = True

    def hear(self, happening: Happening) -> None:
        """Take notes."""
        match happening:
            case Saved(id, seq):
                assert id not in self.saved, f"{id} was called saved twice"
                self.saved[id] = seq
            case Rejected(id, code):
                self.ended[id] = code
            case Merged(id, into):
                self.ended[id] = "merged"
                if into is not None:
                    self.made.append(into)
            case _:
                pass

    async def watch(self) -> None:
        """Measure how long this member is ever without a hub."""
        while True:
            online = self.project.status.state != "offline"
            now = time.monotonic()
            if not online and self.offline_at is None:
                self.offline_at = now
            if online and self.offline_at is not None:
                self.longest_absence = max(self.longest_absence, now - self.offline_at)
                self.offline_at = None
            await asyncio.sleep(0.02)

    async def write(self) -> None:
        """Edit, at a person's pace, own and common fields, whatever the status."""
        while self.writing:
            await asyncio.sleep(self.random.uniform(0, 2 * PACE))
            key = f"k{self.number}" if self.random.random() < 0.5 else f"common{self.random.randrange(5)}"
            self.note(self.project.set_project(props={key: self.random.randrange(10**6)}).id)

    def note(self, id: EditId) -> None:
        """Remember an edit."""
        self.made.append(id)


@dataclass
class Crowd:
    """All members, and the tasks that make them write."""

    members: list[Member]
    deployment: Deployment
    writers: list[asyncio.Task[None]] = field(default_factory=list)

    async def settle(self, within: float) -> None:
        """Stop writing; wait until every edit has its outcome and everyone has heard of all of them."""
        for member in self.members:
            member.writing = False
        await asyncio.gather(*self.writers)
        async with asyncio.timeout(within):
            for member in self.members:
                await member.project.until(lambda project: project.status.state == "live")
            end = (await self.deployment.store.heads([PROJECT]))[PROJECT].seq
            for member in self.members:
                await member.project.until(lambda project: project.position is not None and project.position.seq >= end)

    @property
    def saved(self) -> int:
        """How many edits the crowd was told are saved."""
        return sum(len(member.saved) for member in self.members)


@contextlib.asynccontextmanager
async def crowd(deployment: Deployment, count: int, seed: int = 1) -> AsyncIterator[Crowd]:
    """Let `count` members join, spread over the nodes, and begin to write."""
    async with contextlib.AsyncExitStack() as stack:
        members = [await _join(stack, deployment, number, seed) for number in range(count)]
        async with asyncio.TaskGroup() as tasks:
            watchers = [tasks.create_task(member.watch(), name=f"watch {member.number}") for member in members]
            writers = [tasks.create_task(member.write(), name=f"write {member.number}") for member in members]
            yield Crowd(members, deployment, writers)
            for task in (*watchers, *writers):
                task.cancel()


async def _join(stack: contextlib.AsyncExitStack, deployment: Deployment, number: int, seed: int) -> Member:
    heard: list[Happening] = []
    member: Member | None = None

    def on_event(happening: Happening) -> None:
        heard.append(happening) if member is None else member.hear(happening)

    urls = deployment.urls(number % len(deployment.nodes))
    token = deployment.token(f"member-{number}")
    timing = Timing()
    project = await stack.enter_async_context(connect(urls, token, on_event=on_event, timing=timing, drain=30.0))
    member = Member(number, project, Random(f"{seed}-{number}"))
    return member


class Wrong(Exception):
    """What was promised does not hold."""


async def judge(crowd: Crowd) -> None:
    """Hold what the members were told against the database (F1, F2): every edit once, in one order, none lost."""
    connection = await asyncpg.connect(crowd.deployment.postgres.url)
    try:
        rows = await connection.fetch("select seq, client_id, n from edits where project_id = $1 order by seq", PROJECT)
    finally:
        await connection.close()
    stored = [EditId(row["client_id"], row["n"]) for row in rows]
    if [row["seq"] for row in rows] != list(range(1, len(rows) + 1)):
        raise Wrong("the order has a hole")
    if len(set(stored)) != len(stored):
        raise Wrong("an edit is stored twice")
    for member in crowd.members:
        _judge_member(member, dict(zip(stored, range(1, len(stored) + 1), strict=True)))
    loaded = await crowd.deployment.store.load(PROJECT)
    sums = {member.project.checksum for member in crowd.members}
    if sums != {loaded.document.checksum()}:
        raise Wrong(f"the members do not all show what the database holds: {len(sums)} different states")


def _judge_member(member: Member, stored: dict[EditId, int]) -> None:
    for id in member.saved:
        if id not in stored:
            raise Wrong(f"{id} was reported saved and is not stored")
    for id in member.made:
        if (id in member.saved) == (id in member.ended):
            raise Wrong(f"{id} has no outcome, or two")
        if (id in stored) != (id in member.saved):
            raise Wrong(f"{id} is stored and was not reported, or the reverse")


__all__ = ["Crowd", "Member", "Wrong", "crowd", "judge"]
