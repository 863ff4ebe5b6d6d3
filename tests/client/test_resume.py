"""Lost connections, killed nodes, closes with every kind of code, tokens that expire: the client goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import pytest

from scenehub.client import NotReached, Project, Refused, Timing, connect, happenings
from scenehub.client.address import addresses
from scenehub.client.desk import client_ids
from scenehub.client.reconnect import Route
from scenehub.protocol.closing import Close
from scenehub.protocol.codec import Flavour
from scenehub.protocol.messages import Auth
from tests.client.hub import PROJECT, Cluster

SOON = 5.0


async def test_a_cut_connection_is_resumed_and_offline_edits_are_sent(hub: Cluster) -> None:
    """E2, E3: a delta, not a snapshot."""
    node = hub.nodes[0]
    replaced: list[str] = []

    def note(happening: happenings.Happening) -> None:
        if isinstance(happening, happenings.Replaced):
            replaced.append(happening.reason)

    async with connect(node.url, "ada", on_event=note) as ada, connect(node.url, "lin") as lin:
        await ada.say("before").saved(SOON)
        node.refuse = (Close.STORE_AWAY, "starting")
        node.cut()
        await ada.until(lambda project: project.status.state == "offline", SOON)
        handles = [ada.say(f"offline {number}") for number in range(5)]
        assert ada.status.pending == 5
        assert ada.status.offline_since is not None
        assert len(ada.messages) == 6
        node.refuse = None
        for handle in handles:
            await handle.saved(SOON)
        await lin.until(lambda project: len(project.messages) == 6, SOON)
        assert ada.status.offline_since is None
        assert replaced == ["snapshot", "delta"]
        assert len(hub.committed()) == len(set(hub.committed())) == 6


async def test_edits_that_a_killed_node_had_not_saved_are_saved_once_by_its_successor(hub: Cluster) -> None:
    """E1, E2, N5."""
    node = hub.nodes[0]
    async with connect(node.url, "ada") as ada:
        saved = ada.say("saved")
        await saved.saved(SOON)
        hub.saving = False
        lost = [ada.say(f"taken {number}") for number in range(100)]
        await until(lambda: node.room is not None and len(node.room.queue.entries) == 64)
        await node.kill()
        hub.saving = True
        await node.start()
        for handle in lost:
            await handle.saved(SOON)
        assert hub.committed() == [str(handle.id) for handle in (saved, *lost)]


async def test_cuts_in_the_middle_of_a_stream_of_edits_lose_and_double_nothing(hub: Cluster) -> None:
    """E1."""
    node = hub.nodes[0]
    async with connect(node.url, "ada", timing=Timing(last_delay=0.05)) as ada:
        handles = []
        for round_number in range(8):
            handles += [ada.set_memory(f"k{number}", round_number) for number in range(20)]
            await handles[-20 + round_number].saved(SOON)
            node.cut()
        for handle in handles:
            await handle.saved(SOON)
        assert len(hub.committed()) == len(set(hub.committed())) == 160
        assert set(ada.memory.values()) == {7}


async def test_clients_of_a_killed_node_go_on_at_the_other_one(two_nodes: Cluster) -> None:
    """N1: within 5 s, and every edit is there exactly once."""
    first, second = two_nodes.nodes
    urls = [first.url, second.url]
    async with connect(urls, "ada") as ada, connect(urls, "lin") as lin, connect(second.url, "mia") as mia:
        await ada.say("one").saved(SOON)
        handles = [member.say(f"{member.user} {number}") for number in range(20) for member in (ada, lin)]
        await first.kill()
        began = monotonic()
        for handle in handles:
            await handle.saved(SOON)
        assert monotonic() - began < SOON
        await mia.until(lambda project: len(project.messages) == 41, SOON)
        assert len(two_nodes.committed()) == len(set(two_nodes.committed())) == 41


async def test_members_on_two_nodes_see_each_other(two_nodes: Cluster) -> None:
    first, second = two_nodes.nodes
    async with connect(first.url, "ada") as ada, connect(second.url, "lin") as lin:
        handle = ada.add_scene("One")
        await lin.until(lambda project: bool(project.scenes), SOON)
        seq = await handle.saved(SOON)
        await lin.until(lambda project: project.position is not None and project.position.seq == seq, SOON)
        await lin.until(lambda project: {member.user for member in project.members} == {"ada", "lin"}, SOON)


async def test_a_dead_node_among_the_urls_is_passed_over(two_nodes: Cluster) -> None:
    first, second = two_nodes.nodes
    await first.kill()
    async with connect([first.url, second.url], "ada") as ada:
        await ada.say("hello").saved(SOON)


async def test_the_hub_says_when_to_come_back(hub: Cluster) -> None:
    """N5: `bye` with a time."""
    node = hub.nodes[0]
    async with connect(node.url, "ada") as ada:
        node.bye(Close.STOPPING, "this node stops", retry_ms=300)
        await ada.until(lambda project: project.status.state == "offline", SOON)
        began = monotonic()
        assert "this node stops" in ada.status.words
        await ada.until(lambda project: project.status.state == "live", SOON)
        assert monotonic() - began > 0.25


async def test_a_replaced_history_is_loaded_anew_and_pending_edits_go_on(hub: Cluster) -> None:
    """O1, E4."""
    node = hub.nodes[0]
    async with connect(node.url, "ada") as ada:
        await ada.say("before").saved(SOON)
        hub.saving = False
        pending = ada.set_memory("tone", "dry")
        assert node.room is not None
        hub.ledger.change_epoch(PROJECT, "e2")
        node.perform(node.room.condemn("restored"))
        hub.saving = True
        await pending.saved(SOON)
        assert ada.position is not None
        assert ada.position.epoch == "e2"
        assert ada.memory == {"tone": "dry"}


async def test_a_newer_connection_of_a_client_ends_the_older_for_good(hub: Cluster) -> None:
    """M5."""
    url = hub.nodes[0].url
    async with connect(url, "ada", client_id="same") as older, connect(url, "ada", client_id="same") as newer:
        with pytest.raises(Refused, match="newer connection") as refused:
            await older.until(lambda _: False, SOON)
        assert refused.value.code == Close.SUPERSEDED
        await newer.say("hello").saved(SOON)


async def test_a_client_id_of_somebody_else_is_given_up_for_a_new_one(hub: Cluster) -> None:
    """E1."""
    url = hub.nodes[0].url
    async with connect(url, "ada", client_id="taken"):
        pass
    async with connect(url, "lin", client_id="taken") as lin:
        assert lin.client != "taken"
        await lin.say("hello").saved(SOON)


async def test_a_dead_peer_is_left_after_25_seconds_of_silence(hub: Cluster) -> None:
    """M1, from the client's side; the seconds are the clock's, not the test's."""
    node = hub.nodes[0]
    async with aged(node.url) as (project, age):
        node.deaf = True
        lost = project.say("into the void")
        node.room = None
        age(30.0)
        await project.until(lambda project: project.status.state == "offline", SOON)
        node.deaf = False
        await lost.saved(SOON)
        assert len(node.hellos) >= 2


async def test_a_silent_client_pings(hub: Cluster) -> None:
    """M1."""
    async with aged(hub.nodes[0].url) as (_, age):
        age(9.0)
        await until(lambda: any(frame.t == "ping" for frame in hub.nodes[0].frames))


async def test_a_refused_token_is_replaced_by_a_fresh_one(hub: Cluster) -> None:
    """M4."""
    given = iter(["bad", "ada"])
    async with connect(hub.nodes[0].url, lambda: next(given)) as ada:
        assert ada.user == "ada"


async def test_a_refused_token_without_a_source_says_what_to_do(hub: Cluster) -> None:
    with pytest.raises(Refused, match="give connect"):
        async with connect(hub.nodes[0].url, "bad"):
            pass


async def test_a_token_is_renewed_before_it_expires_within_the_session(hub: Cluster) -> None:
    """M4."""
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        return "ada:editor:0.5" if asked == 1 else "ada:editor:60"

    async with connect(hub.nodes[0].url, token) as ada:
        await until(lambda: any(isinstance(frame, Auth) for frame in hub.nodes[0].frames))
        await ada.say("still an editor").saved(SOON)
        assert not ada.read_only
        assert len(hub.nodes[0].hellos) == 1


async def test_with_an_expired_token_edits_wait_for_the_next_one(hub: Cluster) -> None:
    """M4: read-only first."""
    fresh = asyncio.Event()
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            return "ada:editor:0.2"
        await fresh.wait()
        return "ada:editor:60"

    async with connect(hub.nodes[0].url, token) as ada:
        await ada.until(lambda project: project.read_only, SOON)
        waiting = ada.say("hello")
        fresh.set()
        await waiting.saved(SOON)
        assert not ada.read_only


async def test_a_renewal_that_fails_is_tried_again_and_harms_nobody(hub: Cluster) -> None:
    """M4."""
    asked = 0

    def token() -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise RuntimeError("the login server is away")
        return "ada:editor:0.4" if asked == 1 else "ada:editor:60"

    async with connect(hub.nodes[0].url, token) as ada:
        await ada.until(lambda project: project.read_only, SOON)
        waiting = ada.say("hello")
        await waiting.saved(SOON)
        assert len(hub.nodes[0].hellos) == 1


async def test_a_source_of_tokens_that_fails_is_asked_again(hub: Cluster) -> None:
    asked = 0

    def token() -> str:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise RuntimeError("the login server is away")
        return "ada"

    async with connect(hub.nodes[0].url, token) as ada:
        assert ada.user == "ada"
    asked = -1000
    with pytest.raises(NotReached, match="the login server is away"):
        async with connect(hub.nodes[0].url, token, timeout=0.3):
            pass


async def until(so: Any) -> None:
    """Poll what has no event of its own."""
    async with asyncio.timeout(SOON):
        while not so():  # noqa: ASYNC110 - what is polled is the other side of a socket
            await asyncio.sleep(0.005)


@asynccontextmanager
async def aged(url: str) -> AsyncIterator[tuple[Project, Any]]:
    """A member whose clock can be put forward."""
    ahead = 0.0

    def age(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    route = Route(addresses(url), Timing(), can_renew=False)
    project = Project(
        route, "ada", ids=client_ids(), agent="test", flavour=Flavour.MSGPACK, clock=lambda: monotonic() + ahead
    )
    async with project.joined(SOON, SOON):
        yield project, age
