"""The behaviour of a connection, for both adapters: flavours, order, sizes, closing, and what may go wrong."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct

import pytest

from scenehub.protocol.closing import Close
from scenehub.server.transport import outbox
from scenehub.server.transport.fast import FastPeer
from tests.transport.conftest import Opening
from tests.transport.listening import JSON, MSGPACK, Guest, Hall, close_of, echo, masked, until

SIZES = [0, 1, 125, 126, 65535, 65536, 1024 * 1024]


async def test_messages_of_every_size_come_back_whole(opening: Opening) -> None:
    async with opening() as hall, hall.client() as websocket:
        await websocket.send(b"hello")
        assert await websocket.recv() == b"hello"
        for size in SIZES:
            message = bytes(index & 255 for index in range(min(size, 256))) * max(1, size // 256)
            await websocket.send(message)
            assert await websocket.recv() == message


async def test_json_travels_as_text_and_msgpack_as_binary(opening: Opening) -> None:
    async with opening() as hall:
        async with hall.client(JSON) as websocket:
            assert websocket.subprotocol == JSON
            await websocket.send("schön 🎬")
            assert await websocket.recv() == "schön 🎬"
        async with hall.client(MSGPACK) as websocket:
            assert websocket.subprotocol == MSGPACK
            await websocket.send(b"\x81\xa1t\xa5hello")
            assert await websocket.recv() == b"\x81\xa1t\xa5hello"


async def test_a_silent_client_answers_a_ping_where_the_adapter_can_ask(opening: Opening) -> None:
    """M1: a sign of life below the frames; over plain ASGI there is none, and nothing breaks."""
    async with opening() as hall, hall.client() as websocket:
        await websocket.send(b"hello")
        await websocket.recv()
        hall.guests[0].peer.ping()
        await websocket.send(b"again")
        await websocket.recv()
        if isinstance(hall.guests[0].peer, FastPeer):
            await until(lambda: hall.guests[0].news == ["alive"])
        assert not hall.guests[0].peer.closing


async def test_the_listener_is_told_text_from_binary(opening: Opening) -> None:
    async with opening() as hall, hall.client() as websocket:
        await websocket.send("text where binary belongs")
        await websocket.recv()
        assert hall.guests[0].heard == ["text where binary belongs"]


async def test_the_clients_first_known_subprotocol_is_taken(opening: Opening) -> None:
    async with opening() as hall, hall.client("scenehub.v9.cbor", JSON, MSGPACK) as websocket:
        assert websocket.subprotocol == JSON


async def test_a_client_that_offers_no_subprotocol_speaks_msgpack(opening: Opening) -> None:
    async with opening() as hall, hall.client(subprotocols=None) as websocket:
        assert websocket.subprotocol is None
        await websocket.send(b"hello")
        assert await websocket.recv() == b"hello"
        assert hall.guests[0].peer.flavour == MSGPACK


async def test_an_unknown_subprotocol_is_refused_by_a_code_and_not_by_the_upgrade(opening: Opening) -> None:
    async with opening() as hall, hall.client("scenehub.v9.cbor") as websocket:
        code, reason = await close_of(websocket)
        assert code == Close.UNSUPPORTED_VERSION
        assert MSGPACK in reason
        assert hall.guests == []


async def test_compression_is_not_negotiated(opening: Opening) -> None:
    async with opening(ws_per_message_deflate=False) as hall, hall.client(compression="deflate") as websocket:
        assert "Sec-WebSocket-Extensions" not in websocket.response.headers


async def test_ten_thousand_frames_of_one_turn_arrive_in_order(opening: Opening) -> None:
    def burst(guest: Guest, payload: bytes | str) -> None:
        for number in range(10_000):
            guest.say(struct.pack("!I", number))

    async with opening(Hall(burst)) as hall, hall.client() as websocket:
        await websocket.send(b"go")
        assert [struct.unpack("!I", await websocket.recv())[0] for _ in range(10_000)] == list(range(10_000))


async def test_messages_are_heard_in_the_order_they_were_sent(opening: Opening) -> None:
    async with opening(Hall(lambda guest, payload: None)) as hall, hall.client() as websocket:
        for number in range(2_000):
            await websocket.send(struct.pack("!I", number))
        await until(lambda: hall.guests and len(hall.guests[0].heard) == 2_000)
        assert hall.guests[0].heard == [struct.pack("!I", number) for number in range(2_000)]


# The first frame.


async def test_frames_that_share_a_segment_with_the_upgrade_are_heard(opening: Opening, adapter: str) -> None:
    async with opening() as hall, hall.raw(masked(b"hello") + masked(b"and more")) as client:
        assert await client.frame() == (2, b"hello")
        assert await client.frame() == (2, b"and more")


async def test_a_client_that_says_nothing_is_closed_in_time(opening: Opening) -> None:
    async with opening(limits={"hello_timeout": 0.05}) as hall, hall.client() as websocket:
        assert (await close_of(websocket))[0] == Close.HELLO_TIMEOUT
        assert hall.guests == []


async def test_a_client_that_said_hello_is_not_timed_out(opening: Opening) -> None:
    async with opening(limits={"hello_timeout": 0.05}) as hall, hall.client() as websocket:
        await websocket.send(b"hello")
        await websocket.recv()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(websocket.recv(), 0.15)


async def test_a_first_frame_above_its_limit_is_a_violation(opening: Opening) -> None:
    async with opening(limits={"hello_bytes": 1000}) as hall, hall.client() as websocket:
        await websocket.send(b"x" * 1001)
        assert (await close_of(websocket))[0] == Close.PROTOCOL_VIOLATION
        assert hall.guests == []


async def test_the_hub_gets_the_projects_id_and_the_peers_address(opening: Opening) -> None:
    async with opening() as hall, hall.client() as websocket:
        await websocket.send(b"hello")
        await websocket.recv()
        assert hall.guests[0].project == "p"
        assert hall.guests[0].peer.address == f"127.0.0.1:{websocket.local_address[1]}"


# What fails.


async def test_a_listener_that_raises_costs_only_its_connection(
    opening: Opening, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(guest: Guest, payload: bytes | str) -> None:
        if payload == b"fail":
            raise RuntimeError("planted")
        echo(guest, payload)

    async with opening(Hall(fail)) as hall, hall.client() as victim, hall.client() as neighbour:
        await neighbour.send(b"one")
        await victim.send(b"fail")
        assert await close_of(victim) == (Close.INTERNAL, "internal error")
        await neighbour.send(b"two")
        assert [await neighbour.recv(), await neighbour.recv()] == [b"one", b"two"]
        await until(lambda: [guest.news for guest in hall.guests if guest.heard == [b"fail"]] == [["closed"]])
    assert "planted" in caplog.text


async def test_a_hub_that_cannot_attach_closes_with_a_code(opening: Opening, caplog: pytest.LogCaptureFixture) -> None:
    class Shut(Hall):
        def attach(self, peer: object, project: str) -> Guest:
            raise RuntimeError("planted")

    async with opening(Shut()) as hall, hall.client() as websocket:
        await websocket.send(b"hello")
        assert (await close_of(websocket))[0] == Close.INTERNAL
    assert "planted" in caplog.text


async def test_fragments_are_put_together_around_a_ping(opening: Opening) -> None:
    async with opening() as hall, hall.raw() as client:
        client.send(masked(b"one ", fin=False) + masked(b"are you there", 9) + masked(b"", 0, fin=False))
        assert await client.frame() == (10, b"are you there")
        client.send(masked(b"message", 0))
        assert await client.frame() == (2, b"one message")


async def test_a_message_that_drips_in_is_heard_whole(opening: Opening) -> None:
    async with opening() as hall, hall.raw() as client:
        for byte in masked(b"x" * 200) + masked(b"y" * 10):
            client.send(bytes((byte,)))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert await client.frame() == (2, b"x" * 200)
        assert await client.frame() == (2, b"y" * 10)


BROKEN = {
    "not masked": (b"\x82\x05hello", 1002),
    "an unknown opcode": (masked(b"hello", 3), 1002),
    "a reserved bit": (b"\xc2" + masked(b"hello")[1:], 1002),
    "a continuation of nothing": (masked(b"hello", 0), 1002),
    "a message within a message": (masked(b"one", fin=False) + masked(b"two"), 1002),
    "a long ping": (masked(b"x" * 126, 9), 1002),
    "text that is not UTF-8": (masked(b"\xff\xfe", 1), 1007),
    "a huge frame": (b"\x82\xff" + struct.pack("!Q", 1 << 40) + b"mask" + b"x" * 1000, 1009),
    "a huge message in fragments": (masked(b"x" * 60_000, fin=False) + masked(b"x" * 60_000, 0), 1009),
    "garbage": (bytes(range(255, 0, -1)) * 20, 1002),
}


@pytest.mark.parametrize("what", list(BROKEN))
async def test_what_breaks_a_rule_of_websocket_is_closed_with_its_code(opening: Opening, what: str) -> None:
    data, code = BROKEN[what]
    async with opening(ws_max_size=100_000) as hall, hall.client() as neighbour:
        async with hall.raw(masked(b"hello")) as client:
            assert await client.frame() == (2, b"hello")
            client.send(data)
            assert await client.close_code() == code
            await client.ends()
        await until(lambda: hall.guests[0].news == ["closed"])
        assert hall.guests[0].heard == [b"hello"]
        await neighbour.send(b"still here")
        assert await neighbour.recv() == b"still here"


# The end.


async def test_the_servers_close_comes_after_what_was_sent(opening: Opening) -> None:
    def leave(guest: Guest, payload: bytes | str) -> None:
        guest.say(b"last words")
        guest.peer.close(Close.SUPERSEDED, "a newer session " + "ü" * 100)
        guest.peer.close(Close.INTERNAL, "a second close is no close")
        guest.say(b"too late")

    async with opening(Hall(leave)) as hall, hall.client() as websocket:
        await websocket.send(b"hello")
        assert await websocket.recv() == b"last words"
        code, reason = await close_of(websocket)
        assert code == Close.SUPERSEDED
        assert reason.startswith("a newer session ü")
        await until(lambda: hall.guests[0].news == ["closed"])


async def test_what_comes_after_the_close_is_not_heard(opening: Opening) -> None:
    def leave(guest: Guest, payload: bytes | str) -> None:
        guest.peer.close(Close.FORBIDDEN, "go")

    async with opening(Hall(leave)) as hall, hall.raw() as client:
        client.send(masked(b"hello") + masked(b"late") * 200)
        assert await client.close_code() == Close.FORBIDDEN
        client.send(masked(b"later") + masked(struct.pack("!H", Close.FORBIDDEN), 8))
        await client.ends()
        await until(lambda: hall.guests[0].news == ["closed"])
        assert hall.guests[0].heard == [b"hello"]


async def test_a_clients_close_is_answered_and_heard_once(opening: Opening) -> None:
    async with opening() as hall:
        async with hall.client() as websocket:
            await websocket.send(b"hello")
            await websocket.recv()
        assert websocket.close_code == 1000
        await until(lambda: hall.guests[0].news == ["closed"])


async def test_a_client_that_vanishes_is_heard_and_can_be_written_to(opening: Opening) -> None:
    async with opening() as hall:
        async with hall.raw(masked(b"hello")) as client:
            await client.frame()
            linger = struct.pack("ii", 1, 0)
            client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            client.writer.transport.abort()
        guest = hall.guests[0]
        for _ in range(10):
            guest.say(b"is anybody there")
        await until(lambda: guest.news == ["closed"])
        guest.say(b"nobody")
        guest.peer.close(Close.INTERNAL, "gone already")
        assert guest.peer.waiting == 0


async def test_a_client_that_does_not_answer_the_close_is_cut_off(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("fast", "plain"):
        monkeypatch.setattr(f"scenehub.server.transport.{module}.CLOSE_TIMEOUT", 0.1)
    assert outbox.CLOSE_TIMEOUT == 5.0

    def leave(guest: Guest, payload: bytes | str) -> None:
        guest.peer.close(Close.FORBIDDEN, "go")

    async with opening(Hall(leave)) as hall, hall.raw(masked(b"hello")) as client:
        assert await client.close_code() == Close.FORBIDDEN
        await until(lambda: hall.guests[0].news == ["closed"])


async def test_a_connection_leaves_no_line_in_the_log(opening: Opening, caplog: pytest.LogCaptureFixture) -> None:
    """A token in a query string, where none belongs, is not written down either."""
    with caplog.at_level(logging.INFO):
        async with opening() as hall:
            url = hall.url
            hall.url = lambda project="p": url(project) + "?token=s3cret"  # type: ignore[method-assign]
            async with hall.client() as websocket:
                await websocket.send(b"hello")
                await websocket.recv()
    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "scenehub"))] == []
    assert "s3cret" not in "".join(
        record.getMessage() for record in caplog.records if record.name != "websockets.client"
    )
