"""The server's life: a known port, an orderly end, plain HTTP and plain WebSocket routes beside the fast path."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from scenehub.server.transport.endpoint import socket_route
from scenehub.server.transport.fast import FastPeer
from scenehub.server.transport.plain import PlainPeer
from scenehub.server.transport.server import StartupFailed, listening_socket, serve
from tests.transport.conftest import ADAPTERS, Opening
from tests.transport.listening import Guest, Hall, close_of, masked, until


async def test_each_adapter_is_the_one_under_test(opening: Opening, adapter: str) -> None:
    async with opening() as hall, hall.client() as websocket:
        await websocket.send(b"hello")
        await websocket.recv()
        assert type(hall.guests[0].peer) is (FastPeer if adapter == "fast" else PlainPeer)


async def test_the_end_is_in_order(adapter: str) -> None:
    """N5: no new connections → the application says its `bye` → connections close → the lifespan ends."""
    events: list[str] = []
    hall = Hall()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        events.append("lifespan over")

    async def drain() -> None:
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", hall.port)
        events.append("refuses new connections")
        for guest in hall.guests:
            guest.say(b"bye")
        await asyncio.sleep(0.05)
        events.append("drained")

    async def listen(websocket: Any) -> None:
        await websocket.send(b"hello")
        await websocket.recv()
        events.append((await websocket.recv()).decode())
        code, _ = await close_of(websocket)
        events.append(f"closed {code}")

    app = Starlette(routes=[socket_route(hall.attach)], lifespan=lifespan)
    async with contextlib.AsyncExitStack() as clients:
        async with serve(app, listening_socket("127.0.0.1", 0), drain=drain, **ADAPTERS[adapter]) as serving:
            hall.port = serving.port
            websocket = await clients.enter_async_context(hall.client())
            listening = asyncio.create_task(listen(websocket))
            await until(lambda: hall.guests)
        await listening
    assert events == ["refuses new connections", "bye", "drained", "closed 1012", "lifespan over"]
    assert hall.guests[0].news == ["closed"]


async def test_a_drain_that_takes_too_long_or_fails_does_not_stop_the_end(caplog: pytest.LogCaptureFixture) -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def failing() -> None:
        raise RuntimeError("planted")

    for drain in (for_ever, failing):
        async with serve(Starlette(), listening_socket("127.0.0.1", 0), drain=drain, grace=0.05):
            pass
    assert "did not drain" in caplog.text
    assert "planted" in caplog.text


async def test_clients_that_ignore_the_end_do_not_delay_it(opening: Opening) -> None:
    async with contextlib.AsyncExitStack() as clients:
        loop = asyncio.get_running_loop()
        async with opening() as hall:
            for _ in range(3):
                client = await clients.enter_async_context(hall.raw(masked(b"hello")))
                await client.frame()
            began = loop.time()
        assert loop.time() - began < 8
        await until(lambda: [guest.news for guest in hall.guests] == [["closed"]] * 3)


async def test_a_taken_port_is_an_error_of_the_caller() -> None:
    with contextlib.closing(listening_socket("127.0.0.1", 0)) as first, pytest.raises(OSError):
        listening_socket("127.0.0.1", first.getsockname()[1])


async def test_an_application_that_does_not_start_is_an_error_of_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        raise RuntimeError("planted")
        yield

    with pytest.raises(StartupFailed):
        async with serve(Starlette(lifespan=lifespan), listening_socket("127.0.0.1", 0)):
            pytest.fail("it started")
    assert "planted" in caplog.text


async def test_two_servers_share_a_socket() -> None:
    hall = Hall()
    app = Starlette(routes=[socket_route(hall.attach)])
    listener = listening_socket("127.0.0.1", 0)
    async with serve(app, listener.dup()) as first, serve(app, listener) as second:
        assert first.port == second.port
        hall.port = first.port
        for _ in range(20):
            async with hall.client() as websocket:
                await websocket.send(b"hello")
                assert await websocket.recv() == b"hello"


async def test_http_and_plain_websocket_routes_work_beside_the_fast_path() -> None:
    async def hello(_: object) -> PlainTextResponse:
        return PlainTextResponse("hello")

    async def plain(websocket: WebSocket) -> None:
        await websocket.accept()
        async for message in websocket.iter_bytes():
            await websocket.send_bytes(message)

    app = Starlette(routes=[Route("/", hello), WebSocketRoute("/v1/projects/p/ws", plain)])
    async with serve(app, listening_socket("127.0.0.1", 0)) as serving:
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        writer.close()
        async with connect(f"ws://127.0.0.1:{serving.port}/v1/projects/p/ws") as websocket:
            for size in (1, 1_000, 100_000):
                await websocket.send(b"x" * size)
                assert await websocket.recv() == b"x" * size
        hall = Hall()
        hall.port = serving.port
        async with hall.raw(masked(b"early")) as client:
            assert await client.frame() == (2, b"early")


async def test_everything_of_one_turn_leaves_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    original = FastPeer._next_write

    def counted(self: FastPeer) -> bytes:
        data = original(self)
        written.append(len(data))
        return data

    monkeypatch.setattr(FastPeer, "_next_write", counted)

    def burst(guest: Guest, payload: bytes | str) -> None:
        for _ in range(100):
            guest.say(b"x" * 150)

    hall = Hall(burst)
    async with serve(Starlette(routes=[socket_route(hall.attach)]), listening_socket("127.0.0.1", 0)) as serving:
        hall.port = serving.port
        async with hall.client() as websocket:
            await websocket.send(b"go")
            for _ in range(100):
                await websocket.recv()
            assert written == [100 * (150 + 4)]
