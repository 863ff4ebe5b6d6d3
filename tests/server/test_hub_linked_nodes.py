"""Two nodes over a bus that loses things: what one node stores is seen at the other, once, within the promised time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

from scenehub.client import Project, connect
from tests.server.linked import Linked, linked, until
from tests.server.raw import PROJECT, Bare, bare, member, scene_add, scene_set, token_for


def heads(pair: Linked) -> set[int]:
    """Where the rooms of both nodes and the store are."""
    return {node.hub.rooms[PROJECT].room.head.seq for node in (pair.a, pair.b)} | {
        pair.store.ledger.load(PROJECT).head.seq
    }


async def test_who_joins_another_node_right_after_a_commit_sees_it() -> None:
    """S6: also when that node's room is loaded already and the bus has said nothing."""
    async with linked() as pair, member(pair.a) as author, member(pair.b, user="grace"):
        pair.medium.away = True
        for number in range(20):
            await author.edit(scene_add(f"s{number}"))
            commit = await author.next("commit")
            async with bare(pair.b) as reader:
                await reader.hello(token_for(pair.b, "late"))
                state = reader.seen[-1]
                assert state["position"][1] >= commit["seq"]


async def test_an_edit_sent_again_through_another_node_is_stored_once() -> None:
    """E1: the second node answers with the first one's outcome, whether or not it heard of it."""
    async with linked() as pair, member(pair.b, user="grace"):
        pair.medium.away = True
        async with member(pair.a) as author:
            await author.edit(scene_add("s"))
            await author.next("commit")
        async with bare(pair.b) as again:
            again.client = author.client
            await again.hello(token_for(pair.b))
            assert again.seen[-1]["outcomes"]["counter"] == 1
            await again.edit(scene_add("s"))
            assert (await again.next("state"))["outcomes"]["counter"] == 1
            await again.edit(scene_set("s", duration=9))
            assert (await again.next("commit", lambda frame: frame["seq"] == 2))["edits"][0]["id"] == [author.client, 2]
        assert pair.store.ledger.load(PROJECT).head.seq == 2


async def test_an_edit_sent_through_two_nodes_at_once_is_stored_once() -> None:
    """E1: both hold it; one commits it, the other learns that from the client's row."""
    async with linked() as pair:
        pair.medium.away = True
        for _ in range(10):
            before = pair.store.ledger.load(PROJECT).head.seq
            async with bare(pair.a) as one, bare(pair.b) as two:
                two.client = one.client
                await one.hello(token_for(pair.a))
                await one.edit({"kind": "project.set", "set": {"name": "Ours"}})
                await two.hello(token_for(pair.b))
                two.counter = 0
                await two.edit({"kind": "project.set", "set": {"name": "Ours"}})
                await until(lambda: pair.store.ledger.load(PROJECT).head.seq > before)  # noqa: B023 - awaited here
                await two.send({"t": "sync"})
                state = await two.next("state", lambda frame: bool(frame.get("outcomes", {}).get("counter")))
                assert state["outcomes"]["counter"] == 1
            assert pair.store.ledger.load(PROJECT).head.seq == before + 1


async def converges(pair: Linked, authors: list[Project], seconds: float) -> float:
    """How long it takes after the last commit until both nodes' members have the same."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while len({(one.position, one.checksum) for one in authors}) > 1 or len(heads(pair)) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return time.monotonic() - began


async def test_two_nodes_converge_in_two_seconds_though_the_bus_loses_a_third() -> None:
    """N3, F1: every edit is stored once, and nobody is left behind."""
    chance = random.Random(7)
    async with linked() as pair:
        pair.medium.loses = lambda _project, _event: chance.random() < 1 / 3
        url = {node: f"{node.url}/p/{PROJECT}" for node in (pair.a, pair.b)}
        async with (
            connect(url[pair.a], token_for(pair.a, "ada")) as ada,
            connect(url[pair.b], token_for(pair.b, "grace")) as grace,
        ):
            made = []
            for number in range(60):
                made += [ada.set_project(props={"a": number}), grace.set_project(props={"b": number})]
                await asyncio.sleep(0.005)
            seqs = await asyncio.gather(*(handle.saved(30) for handle in made))
            assert sorted(seqs) == list(range(1, 121))
            assert await converges(pair, [ada, grace], 3.0) <= 2.0


async def test_two_nodes_without_a_bus_converge_in_two_seconds() -> None:
    """N3: Redis is gone altogether."""
    async with linked() as pair:
        pair.medium.away = True
        async with (
            connect(f"{pair.a.url}/p/{PROJECT}", token_for(pair.a, "ada")) as ada,
            connect(f"{pair.b.url}/p/{PROJECT}", token_for(pair.b, "grace")) as grace,
        ):
            await ada.set_project(props={"a": 1}).saved(5)
            assert await converges(pair, [ada, grace], 3.0) <= 2.0


async def test_presence_is_whole_again_within_a_second_of_the_bus() -> None:
    """Design §2, M1: members of both nodes see each other, though they came while the bus was away."""
    async with linked() as pair:
        pair.medium.away = True
        async with member(pair.a) as ada, member(pair.b, user="grace"):
            pair.medium.away = False
            async with asyncio.timeout(1):
                await ada.next(
                    "presence", lambda frame: any(row["user"] == "grace" for row in frame.get("members", ()))
                )


async def gone(watcher: Bare, client: str, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while True:
            frame = await watcher.next("presence")
            if client in frame.get("gone", ()):
                return


async def test_a_socket_that_dies_is_gone_on_both_nodes() -> None:
    """M1: in 10 s at the latest."""
    async with (
        linked() as pair,
        member(pair.a) as here,
        member(pair.b, user="grace") as there,
        bare(pair.a) as dying,
    ):
        await dying.hello(token_for(pair.a, "lin"))
        await there.next("presence", lambda f: any(row["client"] == dying.client for row in f.get("members", ())))
        dying.socket.transport.abort()
        await asyncio.gather(gone(here, dying.client, 10), gone(there, dying.client, 10))


async def test_a_node_that_falls_silent_has_no_members_left_after_ten_seconds() -> None:
    """M1, S5: nothing is heard of it, not even that they left."""
    async with linked() as pair, member(pair.a) as watcher, member(pair.b, user="grace") as lost:
        await watcher.next("presence", lambda f: any(row["client"] == lost.client for row in f.get("members", ())))
        pair.medium.loses = lambda _project, event: event["node"] == "b"
        async with asyncio.timeout(10):
            while not any(lost.client in frame.get("gone", ()) for frame in watcher.seen):
                with contextlib.suppress(TimeoutError):
                    await watcher.next()
