"""N5: a node that is told to stop commits what it holds, says `bye`, and exits within its grace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from scenehub.protocol.closing import Close
from scenehub.server.app import node, opened_store
from scenehub.server.dev import postgres
from scenehub.server.store.memory import MemoryStore
from tests.server.linked import until
from tests.server.raw import PROJECT, Bare, bare, member, running, scene_add, settings_for, token_for


class SlowStore(MemoryStore):
    """A store whose commits wait until they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.through = asyncio.Event()
        self.asked = asyncio.Event()

    async def commit(self, batches: Any) -> Any:
        self.asked.set()
        await self.through.wait()
        return await super().commit(batches)


async def rest(connection: Bare) -> list[dict[str, Any]]:
    """Everything up to the close."""
    with contextlib.suppress(Exception):
        while True:
            await connection.next()
    return connection.seen


async def test_what_is_held_is_committed_before_the_members_are_sent_away() -> None:
    """N5: each hears of its commit, then one `bye` with a time to come back, then the close."""
    store = SlowStore()
    async with running(store) as running_node, member(running_node) as author, member(running_node) as other:
        for number in range(30):
            await author.edit(scene_add(f"s{number}"))
        await store.asked.wait()
        await other.next("relay", lambda frame: frame["edit"]["id"][1] == 30)
        draining = asyncio.create_task(running_node.hub.drain())
        await until(lambda: running_node.hub.draining)
        async with bare(running_node) as late:
            await late.send({"t": "hello", "token": token_for(running_node), "client": late.client})
            assert await late.closed() == Close.STOPPING
        store.through.set()
        await draining
        for one in (author, other):
            frames = await rest(one)
            seqs = [frame["seq"] + len(frame["edits"]) - 1 for frame in frames if frame["t"] == "commit"]
            assert seqs[-1] == 30
            byes = [frame for frame in frames if frame["t"] == "bye"]
            assert [frame["code"] for frame in byes] == [Close.STOPPING]
            assert 100 <= byes[0]["retry_ms"] <= 3000
            assert frames[-1] is byes[0]
            assert one.socket.close_code == Close.STOPPING
        assert not running_node.hub.connections


async def test_without_a_store_what_is_held_stays_with_its_authors() -> None:
    """N5, E2: nobody is told that it was saved or rejected, and the node does not wait for its whole grace."""
    store = MemoryStore()
    async with running(store, drain_grace=20) as running_node, member(running_node) as author:
        store.away = True
        id = await author.edit(scene_add("s"))
        await author.next("unsaved")
        began = time.monotonic()
        await running_node.hub.drain()
        assert time.monotonic() - began < 1
        frames = await rest(author)
        assert not [frame for frame in frames if frame["t"] in ("commit", "reject")]
        assert frames[-1]["t"] == "bye"
        assert not [frame for frame in frames if id in frame.get("ids", ())]
    store.away = False
    async with running(store) as second, bare(second) as again:
        again.client = author.client
        await again.hello(token_for(second))
        assert again.seen[-1]["outcomes"]["counter"] == 0
        again.counter = 0
        assert await again.edit(scene_add("s")) == id
        assert (await again.next("commit"))["seq"] == 1


async def test_a_store_that_does_not_answer_does_not_keep_a_node_from_stopping() -> None:
    """N5: the grace is kept though a commit hangs."""
    store = SlowStore()
    async with contextlib.AsyncExitStack() as stack:
        running_node = await stack.enter_async_context(running(store, drain_grace=0.5))
        author = await stack.enter_async_context(member(running_node))
        await author.edit(scene_add("s"))
        await store.asked.wait()
        began = time.monotonic()
        await running_node.hub.drain()
        assert 0.4 < time.monotonic() - began < 1.5
        assert await author.closed() == Close.STOPPING
    assert time.monotonic() - began < 5
    assert store.ledger.load(PROJECT).head.seq == 0


async def test_a_join_that_waits_for_the_store_ends_when_the_node_stops() -> None:
    """N5: who is between the door and the room is sent away too."""
    store = MemoryStore()
    load = store.load
    asked, through = asyncio.Event(), asyncio.Event()

    async def slow(project: str) -> Any:
        asked.set()
        await through.wait()
        return await load(project)

    async with running(store) as running_node, bare(running_node) as joining:
        store.load = slow  # type: ignore[method-assign]
        await joining.send({"t": "hello", "token": token_for(running_node), "client": joining.client})
        await asked.wait()
        await running_node.hub.drain()
        assert await joining.closed() == Close.STOPPING
        through.set()
        assert not running_node.hub.connections


@contextlib.contextmanager
def frozen(part: Any) -> Iterator[None]:
    """All processes of a PostgreSQL server stand still."""
    leader = part.pid
    pids = [leader, *(int(pid) for pid in Path(f"/proc/{leader}/task/{leader}/children").read_text().split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.fixture
async def frozen_soon(part_directory: Path) -> AsyncIterator[Any]:
    async with postgres(part_directory / "postgres") as part:
        yield part


async def test_a_node_stops_within_its_grace_while_postgres_is_frozen(frozen_soon: Any) -> None:
    """N5: the database takes connections and answers nothing, as a machine that swaps does."""
    project = f"film-{secrets.token_hex(4)}"
    settings = settings_for(database_url=frozen_soon.url, drain_grace=1.0)
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened_store(settings))
        await store.create(project, name="Film", fps=30, width=100, height=100)
        running_node = await stack.enter_async_context(node(settings, store))
        author = await stack.enter_async_context(bare(running_node, project))
        await author.hello(token_for(running_node))
        await author.edit(scene_add("s"))
        await author.next("commit")
        with frozen(frozen_soon):
            await author.edit(scene_add("t"))
            began = time.monotonic()
            await stack.aclose()
            took = time.monotonic() - began
        assert took < 1.0 + 2.0 + 8.0
