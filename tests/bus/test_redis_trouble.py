"""The Redis bus when its server hangs, dies, refuses or talks nonsense: nobody waits, nothing grows, it comes back."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgpack
import psutil
import pytest
import redis.asyncio as redis

from scenehub.server.bus.redis import RedisBus
from scenehub.server.dev import Valkey, valkey
from tests.bus.ears import Ear, numbered, until

MIB = 2**20


@pytest.fixture
async def server(part_directory: Path) -> AsyncIterator[Valkey]:
    async with valkey(part_directory) as running:
        yield running


@asynccontextmanager
async def outsider(server: Valkey) -> AsyncIterator[redis.Redis]:
    """Somebody on the same server who is no node."""
    async with redis.Redis.from_url(server.url) as client:
        yield client


@asynccontextmanager
async def paused(server: Valkey) -> AsyncIterator[None]:
    """The server takes connections and bytes, as far as the kernel does, and answers nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def let_it_try(port: int, attempts: int) -> list[float]:
    """Hang up on those who call the port until they have called so often; when they did (monotonic)."""
    calls: list[float] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(time.monotonic())
        writer.transport.abort()

    async with await asyncio.start_server(hang_up, "127.0.0.1", port):
        await until(lambda: len(calls) >= attempts)
    return calls


async def test_the_events_of_one_turn_are_one_message_a_project(server: Valkey) -> None:
    async with outsider(server) as client, client.pubsub() as channel, RedisBus(server.url, "a", "1") as a:
        await channel.subscribe("scenehub:{p}", "scenehub:{q}")
        for event in numbered(100):
            a.publish("p", event)
            a.publish("q", event)
        found: list[dict[str, bytes]] = []
        async with asyncio.timeout(10):
            while len(found) < 2:
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=None)
                found += [message] if message else []
    expected = [1, "a", "1", numbered(100)]
    assert [(one["channel"], msgpack.unpackb(one["data"])) for one in found] == [
        (b"scenehub:{p}", expected),
        (b"scenehub:{q}", expected),
    ]


async def test_two_installations_on_one_server_do_not_hear_each_other(server: Valkey) -> None:
    ear = Ear()
    async with (
        RedisBus(server.url, "a", "1", prefix="ours:") as a,
        RedisBus(server.url, "b", "1", prefix="ours:") as b,
        RedisBus(server.url, "c", "1", prefix="theirs:") as c,
    ):
        await ear.listen(b, "p", a)
        c.publish("p", {"n": 1})
        await until(lambda: c.counts.published == 1)
        a.publish("p", {"n": 2})
        await until(lambda: ear.events)
    assert ear.numbers == [2]


async def test_a_paused_server_makes_nobody_wait_and_nothing_grow_and_is_noticed(server: Valkey) -> None:
    """N3: with Redis hanging the node goes on; a queue has a bound in bytes."""
    ear = Ear()
    bound = 2 * MIB
    event = {"text": "x" * 16_000}
    async with RedisBus(server.url, "a", "1", queue=bound) as a, RedisBus(server.url, "b", "1") as b:
        await ear.listen(b, "p", a)
        before = psutil.Process().memory_info().rss
        handed = a.counts.published + a.counts.dropped
        slowest = 0.0
        async with paused(server):
            started = time.monotonic()
            for _ in range(400):  # 256 MB in all, paced so that it lasts past the moment at which the hang is noticed
                called = time.monotonic()
                for _ in range(40):
                    a.publish("p", event)
                    handed += 1
                assert a.waiting <= bound
                slowest = max(slowest, time.monotonic() - called)
                await asyncio.sleep(0.01)
            grown = psutil.Process().memory_info().rss - before
            await until(lambda: not a.connected and not b.connected)
            noticed = time.monotonic() - started
        assert grown < 64 * MIB
        assert slowest < 0.25  # 40 calls; a wait for the server would be seconds
        assert noticed < 9
        await until(lambda: a.connected and b.connected)
        await ear.hear("p", a)
        await until(lambda: a.waiting == 0)
        assert a.counts.dropped > 10_000
        assert a.counts.reconnects == 1
    assert a.counts.published + a.counts.dropped > handed


async def test_leaving_does_not_wait_long_for_a_server_that_hangs(server: Valkey) -> None:
    a = await RedisBus(server.url, "a", "1").__aenter__()
    async with paused(server):
        async with RedisBus(server.url, "b", "1") as b:
            assert not b.connected  # it entered nevertheless
        a.publish("p", {"n": 1})
        started = time.monotonic()
        await a.__aexit__(None, None, None)
        assert time.monotonic() - started < 1.5
        assert (a.counts.published, a.counts.dropped, a.connected) == (0, 1, False)


async def test_a_short_pause_costs_nothing_but_time(server: Valkey) -> None:
    ear = Ear()
    async with RedisBus(server.url, "a", "1") as a, RedisBus(server.url, "b", "1") as b:
        await ear.listen(b, "p", a)
        async with paused(server):
            for event in numbered(1000):
                a.publish("p", event | {"text": "x" * 1000})
                if event["n"] % 10 == 0:
                    await asyncio.sleep(0)
        await until(lambda: len(ear.events) == 1000)
        assert ear.numbers == list(range(1000))
        assert (a.counts.dropped, a.counts.reconnects, b.counts.reconnects) == (0, 0, 0)


async def test_after_a_kill_the_bus_is_back_within_a_second_of_the_server(server: Valkey) -> None:
    """Design §2: presence is back ≤ 1 s after Redis is (judged here at three times that)."""
    ear = Ear()
    async with RedisBus(server.url, "a", "1") as a, RedisBus(server.url, "b", "1") as b:
        await ear.listen(b, "p", a)
        for project in range(2000):
            b.subscribe(f"p{project}", ear)
        for attempts in (0, 12):
            await server.kill()
            await until(lambda: not a.connected and not b.connected)
            await let_it_try(server.port, attempts)
            await server.start()
            started = time.monotonic()
            await until(lambda: a.connected and b.connected)
            assert time.monotonic() - started < 3
            a.publish("p1999", {"n": 1})
            await until(lambda: 1 in ear.numbers)
            ear.events.clear()


async def test_a_listener_whom_the_server_throws_out_comes_back(server: Valkey) -> None:
    ear = Ear()
    async with outsider(server) as client, RedisBus(server.url, "a", "1") as a, RedisBus(server.url, "b", "1") as b:
        await ear.listen(b, "p", a)
        assert await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
        await until(lambda: b.counts.reconnects == 1)
        await ear.hear("p", a)
        assert a.counts.reconnects == 0


async def test_nonsense_on_a_channel_is_counted_and_ignored(server: Valkey) -> None:
    ear = Ear()
    nonsense = [b"", b"\xc1", b"hello", msgpack.packb({"n": 1}), msgpack.packb([1, "c", "1", [7]]), b"\x91" * 5000]
    async with outsider(server) as client, RedisBus(server.url, "a", "1") as a, RedisBus(server.url, "b", "1") as b:
        await ear.listen(b, "p", a)
        for message in nonsense:
            assert await client.publish("scenehub:{p}", message) == 1
        a.publish("p", {"n": 1})
        await until(lambda: ear.events)
        assert (ear.numbers, b.counts.malformed, b.counts.reconnects) == ([1], len(nonsense), 0)


async def test_a_password_is_used_and_its_lack_is_told_without_it(
    part_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with valkey(part_directory) as server, outsider(server) as client:
        await client.config_set("requirepass", "s3cret")
        good = server.url.replace("redis://", "redis://:s3cret@")
        bad = server.url.replace("redis://", "redis://:wr0ng@")
        async with RedisBus(server.url, "a", "1") as without, RedisBus(bad, "b", "1") as wrong:
            assert not without.connected
            assert not wrong.connected
        async with RedisBus(good, "c", "1") as right:
            assert right.connected
    assert "NOAUTH" in caplog.text
    assert "WRONGPASS" in caplog.text
    assert "wr0ng" not in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_reason_is_logged_once_however_many_attempts_fail(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async with RedisBus(server.url, "a", "1") as a:
        await server.kill()
        await until(lambda: not a.connected)
        await let_it_try(server.port, 5)
    # That the link broke, that nobody listened for a moment, and that somebody hangs up.
    assert 1 <= sum("is away" in record.getMessage() for record in caplog.records) <= 3


async def test_attempts_come_at_growing_intervals_and_not_in_step(server: Valkey) -> None:
    async with RedisBus(server.url, "a", "1") as a:
        await server.kill()
        await until(lambda: not a.connected)
        calls = await let_it_try(server.port, 7)
    pauses = [later - earlier for earlier, later in itertools.pairwise(calls)]
    assert pauses[0] < 0.5
    assert pauses[-1] > 0.35
    assert len({round(pause, 3) for pause in pauses[-3:]}) > 1


async def test_a_server_that_is_no_redis_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read(100)
        writer.close()

    async with await asyncio.start_server(speak_http, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        async with RedisBus(f"redis://127.0.0.1:{port}", "a", "1") as a:
            assert not a.connected
    assert "does not speak Redis" in caplog.text


async def test_an_error_in_the_block_comes_out_as_it_is_and_no_task_is_left(server: Valkey) -> None:
    before = asyncio.all_tasks()

    async def fail_inside() -> None:
        async with RedisBus(server.url, "a", "1"):
            assert [task.get_name() for task in asyncio.all_tasks() - before] == ["bus of a"]
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await fail_inside()
    assert asyncio.all_tasks() == before


async def test_who_is_cancelled_while_entering_leaves_no_task() -> None:
    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.set()
        await reader.read()
        writer.close()

    greeted = asyncio.Event()
    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        before = asyncio.all_tasks()
        entering = asyncio.create_task(RedisBus(f"redis://127.0.0.1:{port}", "a", "1").__aenter__())
        await greeted.wait()
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        await until(lambda: asyncio.all_tasks() <= before)
