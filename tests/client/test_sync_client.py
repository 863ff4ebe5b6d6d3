"""The synchronous client, in threads beside the loop that the hub runs on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

import pytest

from scenehub.client import (
    Left,
    NotReached,
    Refused,
    Rejected,
    SyncProject,
    Timing,
    Unsaved,
    connect,
    connect_sync,
    happenings,
)
from scenehub.client.address import addresses
from scenehub.client.desk import client_ids
from scenehub.client.reconnect import Route
from scenehub.protocol.closing import Close
from scenehub.protocol.codec import Flavour
from scenehub.protocol.messages import Auth
from tests.client.hub import Cluster, running

SOON = 5.0
T = TypeVar("T")


async def script(work: Callable[[], T]) -> T:
    """Run a script's work in a thread."""
    async with asyncio.timeout(20):
        return await asyncio.to_thread(work)


async def test_a_script_edits_and_knows_what_is_saved(hub: Cluster) -> None:
    url = hub.nodes[0].url

    def work() -> int:
        with connect_sync(url, "ada") as project:
            scene = project.add_scene("Intro", duration=60)
            assert project.scene("Intro").id == scene.entity
            project.presence(playhead=3)
            return project.set_scene("Intro", duration=90).wait_saved(SOON)

    async with connect(url, "lin") as lin:
        assert await script(work) == 2
        await lin.until(lambda project: project.scene("Intro").duration == 90, SOON)
        await lin.until(lambda project: [member.user for member in project.members] == ["lin"], SOON)


@pytest.mark.parametrize("flavour", ["msgpack", "json"])
async def test_a_script_sees_what_others_do(hub: Cluster, flavour: str) -> None:
    url = hub.nodes[0].url
    ready = threading.Event()

    def work() -> list[str]:
        with connect_sync(url, "ada", flavour=flavour) as project:
            events = project.events()
            view = project.view
            ready.set()
            project.until(lambda project: len(project.scenes) == 2, SOON)
            assert view.scenes == []
            assert isinstance(next(events), happenings.Changed)
            return [scene.name for scene in project.view.scenes]

    async with connect(url, "lin") as lin:
        working = asyncio.create_task(script(work))
        await asyncio.to_thread(ready.wait, SOON)
        lin.add_scene("One")
        lin.add_scene("Two")
        assert await working == ["One", "Two"]


async def test_several_threads_may_use_one_project(hub: Cluster) -> None:
    url = hub.nodes[0].url

    def work() -> None:
        with connect_sync(url, "ada") as project:

            def say(name: str) -> None:
                for number in range(25):
                    project.say(f"{name} {number}").wait_saved(SOON)

            threads = [threading.Thread(target=say, args=(name,)) for name in "abcd"]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert project.status.state == "live"

    await script(work)
    assert len(hub.committed()) == len(set(hub.committed())) == 100
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scenehub")]


async def test_a_script_goes_on_after_a_cut_and_at_another_node(two_nodes: Cluster) -> None:
    """E1, N1."""
    first, second = two_nodes.nodes
    joined, killed = threading.Event(), threading.Event()

    def work() -> None:
        with connect_sync([first.url, second.url], "ada") as project:
            project.say("one").wait_saved(SOON)
            joined.set()
            handles = [project.say(f"two {number}") for number in range(10)]
            assert killed.wait(SOON)
            handles += [project.say(f"three {number}") for number in range(10)]
            for handle in handles:
                handle.wait_saved(SOON)

    working = asyncio.create_task(script(work))
    await asyncio.to_thread(joined.wait, SOON)
    await first.kill()
    killed.set()
    await working
    assert len(two_nodes.committed()) == len(set(two_nodes.committed())) == 21


async def test_errors_are_the_same_as_in_the_asynchronous_client(hub: Cluster) -> None:
    node = hub.nodes[0]

    def work() -> None:
        with connect_sync(node.url, "ada") as project:
            id = project.add_scene("One").entity
            project.delete_scene(id).wait_saved(SOON)
            with pytest.raises(Rejected) as rejected:
                project.set_scene(id, duration=3).wait_saved(SOON)
            assert rejected.value.code == "scene_deleted"
            with pytest.raises(TimeoutError):
                project.until(lambda _: False, 0.05)
        with pytest.raises(Left):
            project.say("too late")
        with pytest.raises(Refused), connect_sync(node.url, "bad"):
            pass
        with pytest.raises(ValueError, match="of the block"), connect_sync(node.url, "ada"):
            raise ValueError("of the block")

    await script(work)


async def test_a_refusal_reaches_a_script_that_waits(hub: Cluster) -> None:
    joined = threading.Event()

    def work() -> None:
        with connect_sync(hub.nodes[0].url, "ada") as project:
            events = project.events()
            joined.set()
            with pytest.raises(Refused, match="removed"):
                project.until(lambda _: False, SOON)
            with pytest.raises(Refused):
                list(events)

    working = asyncio.create_task(script(work))
    await asyncio.to_thread(joined.wait, SOON)
    hub.nodes[0].bye(Close.REMOVED, "removed")
    await working


async def test_a_script_that_leaves_unsaved_edits_is_told(hub: Cluster) -> None:
    hub.saving = False

    def work() -> None:
        with pytest.raises(Unsaved), connect_sync(hub.nodes[0].url, "ada", drain=0.1) as project:
            project.say("one")

    await script(work)


async def test_a_script_renews_its_token_within_the_session(hub: Cluster) -> None:
    """M4."""
    given = iter(["ada:editor:0.3", *["ada:editor:60"] * 9])

    def work() -> None:
        with connect_sync(hub.nodes[0].url, lambda: next(given)) as project:
            project.until(lambda _: any(isinstance(frame, Auth) for frame in hub.nodes[0].frames), SOON)
            project.say("hello").wait_saved(SOON)

    await script(work)
    assert len(hub.nodes[0].hellos) == 1


async def test_no_hub_is_told_in_time() -> None:
    async with running() as hub:
        url = hub.nodes[0].url

    def work() -> None:
        with pytest.raises(NotReached), connect_sync(url, "ada", timeout=0.2):
            pass

    await script(work)


async def test_a_script_waits_for_the_next_happening(hub: Cluster) -> None:
    url = hub.nodes[0].url
    ready = threading.Event()

    def work() -> int:
        with connect_sync(url, "ada") as project:
            with pytest.raises(TimeoutError):
                project.wait_changed(0.01)
            ready.set()
            while not project.scenes:
                project.wait_changed(SOON)
            return len(project.scenes)

    async with connect(url, "lin") as lin:
        working = asyncio.create_task(script(work))
        await asyncio.to_thread(ready.wait, SOON)
        lin.add_scene("One")
        assert await working == 1


async def test_a_script_leaves_a_dead_peer_after_25_seconds_of_silence(hub: Cluster) -> None:
    """M1; the seconds are the clock's, not the test's."""
    node = hub.nodes[0]
    ahead = 0.0
    silent = threading.Event()

    def work() -> None:
        route = Route(addresses(node.url), Timing(), can_renew=False)
        project = SyncProject(
            route, "ada", ids=client_ids(), agent="test", flavour=Flavour.MSGPACK, clock=lambda: monotonic() + ahead
        )
        with project.joined(SOON, SOON):
            node.deaf = True
            lost = project.say("into the void")
            silent.set()
            lost.wait_saved(SOON)

    working = asyncio.create_task(script(work))
    await asyncio.to_thread(silent.wait, SOON)
    ahead = 30.0
    async with asyncio.timeout(SOON):
        while node.lines:  # noqa: ASYNC110 - what is polled is the other side of a socket
            await asyncio.sleep(0.005)
    node.deaf = False
    await working
    assert len(hub.committed()) == 1
