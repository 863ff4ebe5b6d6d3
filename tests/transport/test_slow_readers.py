"""Members that do not read, or send too much, for both adapters: nobody else notices (M2)."""

from __future__ import annotations

import asyncio
import socket

import pytest

from scenehub.protocol.closing import Close
from tests.transport.conftest import Opening
from tests.transport.listening import Guest, Hall, echo, masked, until

BOUND = 200_000
FRAME = b"x" * 5_000


async def stall(hall: Hall, guest: Guest) -> None:
    """Send to a peer that does not read until it lags."""
    async with asyncio.timeout(20):
        while "lagging" not in guest.news:
            for _ in range(20):
                guest.say(FRAME)
            await asyncio.sleep(0)


async def test_a_stalled_reader_lags_within_its_bound_and_drains_when_it_reads(opening: Opening) -> None:
    """M2: the bytes that wait are bounded; what was taken arrives whole; then `drained`, and sending works again."""
    async with opening(limits={"outbox_bytes": BOUND}) as hall, hall.raw(masked(b"hello")) as client:
        await client.frame()
        guest = hall.guests[0]
        await stall(hall, guest)
        assert BOUND < guest.peer.waiting <= BOUND + len(FRAME) + 20
        guest.say(b"lost")
        while "drained" not in guest.news:
            assert await client.frame() == (2, FRAME)
        assert guest.news == ["lagging", "drained"]
        guest.say(b"the delta")
        opcode, payload = await client.frame()
        while payload == FRAME:
            opcode, payload = await client.frame()
        assert (opcode, payload) == (2, b"the delta")


async def test_neighbours_of_a_stalled_reader_get_everything_in_time(opening: Opening) -> None:
    """M2: a broadcast to a stalled and a healthy member reaches the healthy one whole."""

    def broadcast(guest: Guest, payload: bytes | str) -> None:
        for each in hall.guests:
            each.say(FRAME)

    async with (
        opening(Hall(broadcast), limits={"outbox_bytes": BOUND}) as hall,
        hall.raw(masked(b"hello")) as stalled,
        hall.client() as healthy,
    ):
        await stalled.frame()
        for _ in range(2_000):
            await healthy.send(b"edit")
            assert await asyncio.wait_for(healthy.recv(), 5) == FRAME
        assert "lagging" in hall.guests[0].news
        assert hall.guests[1].news == []


async def test_frames_that_belong_together_pass_the_bound_together_or_not_at_all(opening: Opening) -> None:
    async with opening(limits={"outbox_bytes": BOUND}) as hall, hall.raw(masked(b"hello")) as client:
        await client.frame()
        guest = hall.guests[0]
        parts = [guest.peer.framed(bytes((number,)) * 100_000) for number in range(20)]
        guest.peer.send_together(parts)
        guest.peer.send_together(parts)
        for number in range(20):
            assert await client.frame() == (2, bytes((number,)) * 100_000)
        await until(lambda: guest.news == ["lagging", "drained"])


async def test_one_frame_above_the_bound_reaches_a_reader(opening: Opening) -> None:
    async with opening(limits={"outbox_bytes": 1_000}) as hall, hall.client() as websocket:
        await websocket.send(b"hello")
        await websocket.recv()
        hall.guests[0].say(b"x" * 1_000_000)
        assert await websocket.recv() == b"x" * 1_000_000


async def test_the_listener_is_never_called_from_within_send(opening: Opening) -> None:
    async with opening(limits={"outbox_bytes": 1_000}) as hall, hall.client() as websocket:
        await websocket.send(b"hello")
        await websocket.recv()
        guest = hall.guests[0]
        for _ in range(3):
            guest.say(b"x" * 2_000)
        assert guest.news == []
        await until(lambda: guest.news == ["lagging", "drained"])


async def test_a_listener_that_fails_at_lagging_is_closed(opening: Opening, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Guest):
        def lagging(self) -> None:
            raise RuntimeError("planted")

    class FailingHall(Hall):
        def attach(self, peer, project):  # type: ignore[no-untyped-def]
            guest = Failing(peer, project, echo)
            self.guests.append(guest)
            return guest

    async with opening(FailingHall(), limits={"outbox_bytes": 1_000}) as hall, hall.raw(masked(b"hello")) as client:
        await client.frame()
        for _ in range(3):
            hall.guests[0].say(b"x" * 2_000)
        assert await client.close_code() == Close.INTERNAL
    assert "planted" in caplog.text


async def test_a_stalled_reader_that_is_closed_is_gone_in_time(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("fast", "plain"):
        monkeypatch.setattr(f"scenehub.server.transport.{module}.CLOSE_TIMEOUT", 0.1)
    async with opening(limits={"outbox_bytes": BOUND}) as hall, hall.raw(masked(b"hello")) as client:
        await client.frame()
        guest = hall.guests[0]
        await stall(hall, guest)
        guest.peer.close(Close.TOO_SLOW, "too slow")
        await until(lambda: guest.news == ["lagging", "closed"])


async def test_a_flood_does_not_starve_a_neighbour(opening: Opening) -> None:
    """A member that sends 50,000 frames at once: another one's frame is answered before they are all handled."""
    flood = 50_000

    def react(guest: Guest, payload: bytes | str) -> None:
        if payload == b"quick":
            handled = len(hall.guests[0].heard)
            guest.say(str(handled).encode())

    async with opening(Hall(react)) as hall, hall.raw(masked(b"hello")) as flooder, hall.client() as neighbour:
        await until(lambda: hall.guests)
        flooder.send(masked(b"x" * 20) * flood)
        await neighbour.send(b"quick")
        handled = int(await asyncio.wait_for(neighbour.recv(), 10))
        assert handled < flood / 2
        await until(lambda: len(hall.guests[0].heard) == flood + 1, 30)


async def test_pings_from_a_peer_that_reads_nothing_do_not_pile_up(opening: Opening, adapter: str) -> None:
    if adapter == "plain":
        return  # there the server answers pings, out of this code's reach
    async with opening(limits={"outbox_bytes": BOUND}) as hall, hall.raw(masked(b"hello")) as client:
        await client.frame()
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        guest = hall.guests[0]
        client.writer.transport.pause_reading()
        async with asyncio.timeout(60):
            for _ in range(300):
                client.send(masked(b"p" * 125, 9) * 200)
                await client.writer.drain()
                await asyncio.sleep(0)
        assert guest.peer.waiting <= BOUND + 1_000
