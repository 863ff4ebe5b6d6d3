"""A defect in one room costs that room's members a reconnect, never the node and never an edit."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest

from scenehub.protocol.closing import Close
from scenehub.protocol.ledger import Batch
from scenehub.protocol.room import Room
from scenehub.server.app import Node
from scenehub.server.store.memory import MemoryStore
from tests.server.raw import PROJECT, Bare, bare, member, running, scene_add, token_for


def broken(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("a defect")


async def neighbour_is_served(node: Node) -> None:
    """Another project of the same node takes and stores an edit."""
    await node.hub.store.create("other", name="Other", fps=30, width=100, height=100)
    async with bare(node, "other") as neighbour:
        await neighbour.hello(token_for(node, "grace"))
        await neighbour.edit(scene_add("elsewhere"))
        assert (await neighbour.next("commit"))["seq"] == 1


async def comes_back(author: Bare, node: Node) -> None:
    """The author joins again and its frozen edit is stored once, under its id."""
    async with bare(node) as again:
        again.client = author.client
        await again.hello(token_for(node))
        await again.edit(scene_add("s"))
        await again.next("commit")
        loaded = await node.hub.store.load(PROJECT)
        assert loaded.head.seq == 1


@pytest.mark.parametrize("method", ["take", "verdict", "tick", "head_seen"])
async def test_a_room_that_fails_is_loaded_anew_and_the_node_goes_on(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E2: the members come back, edits are still with their authors, other projects notice nothing."""
    async with running() as node, member(node) as author:
        failing = node.hub.rooms[PROJECT]
        with monkeypatch.context() as patch:
            patch.setattr(Room, method, broken)
            await author.edit(scene_add("s"))
            assert await author.closed() == Close.INTERNAL
        assert failing.dropped
        assert node.hub.rooms.get(PROJECT) is not failing
        await neighbour_is_served(node)


async def test_a_catch_up_that_fails_in_the_room_does_not_end_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """N3."""
    async with running() as node, member(node) as author:
        with monkeypatch.context() as patch:
            patch.setattr(Room, "caught_up", broken)
            live = node.hub.rooms[PROJECT]
            live.perform(live.room.catch_up())
            assert await author.closed() == Close.INTERNAL
        await neighbour_is_served(node)
        await comes_back(author, node)


async def test_a_verdict_that_cannot_be_handled_loses_no_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    """E1, E2: it was stored; sent again it has the same outcome."""
    async with running() as node, member(node) as author:
        with monkeypatch.context() as patch:
            patch.setattr(Room, "verdict", broken)
            await author.edit(scene_add("s"))
            assert await author.closed() == Close.INTERNAL
        await neighbour_is_served(node)
        async with bare(node) as again:
            again.client = author.client
            await again.hello(token_for(node))
            state = again.seen[-1]
            assert state["outcomes"]["counter"] == 1
            assert state["position"][1] == 1


async def test_a_store_that_raises_what_it_should_not_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """N2, E2: the outcome is unknown, so it is looked up and the edit stored once."""
    store = MemoryStore()
    commit = store.commit
    failures = iter([RuntimeError("a defect"), RuntimeError("another")])

    async def failing(batches: list[Batch]) -> Any:
        for error in failures:
            raise error
        return await commit(batches)

    monkeypatch.setattr(store, "commit", failing)
    async with running(store) as node, member(node) as author:
        await author.edit(scene_add("s"))
        assert (await author.next("commit"))["seq"] == 1


async def test_heads_that_cannot_be_handled_do_not_stop_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """N3: the next check finds the tail that was lost."""
    async with running() as node, member(node) as author:
        asked = asyncio.Event()
        heads = node.hub.store.heads

        async def failing(_: Any) -> Any:
            monkeypatch.setattr(node.hub.store, "heads", heads)
            asked.set()
            raise RuntimeError("a defect")

        monkeypatch.setattr(node.hub.store, "heads", failing)
        await asyncio.wait_for(asked.wait(), 5)
        await author.edit(scene_add("s"))
        await author.next("commit")


async def test_dropping_a_room_twice_leaves_its_successor_alone() -> None:
    """N3: the successor still hears the bus."""
    async with running() as node, member(node):
        hub = node.hub
        first = hub.rooms[PROJECT]
        hub.drop(first)
        second = await hub.room(PROJECT)
        heard: list[str] = []
        hub.bus.unsubscribe = heard.append  # type: ignore[method-assign, assignment]
        hub.drop(first)
        assert heard == []
        assert hub.rooms[PROJECT] is second


async def test_a_project_that_is_deleted_is_closed_for_those_who_are_in_it() -> None:
    """O5, N6: members are told, the room goes, and nobody gets in any more."""
    store = MemoryStore()
    async with running(store) as node, member(node) as author:
        del store.ledger._projects[PROJECT]
        assert await author.closed() == Close.PROJECT_NOT_FOUND
        assert PROJECT not in node.hub.rooms
        async with bare(node) as late:
            await late.send({"t": "hello", "token": token_for(node), "client": late.client})
            assert await late.closed() == Close.PROJECT_NOT_FOUND
