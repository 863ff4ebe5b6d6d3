"""Nothing stays behind when the process that runs the parts dies, and the next one finds the data."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest

from scenehub.server.dev import postgres, valkey
from tests.embedded.processes import AS_ROOT, ORDINARY, keeper, mentioning, owner_of, until


@pytest.mark.parametrize("ordinary", [False, True], ids=["this user", "an ordinary user"])
async def test_kill_9_of_the_supervisor_leaves_no_process_and_all_data(part_directory: Path, ordinary: bool) -> None:
    if ordinary and AS_ROOT:
        os.chown(part_directory, ORDINARY, ORDINARY)
    with keeper(part_directory, ordinary=ordinary) as (process, said):
        connection = await asyncpg.connect(said["postgres"]["url"])
        await connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        process.kill()
        process.wait()
        await until(lambda: mentioning(part_directory) == [], "no process of the parts is left")
        connection.terminate()
    with keeper(part_directory, ordinary=ordinary) as (process, said):
        connection = await asyncpg.connect(said["postgres"]["url"])
        assert await connection.fetchval("SELECT n FROM kept") == 7
        await connection.close()
        if ordinary and AS_ROOT:
            assert owner_of(said["postgres"]["pid"]) == ORDINARY
            assert owner_of(said["valkey"]["pid"]) == ORDINARY
    await until(lambda: mentioning(part_directory) == [], "no process of the parts is left")


async def test_the_next_start_need_not_wait_for_the_killed_one_to_be_gone(part_directory: Path) -> None:
    with keeper(part_directory) as (process, said):
        connection = await asyncpg.connect(said["postgres"]["url"])
        await connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 100000) AS n")
        process.kill()
        process.wait()
        async with postgres(part_directory / "postgres") as server, valkey(part_directory / "valkey"):
            other = await asyncpg.connect(server.url)
            assert await other.fetchval("SELECT count(*) FROM kept") == 100_000
            await other.close()
        connection.terminate()


async def test_a_server_that_outlived_its_supervisor_is_ended_by_the_next_one(part_directory: Path) -> None:
    """As where the kernel does not tell children of their parent's death."""
    with keeper(part_directory) as (process, said):
        pids = [said["postgres"]["pid"], said["valkey"]["pid"]]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)  # it cannot act on the signal that the kernel sends it
        process.kill()
        process.wait()
        assert any(str(pids[0]) in line for line in mentioning(part_directory))
        waking = asyncio.get_running_loop().call_later(0.3, lambda: os.kill(pids[0], signal.SIGCONT))
        async with postgres(part_directory / "postgres") as server, valkey(part_directory / "valkey") as bus:
            assert server.pid != pids[0]
            assert bus.pid != pids[1]
        waking.cancel()
    await until(lambda: mentioning(part_directory) == [], "no process of the parts is left")
