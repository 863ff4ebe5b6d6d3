"""Members on two nodes of one deployment: real Postgres, real Valkey, the Python client."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from scenehub.client import Project, Rejected, connect
from scenehub.client.happenings import Overwritten
from scenehub.server.app import Node, node, opened_store
from scenehub.server.store.port import Store
from tests.server.raw import settings_for, token_for

WITHIN = 10.0


@dataclass(frozen=True)
class Pair:
    """Two nodes and a project."""

    a: Node
    b: Node
    store: Store
    project: str

    @contextlib.asynccontextmanager
    async def joined(self, user: str, at: Node, **more: object) -> AsyncIterator[Project]:
        """A member at one of the nodes."""
        url = f"{at.url}/p/{self.project}"
        async with connect(url, token_for(at, user), **more) as project:  # type: ignore[arg-type]
            yield project


@pytest.fixture
async def pair(database_url: str, redis_url: str) -> AsyncIterator[Pair]:
    project = f"film-{secrets.token_hex(6)}"
    async with contextlib.AsyncExitStack() as stack:
        one = settings_for(database_url=database_url, redis_url=redis_url, node="a")
        two = settings_for(database_url=database_url, redis_url=redis_url, node="b")
        store = await stack.enter_async_context(opened_store(one))
        other = await stack.enter_async_context(opened_store(two))
        await store.create(project, name="Film", fps=30, width=1920, height=1080)
        a = await stack.enter_async_context(node(one, store))
        b = await stack.enter_async_context(node(two, other))
        yield Pair(a, b, store, project)


async def test_an_edit_on_one_node_is_seen_on_the_other_and_then_saved(pair: Pair) -> None:
    """S1, S2, P1."""
    async with pair.joined("ada", pair.a) as ada, pair.joined("grace", pair.b) as grace:
        handle = ada.add_scene("Intro", "export default () => null\n", 60)
        await grace.until(lambda project: len(project.scenes) == 1, WITHIN)
        assert await handle.saved(WITHIN) == 1
        await grace.until(lambda project: project.position is not None and project.position.seq == 1, WITHIN)
        assert grace.checksum == ada.checksum


async def test_members_of_both_nodes_see_each_other_come_move_and_go(pair: Pair) -> None:
    """M1."""
    async with pair.joined("ada", pair.a) as ada:
        async with pair.joined("grace", pair.b) as grace:
            for member in (ada, grace):
                await member.until(lambda project: {row.user for row in project.members} == {"ada", "grace"}, WITHIN)
            grace.presence(playhead=42)
            await ada.until(
                lambda project: any(row.presence and row.presence.playhead == 42 for row in project.members), WITHIN
            )
        await ada.until(lambda project: {row.user for row in project.members} == {"ada"}, WITHIN)


async def test_an_overwritten_value_is_told_to_both_and_can_be_taken_back(pair: Pair) -> None:
    """O3, P2: whoever comes later wins, and nobody is overwritten silently."""
    async with pair.joined("ada", pair.a) as ada, pair.joined("grace", pair.b) as grace:
        scene = ada.add_scene("Intro", "", 60)
        await scene.saved(WITHIN)
        await grace.until(lambda project: project.position == ada.position, WITHIN)
        told: list[tuple[str, Overwritten]] = []
        heard = [asyncio.create_task(_overwritten(member, told)) for member in (ada, grace)]
        await asyncio.sleep(0)
        # In one turn of the loop: neither can have seen the other's.
        first, second = ada.rename(scene.entity, "By Ada"), grace.rename(scene.entity, "By Grace")
        await asyncio.gather(first.saved(WITHIN), second.saved(WITHIN))
        async with asyncio.timeout(WITHIN):
            await asyncio.gather(*heard)
        assert ada.scene(scene.entity).name == grace.scene(scene.entity).name
        assert {user for user, _ in told} == {"ada", "grace"}
        loser, notice = next((user, row) for user, row in told if row.mine)
        member = ada if loser == "ada" else grace
        await member.take_mine(notice.notice).saved(WITHIN)
        assert member.scene(scene.entity).name == ("By Ada" if loser == "ada" else "By Grace")


async def _overwritten(member: Project, told: list[tuple[str, Overwritten]]) -> None:
    async for happening in member.events():
        if isinstance(happening, Overwritten):
            told.append((member.user, happening))
            return


async def test_code_written_by_two_at_once_is_merged_and_nothing_is_lost(pair: Pair) -> None:
    """O4: code is always guarded; what does not overlap is merged at the author."""
    lines = [f"const line{number} = {number};" for number in range(12)]
    async with pair.joined("ada", pair.a) as ada, pair.joined("grace", pair.b) as grace:
        scene = ada.add_scene("Intro", "\n".join(lines), 60)
        await scene.saved(WITHIN)
        await grace.until(lambda project: project.position == ada.position, WITHIN)
        first = ada.set_code(scene.entity, "\n".join(["// Ada", *lines]))
        second = grace.set_code(scene.entity, "\n".join([*lines, "// Grace"]))
        await asyncio.gather(first.saved(WITHIN), second.saved(WITHIN))
        merged = "\n".join(["// Ada", *lines, "// Grace"])
        for member in (ada, grace):
            await member.until(lambda project: project.scenes[0].tsx_code == merged, WITHIN)


async def test_an_edit_of_a_deleted_scene_is_rejected_and_can_be_kept_by_restoring(pair: Pair) -> None:
    """O5, P3."""
    async with pair.joined("ada", pair.a) as ada, pair.joined("grace", pair.b) as grace:
        scene = ada.add_scene("Intro", "", 60)
        await scene.saved(WITHIN)
        await grace.until(lambda project: len(project.scenes) == 1, WITHIN)
        await ada.delete_scene(scene.entity).saved(WITHIN)
        with pytest.raises(Rejected) as rejected:
            await grace.rename(scene.entity, "Too late").saved(WITHIN)
        assert rejected.value.code == "scene_deleted"
        await grace.take_mine(rejected.value).saved(WITHIN)
        await ada.until(lambda project: [row.name for row in project.scenes] == ["Too late"], WITHIN)


async def test_a_newer_connection_of_a_client_supersedes_the_older_on_another_node(pair: Pair) -> None:
    """M5."""
    async with (
        pair.joined("ada", pair.a, client_id="one-client") as older,
        pair.joined("ada", pair.b, client_id="one-client") as newer,
    ):
        with pytest.raises(Exception, match="newer connection"):
            await older.until(lambda project: False, WITHIN)
        assert await newer.set_project(name="Ours").saved(WITHIN) == 1


async def test_two_nodes_that_contend_for_one_project_save_everything_once(pair: Pair) -> None:
    """N2: whoever is overtaken catches up and tries again, after three misses under the lock."""
    async with pair.joined("ada", pair.a) as ada, pair.joined("grace", pair.b) as grace:
        made = []
        for number in range(100):
            made += [ada.set_project(props={"a": number}), grace.set_project(props={"b": number})]
            await asyncio.sleep(0.002)
        seqs = await asyncio.gather(*(handle.saved(30) for handle in made))
        assert sorted(seqs) == list(range(1, 201))
        for member in (ada, grace):
            await member.until(lambda project: project.position is not None and project.position.seq == 200, WITHIN)
        assert ada.checksum == grace.checksum


async def test_a_node_that_is_drained_sends_its_members_to_the_other(pair: Pair) -> None:
    """N5: what is held is stored, members are told when to come back, and go on elsewhere."""
    urls = [f"{each.url}/p/{pair.project}" for each in (pair.a, pair.b)]
    async with connect(urls, token_for(pair.a, "ada")) as ada:
        handle = ada.set_project(name="Before the end")
        await pair.a.hub.drain()
        assert await handle.saved(WITHIN) == 1
        assert await ada.set_project(name="After it").saved(WITHIN) == 2
        assert not pair.a.hub.connections
