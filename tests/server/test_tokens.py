"""M3, M4: tokens are refreshed in-band, an expired one leads to read-only, and guests are for this machine only."""

from __future__ import annotations

import asyncio
import json
import urllib.request

import pytest

from scenehub.protocol.closing import Close
from scenehub.protocol.edits import Role
from scenehub.server.app import Misconfigured, node
from scenehub.server.store.memory import MemoryStore
from tests.server.raw import bare, member, running, scene_add, scene_set, settings_for, token_for


async def test_an_expired_token_leads_to_read_only_until_a_new_one_comes() -> None:
    """M4: the edit that was refused meanwhile stays its author's and is taken afterwards under its id."""
    async with running() as running_node, member(running_node, seconds=1) as author:
        await author.edit(scene_add("s"))
        await author.next("commit")
        news = await author.next("role")
        assert news["read_only"] is True
        await author.edit(scene_set("s", duration=9))
        assert (await author.next("error"))["code"] == "read_only"
        await author.send({"t": "auth", "token": token_for(running_node)})
        renewed = await author.next("role")
        assert not renewed.get("read_only")
        assert 3_590_000 < renewed["token_ms"] <= 3_600_000
        author.counter -= 1
        id = await author.edit(scene_set("s", duration=9))
        assert (await author.next("commit"))["edits"][0]["id"] == id


async def test_a_new_token_must_be_of_the_same_user() -> None:
    """M4: nobody becomes somebody else in the middle of a session."""
    async with running() as running_node, member(running_node) as author:
        await author.send({"t": "auth", "token": token_for(running_node, "eve")})
        assert await author.closed() == Close.TOKEN_INVALID


async def test_a_token_that_is_not_one_is_answered_and_changes_nothing() -> None:
    """M4."""
    async with running() as running_node, member(running_node) as author:
        await author.send({"t": "auth", "token": "nonsense"})
        assert (await author.next("error"))["code"] == "unauthenticated"
        await author.edit(scene_add("s"))
        await author.next("commit")


async def test_a_new_token_changes_what_a_member_may_do() -> None:
    """M3: a viewer becomes an editor without a new connection, and the others see it."""
    async with (
        running() as running_node,
        member(running_node, role=Role.VIEWER) as viewer,
        member(running_node, user="grace") as neighbour,
    ):
        await viewer.send({"t": "auth", "token": token_for(running_node)})
        assert (await viewer.next("role"))["role"] == "editor"
        news = await neighbour.next("presence", lambda frame: bool(frame.get("members")))
        assert [row["role"] for row in news["members"]] == ["editor"]
        await viewer.edit(scene_add("s"))
        await viewer.next("commit")


async def test_a_guests_token_opens_a_project() -> None:
    """`dev` hands out tokens to whoever asks on this machine."""
    async with running() as running_node, bare(running_node) as guest:
        request = urllib.request.Request(f"{running_node.url}/v1/dev/token", data=b'{"name": "Visitor"}', method="POST")

        def ask() -> dict[str, str]:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return dict(json.load(answer))

        given = await asyncio.to_thread(ask)
        welcome = await guest.hello(given["token"])
        assert welcome["user"] == given["user"]
        assert [row["name"] for row in welcome["members"]] == ["Visitor"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4"])
async def test_guests_are_refused_on_a_public_address(host: str) -> None:
    """Whoever can reach the port would be an editor."""
    settings = settings_for().model_copy(update={"host": host})
    with pytest.raises(Misconfigured, match="can be reached by others"):
        async with node(settings, MemoryStore(), guests=True):
            pass
