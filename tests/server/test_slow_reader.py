"""F4, M2: one member who stops reading slows nobody, and is up to date with one delta when it reads again."""

from __future__ import annotations

import asyncio

from scenehub.protocol.limits import Limits
from tests.server.raw import Bare, member, running, scene_add, scene_set

CODE = "x" * 100_000
EDITS = 300
"""Far more bytes than the kernel's buffers and the outbox hold together."""


async def test_a_member_who_stops_reading_gets_one_delta_and_slows_nobody() -> None:
    """The neighbour sees every edit while the stalled one sees none; memory stays within the outbox's bound."""
    limits = Limits(outbox_bytes=1_000_000, edits_per_second=10_000, edit_burst=10_000)
    async with (
        running(limits=limits) as node,
        member(node) as author,
        member(node, user="grace") as neighbour,
        member(node, user="sleepy") as stalled,
    ):
        await author.edit(scene_add("s"))
        await stalled.next("commit")
        stalled.socket.transport.pause_reading()
        watching = asyncio.create_task(_relays(neighbour, EDITS))
        writing = asyncio.create_task(_commits(author))
        for number in range(EDITS):
            await author.edit(scene_set("s", name=f"{number}", tsx_code=f"{number}{CODE}"))
            await asyncio.sleep(0)
        last = [author.client, author.counter]
        async with asyncio.timeout(60):
            assert await watching == EDITS
            await writing
        most_waiting = max(connection.peer.waiting for connection in node.hub.connections)
        assert 0 < most_waiting < limits.outbox_bytes + 2 * len(CODE)
        stalled.socket.transport.resume_reading()
        async with asyncio.timeout(30):
            delta = await stalled.next("state")
        assert delta["reason"] == "delta"
        assert delta["position"][2] == last
        assert len([frame for frame in stalled.seen if frame["t"] == "relay"]) < EDITS / 2
        await author.edit(scene_set("s", name="afterwards"))
        await stalled.next("commit")


async def _relays(reader: Bare, count: int) -> int:
    for _ in range(count):
        await reader.next("relay")
    return count


async def _commits(author: Bare) -> None:
    while True:
        commit = await author.next("commit")
        if commit["edits"][-1]["id"][1] == EDITS + 1:
            return


async def test_a_project_larger_than_the_outbox_can_be_joined() -> None:
    """M2, E3: the parts of a state leave together, whatever the bound on what waits."""
    limits = Limits(outbox_bytes=300_000, frame_bytes=200_000, edit_bytes=400_000)
    async with running(limits=limits) as node, member(node) as author:
        for number in range(10):
            await author.edit(scene_add(f"s{number}", tsx_code=CODE))
        await author.next("commit", lambda frame: frame["edits"][-1]["id"][1] == author.counter)
        async with member(node, user="late") as late:
            parts = [frame for frame in late.seen if frame["t"] == "state"]
            assert len(parts) == parts[0]["parts"] > 5
            assert sum(len(part["entities"]) for part in parts) == 11
            await author.edit(scene_set("s1", name="afterwards"))
            await late.next("commit")
