"""N4, E2: without a store edits are shown and kept, up to a bound; then they go back to their authors."""

from __future__ import annotations

from typing import Any

import pytest

import scenehub.protocol.room
import scenehub.protocol.saving
from scenehub.protocol.edits import Edit, EditId
from scenehub.protocol.limits import Limits
from scenehub.protocol.presence import Member
from scenehub.server.bus.memory import Medium
from scenehub.server.store.memory import MemoryStore
from tests.server.linked import linked_node, until
from tests.server.raw import PROJECT, member, running, scene_add, scene_set


class Notes:
    """An observer that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def joined(self, _project: str, member: Member) -> None:
        self.heard.append(("joined", member.client))

    def left(self, _project: str, client: str) -> None:
        self.heard.append(("left", client))

    def relayed(self, _project: str, edit: Edit, _user: str) -> None:
        self.heard.append(("relayed", edit.id))

    def saved(self, _project: str, seq: int, _edits: int, _seconds: float) -> None:
        self.heard.append(("saved", seq))

    def rejected(self, _project: str, id: EditId, code: str, _words: str) -> None:
        self.heard.append(("rejected", id, code))

    def store(self, *, away: bool) -> None:
        self.heard.append(("store", away))

    def room(self, _project: str, *, opened: bool) -> None:
        self.heard.append(("room", opened))


async def test_edits_that_waited_too_long_go_back_and_are_saved_when_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """N4: 30 s in earnest, one here. New ones are not held then; afterwards the same ids are saved, in order."""
    for module in (scenehub.protocol.room, scenehub.protocol.saving):
        monkeypatch.setattr(module, "HELD_AT_MOST", 1.0)
    store = MemoryStore()
    async with running(store) as node, member(node) as author, member(node, user="grace") as neighbour:
        store.away = True
        ids = [await author.edit(scene_add(f"s{number}")) for number in range(3)]
        await neighbour.next("relay", lambda frame: frame["edit"]["id"] == ids[-1])
        assert (await author.next("unsaved"))["held"] is True
        for one in (author, neighbour):
            back = await one.next("unsaved", lambda frame: bool(frame.get("ids")))
            assert (back["ids"], back.get("held", False)) == (ids, False)
        late = await author.edit(scene_add("s3"))
        refused = await author.next("error", lambda frame: frame["id"] == late)
        assert refused["code"] == "counter_gap"
        author.counter -= 4
        first = await author.edit(scene_add("s0"))
        assert first == ids[0]
        assert (await author.next("unsaved", lambda frame: bool(frame.get("ids"))))["ids"] == [first]
        store.away = False
        await until(lambda: not node.hub.committer.away)
        author.counter -= 1
        for number in range(4):
            await author.edit(scene_add(f"s{number}"))
        await author.next("commit", lambda frame: frame["edits"][-1]["id"] == late)
        assert store.ledger.load(PROJECT).head.seq == 4


async def test_edits_beyond_the_bound_in_bytes_go_back_at_once() -> None:
    """N4: what was taken before is held all the same."""
    store = MemoryStore()
    async with running(store, limits=Limits(room_queue_bytes=150_000)) as node, member(node) as author:
        await author.edit(scene_add("s"))
        await author.next("commit")
        store.away = True
        held = await author.edit(scene_set("s", tsx_code="x" * 100_000))
        back = await author.edit(scene_set("s", tsx_code="y" * 100_000))
        unsaved = await author.next("unsaved", lambda frame: bool(frame.get("ids")))
        assert unsaved["ids"] == [back]
        store.away = False
        assert (await author.next("commit"))["edits"][-1]["id"] == held
        author.counter -= 1
        assert await author.edit(scene_set("s", tsx_code="z")) == back
        await author.next("commit")


async def test_a_catch_up_that_meets_an_outage_is_repeated() -> None:
    """N3, N4: the room says so, goes on when the store is back, and lets nobody wait for ever."""
    store = MemoryStore()
    async with running(store) as node, member(node) as author:
        live = node.hub.rooms[PROJECT]
        store.away = True
        live.perform(live.room.catch_up())
        assert (await author.next("unsaved"))["held"] is True
        await author.edit(scene_add("s"))
        store.away = False
        await author.next("commit")
        assert not live.room.catching_up


async def test_an_observer_hears_once_that_the_store_went_and_came_back() -> None:
    """N4: also when nobody edits."""
    store, notes = MemoryStore(), Notes()
    await store.create(PROJECT, name="Film", fps=30, width=1920, height=1080)
    async with linked_node("a", store, Medium(), observer=notes) as node, member(node) as author:
        store.away = True
        await author.edit(scene_add("s"))
        await author.next("unsaved")
        store.away = False
        await author.next("commit")
        store.away = True
        await until(lambda: node.hub.committer.away)
        store.away = False
        await until(lambda: not node.hub.committer.away)
        assert [row[1] for row in notes.heard if row[0] == "store"] == [True, False, True, False]


async def test_an_observer_hears_who_came_and_went_and_which_edit_was_rejected() -> None:
    """S3, M5: also of a session that the hub ended."""
    store, notes = MemoryStore(), Notes()
    await store.create(PROJECT, name="Film", fps=30, width=1920, height=1080)
    async with linked_node("a", store, Medium(), observer=notes) as node:
        async with member(node) as author:
            id = await author.edit(scene_set("nowhere", duration=1))
            await author.next("reject")
            assert ("rejected", EditId(*id), "not_found") in notes.heard
        async with member(node) as silent:
            live = node.hub.rooms[PROJECT]
            live.room.attendance.clients[silent.client].heard -= 60
            await silent.closed()
        await until(lambda: ("left", silent.client) in notes.heard)
        for client in (author.client, silent.client):
            assert [row[0] for row in notes.heard if row[1] == client] == ["joined", "left"]
