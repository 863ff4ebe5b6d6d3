"""F7: hostile frames get a typed error or a close code in the right range; neighbours are not disturbed."""

from __future__ import annotations

import contextlib
from typing import Any

import msgpack
import pytest
import websockets

from scenehub.protocol.closing import Close
from scenehub.protocol.codec import Flavour
from scenehub.protocol.edits import Role
from scenehub.protocol.limits import Limits
from tests.server.raw import Bare, bare, member, running, scene_add, scene_set, token_for


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"x": value}
    return value


BAD_EDITS: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown op", {"kind": "scene.explode", "id": "s"}, "unknown_op"),
    ("a wrong type", scene_set("s", duration="long"), "invalid"),
    ("a fraction of a frame", scene_set("s", duration=1.5), "invalid"),
    ("an unknown field", scene_set("s", colour="red"), "invalid"),
    ("nothing to set", scene_set("s"), "invalid"),
    ("a key that reaches prototypes", scene_set("s", props={"__proto__": 1}), "invalid"),
    ("such a key further down", scene_set("s", props={"a": {"__proto__": 1}}), "invalid"),
    ("U+0000", scene_set("s", name="a\x00b"), "invalid"),
    ("a carriage return in code", scene_set("s", tsx_code="a\r\nb"), "invalid"),
    ("a number too large", scene_set("s", props={"n": 2**60}), "invalid"),
    ("nesting too deep", scene_set("s", props={"n": nested(40)}), "invalid"),
    ("an id with a slash", scene_set("../etc", duration=3), "invalid"),
    ("no such scene", scene_set("nowhere", duration=3), "not_found"),
    ("an op of the system", {"kind": "component.set", "id": "s", "component": {}}, "forbidden"),
    ("code too long", scene_set("s", tsx_code="x" * 300_000), "too_large"),
]


@pytest.mark.parametrize(("op", "code"), [row[1:] for row in BAD_EDITS], ids=[row[0] for row in BAD_EDITS])
async def test_a_bad_edit_is_rejected_once_and_the_next_good_one_is_saved(op: dict[str, Any], code: str) -> None:
    """O7: a typed error that names the culprit, the connection stays, the counter goes on."""
    async with running() as node, member(node) as author, member(node, user="grace") as neighbour:
        await author.edit(scene_add("s"))
        await author.next("commit")
        bad = await author.edit(op)
        reject = await author.next("reject")
        assert (reject["id"], reject["code"]) == (bad, code)
        assert reject["words"]
        good = await author.edit(scene_set("s", duration=7))
        commit = await author.next("commit")
        assert [row["id"] for row in commit["edits"]] == [good]
        await neighbour.next("commit", lambda frame: frame["edits"][-1]["id"] == good)
        assert not [frame for frame in neighbour.seen if frame["t"] == "relay" and frame["edit"]["id"] == bad]


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1", b"\x93\x01\x02", msgpack.packb(7), msgpack.packb({"t": 3}), msgpack.packb({1: 2}), b"\xff" * 999],
    ids=["empty", "reserved byte", "cut short", "a number", "t is a number", "a key is a number", "noise"],
)
async def test_garbage_gets_a_typed_error_and_the_connection_lives(payload: bytes) -> None:
    """F7: what is not a frame is answered by an error, and the session goes on."""
    async with running() as node, member(node) as author:
        await author.socket.send(payload)
        error = await author.next("error")
        assert error["code"] in {"malformed", "unknown_frame", "invalid"}
        assert "Traceback" not in error["words"]
        assert "/" not in error["words"].replace("scenehub.v1.msgpack", "")
        await author.edit(scene_add("s"))
        await author.next("commit")


async def test_garbage_without_end_is_closed() -> None:
    """F7: a client that sends nothing but garbage is sent away for good."""
    async with running() as node, member(node) as author:
        with contextlib.suppress(websockets.ConnectionClosed):
            for _ in range(100):
                await author.socket.send(b"\xc1")
        assert await author.closed() == Close.PROTOCOL_VIOLATION


async def test_a_flood_of_frames_is_closed_and_the_neighbour_is_served() -> None:
    """F7: 10,000 frames a second end in 4203; the neighbour's edit is saved as ever."""
    async with running() as node, member(node) as flooder, member(node, user="grace") as neighbour:
        with contextlib.suppress(websockets.ConnectionClosed):
            for nonce in range(10_000):
                await flooder.send({"t": "ping", "nonce": nonce})
        await neighbour.edit(scene_add("s"))
        await neighbour.next("commit")
        assert await flooder.closed() == Close.RATE_LIMITED


async def test_edits_beyond_the_announced_rate_stay_with_their_author() -> None:
    """F7: too many edits are refused by name, under their id, and may be sent again."""
    async with running(limits=Limits(edits_per_second=10, edit_burst=20)) as node, member(node) as author:
        await author.edit(scene_add("s"))
        for duration in range(1, 40):
            await author.edit(scene_set("s", duration=duration))
        error = await author.next("error")
        assert error["code"] == "rate_limited"
        assert error["id"][0] == author.client


async def test_a_frame_larger_than_the_limit_is_refused_and_not_the_connection() -> None:
    """F7: an edit that is too large is rejected; it does not end in a loop of reconnects."""
    async with running() as node, member(node) as author:
        await author.edit(scene_add("s"))
        await author.next("commit")
        await author.edit(*[scene_set("s", tsx_code="x" * 200_000) for _ in range(5)])
        assert (await author.next("reject"))["code"] == "too_large"


async def test_another_projects_scene_cannot_be_touched() -> None:
    """F7: an edit reaches the project of its connection only."""
    async with running() as node:
        await node.hub.store.create("other", name="Other", fps=30, width=100, height=100)
        async with member(node) as author, bare(node, "other") as elsewhere:
            await author.edit(scene_add("s"))
            await author.next("commit")
            await elsewhere.hello(token_for(node))
            await elsewhere.edit(scene_set("s", duration=1))
            assert (await elsewhere.next("reject"))["code"] == "not_found"
            await elsewhere.edit({"kind": "scene.delete", "id": "s"})
            assert (await elsewhere.next("reject"))["code"] == "not_found"


async def test_an_edit_under_another_clients_id_is_refused() -> None:
    """E1: nobody speaks under another client's counter."""
    async with running() as node, member(node) as author, member(node, user="eve") as impostor:
        impostor.client = author.client
        await impostor.edit(scene_add("s"))
        assert (await impostor.next("error"))["code"] == "invalid"
        await author.edit(scene_add("s"))
        await author.next("commit")


async def refused(connection: Bare, hello: dict[str, Any]) -> int:
    await connection.send({"t": "hello", "client": connection.client, **hello})
    return await connection.closed()


async def test_refusals_at_the_door_are_close_codes() -> None:
    """Design §6: the upgrade is always accepted; the code's range says whether to come back."""
    async with running() as node:
        good = token_for(node)
        async with bare(node) as connection:
            assert await refused(connection, {"token": "nonsense"}) == Close.TOKEN_INVALID
        async with bare(node) as connection:
            assert await refused(connection, {"token": token_for(node, seconds=-5)}) == Close.TOKEN_EXPIRED
        async with bare(node, "nowhere") as connection:
            assert await refused(connection, {"token": good}) == Close.PROJECT_NOT_FOUND
        async with bare(node) as connection:
            assert await refused(connection, {"token": token_for(node, project="other")}) == Close.TOKEN_INVALID
        async with bare(node) as connection:
            assert await refused(connection, {"token": good, "minor": [7, 9]}) == Close.UNSUPPORTED_VERSION
        async with bare(node) as connection:
            assert await refused(connection, {"token": good, "surprise": 1}) == Close.PROTOCOL_VIOLATION
        async with bare(node) as connection:
            await connection.send({"t": "ping"})
            assert await connection.closed() == Close.PROTOCOL_VIOLATION


async def test_a_client_id_belongs_to_its_user() -> None:
    """E1: another user's client id is taken: 4301, take a new one."""
    async with running() as node, member(node) as author, bare(node) as impostor:
        impostor.client = author.client
        assert await refused(impostor, {"token": token_for(node, "eve")}) == Close.CLIENT_ID_TAKEN


async def test_a_viewer_can_change_nothing() -> None:
    """M3: roles are held against every frame."""
    async with running() as node, member(node) as author, member(node, user="vi", role=Role.VIEWER) as viewer:
        await author.edit(scene_add("s"))
        await viewer.next("commit")
        for op in (scene_set("s", duration=1), {"kind": "message.add", "id": "m", "text": "hi"}):
            await viewer.edit(op)
            assert (await viewer.next("reject"))["code"] == "forbidden"
        await viewer.send({"t": "presence", "presence": {"scene": "s"}})
        assert (await viewer.next("error"))["code"] == "forbidden"


async def test_a_commenter_talks_and_changes_nothing_else() -> None:
    """M3."""
    async with running() as node, member(node, role=Role.COMMENTER) as commenter:
        said = await commenter.edit({"kind": "message.add", "id": "m", "text": "hi"})
        assert (await commenter.next("commit"))["edits"][0]["id"] == said
        await commenter.edit(scene_add("s"))
        assert (await commenter.next("reject"))["code"] == "forbidden"


async def test_json_speaks_the_same_frames() -> None:
    """Design §6: the JSON subprotocol carries the same maps."""
    async with running() as node, bare(node, flavour=Flavour.JSON) as reader, member(node) as author:
        await reader.hello(token_for(node))
        id = await author.edit(scene_add("s", tsx_code="export default () => null\n", props={"emoji": "🎬"}))
        relay = await reader.next("relay")
        assert relay["edit"]["id"] == id
        assert relay["edit"]["ops"][0]["props"] == {"emoji": "🎬"}
        assert (await reader.next("commit"))["seq"] == 1
