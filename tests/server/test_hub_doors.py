"""At the door: who gets in, when, and what is left of those who were let in and went."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import Any

import pytest

import scenehub.protocol.attendance
import scenehub.server.hub.hub
import scenehub.server.hub.live
from scenehub.protocol.closing import Close
from scenehub.protocol.limits import Limits
from scenehub.server.bus.memory import Medium
from scenehub.server.hub.connection import Connection
from scenehub.server.store.memory import MemoryStore
from tests.server.linked import linked_node, until
from tests.server.raw import PROJECT, bare, member, running, scene_add, token_for


class Doorman(MemoryStore):
    """A store that counts loads, can make them wait, and can fail them."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0
        self.admissions = 0
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False

    async def load(self, project: str) -> Any:
        self.loads += 1
        await self.open.wait()
        if self.broken:
            raise RuntimeError("half of it could be read")
        return await super().load(project)

    async def admit(self, *asked: Any) -> Any:
        self.admissions += 1
        await self.open.wait()
        return await super().admit(*asked)


async def test_a_room_is_loaded_once_however_many_join_at_once() -> None:
    """N6."""
    store = Doorman()
    store.open.clear()
    async with running(store) as node, contextlib.AsyncExitStack() as stack:
        joining = [await stack.enter_async_context(bare(node)) for _ in range(20)]
        for number, one in enumerate(joining):
            hello = {"t": "hello", "token": token_for(node, f"u{number}"), "client": one.client}
            await one.send(hello)
        await until(lambda: store.loads > 0)
        store.open.set()
        for one in joining:
            await one.next("state")
        assert store.loads == 1
        assert len(node.hub.rooms) == 1


async def test_a_load_that_fails_seeds_nothing_and_the_next_one_is_another() -> None:
    """N6: those who waited are sent away to come back; what they find then is the whole project."""
    store = Doorman()
    async with running(store) as node:
        async with member(node) as author:
            await author.edit(scene_add("s"))
            await author.next("commit")
        node.hub.drop(node.hub.rooms[PROJECT])
        store.broken = True
        async with bare(node) as one, bare(node) as two:
            for each in (one, two):
                await each.send({"t": "hello", "token": token_for(node), "client": each.client})
            assert [await each.closed() for each in (one, two)] == [Close.INTERNAL] * 2
        assert not node.hub.rooms
        store.broken = False
        async with member(node, user="late") as late:
            assert late.seen[-1]["position"][1] == 1


@pytest.mark.parametrize("where", ["load", "admission"])
async def test_a_store_that_is_away_at_the_door_is_said(where: str) -> None:
    """N4: 4201, with a time to come back; nothing is left of the attempt."""
    store = Doorman()
    async with running(store) as node:
        if where == "admission":
            await node.hub.room(PROJECT)
        store.away = True
        async with bare(node) as one:
            await one.send({"t": "hello", "token": token_for(node), "client": one.client})
            assert await one.closed() == Close.STORE_AWAY
        store.away = False
        async with member(node):
            pass
        await until(lambda: not node.hub.connections)


async def test_who_hangs_up_while_joining_leaves_nothing_behind() -> None:
    """M1: no ghost, no admission counted for those whose turn had not come."""
    store = Doorman()
    async with running(store) as node:
        store.open.clear()
        for _ in range(100):
            async with bare(node) as one:
                await one.send({"t": "hello", "token": token_for(node), "client": one.client})
        await until(lambda: not node.hub.connections)
        store.open.set()
        await until(lambda: len(node.hub._served) == node.hub.options.writers + 2)
        assert store.admissions <= scenehub.server.hub.hub.JOINS_AT_ONCE
        async with member(node) as watcher:
            assert [row["client"] for row in watcher.seen[0]["members"]] == [watcher.client]


async def test_a_room_that_is_unloaded_while_somebody_joins_is_loaded_again() -> None:
    """N6: the newcomer is in the living room, not in the one that was dropped."""
    store = Doorman()
    async with running(store) as node:
        first = await node.hub.room(PROJECT)
        store.open.clear()
        async with bare(node) as one:
            await one.send({"t": "hello", "token": token_for(node), "client": one.client})
            await until(lambda: store.admissions == 1)
            node.hub.drop(first)
            store.open.set()
            await one.next("state")
            assert node.hub.rooms[PROJECT] is not first
            one.epoch = one.seen[0]["epoch"]
            await one.edit(scene_add("s"))
            await one.next("commit")


async def test_the_newer_of_two_connections_of_a_client_stays() -> None:
    """M5: the older one's end does not take the newer one with it."""
    async with running() as node, member(node, user="grace") as watcher, member(node) as older, bare(node) as newer:
        newer.client = older.client
        await newer.hello(token_for(node), attempt=2)
        assert await older.closed() == Close.SUPERSEDED
        await newer.edit(scene_add("s"))
        await newer.next("commit")
        await watcher.next("commit")
        assert not [frame for frame in watcher.seen if older.client in frame.get("gone", ())]
        assert {row.client for row in node.hub.rooms[PROJECT].room.attendance.members()} == {
            watcher.client,
            newer.client,
        }


async def test_a_full_project_says_so_and_lets_in_who_comes_when_somebody_left() -> None:
    """M2: `limits.members`."""
    async with running(limits=Limits(members=2)) as node, member(node), contextlib.AsyncExitStack() as stack:
        second = await stack.enter_async_context(member(node, user="grace"))
        async with bare(node) as third:
            await third.send({"t": "hello", "token": token_for(node, "lin"), "client": third.client})
            assert await third.closed() == Close.FULL
        await second.socket.close()
        await until(lambda: len(node.hub.connections) == 1)
        async with member(node, user="lin"):
            pass


async def test_a_silent_member_that_answers_pings_is_not_shown_as_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """M1: a library that answers pings is a sign of life; the times are a tenth of the real ones."""
    monkeypatch.setattr(scenehub.protocol.attendance, "IDLE_AFTER", 1.5)
    monkeypatch.setattr(scenehub.server.hub.live, "PING_EVERY", 1.2)
    monkeypatch.setattr(scenehub.server.hub.hub, "PING_EVERY", 1.2)
    async with running() as node, member(node) as watcher, member(node, user="grace") as quiet:
        idle: list[Any] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(6):
                while True:
                    frame = await watcher.next("presence")
                    idle += [row for row in frame.get("members", ()) if row.get("idle")]
        assert [row for row in idle if row["client"] == quiet.client] == []


async def test_nothing_is_left_of_members_who_came_and_went() -> None:
    """Rooms, clients, connections and tasks go with those they were made for."""
    store, medium = MemoryStore(), Medium()
    await store.create(PROJECT, name="Film", fps=30, width=1920, height=1080)
    async with linked_node("a", store, medium, idle_grace=0.5) as node:
        for _ in range(5):
            async with contextlib.AsyncExitStack() as stack:
                for number in range(40):
                    one = await stack.enter_async_context(member(node, user=f"u{number}"))
                    await one.edit({"kind": "project.set", "set": {"props": {f"p{number}": 1}}})
                    await one.next("commit")
                room = node.hub.rooms[PROJECT].room
            await until(lambda: not node.hub.connections)
            assert not room.clients
            assert not room.attendance.sessions
            assert not room.attendance.clients
            assert not room.queue.by_id
            assert not room.parked
        live = node.hub.rooms[PROJECT]
        assert not live.connections
        assert not live.fanout.readers
        assert not live.fanout._told_until
        await until(lambda: not node.hub.rooms)
        assert len(node.hub._served) == node.hub.options.writers + 2
        gc.collect()
        assert not [one for one in gc.get_objects() if isinstance(one, Connection) and one.hub is node.hub]


async def test_new_tokens_without_end_are_refused_and_not_told_to_everybody() -> None:
    """F7, M4: `auth` costs a signature and a word to each member; a flood of it is the sender's trouble alone."""
    async with running() as node, member(node, user="grace") as neighbour, member(node) as flooder:
        token = token_for(node)
        for _ in range(300):
            await flooder.send({"t": "auth", "token": token})
        assert (await flooder.next("error"))["code"] == "rate_limited"
        await flooder.edit(scene_add("s"))
        await neighbour.next("commit")
        told = [frame for frame in neighbour.seen if frame["t"] == "presence" and frame.get("members")]
        assert len(told) < 50
