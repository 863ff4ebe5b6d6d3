"""PostgreSQL from a wheel: start, stop, kill and start again, on the same data."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from scenehub.server.dev import Postgres, postgres
from scenehub.server.dev.claim import Claim
from tests.embedded.processes import mentioning, names_in, until


async def ask(server: Postgres, question: str) -> object:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def tell(server: Postgres, statements: str) -> None:
    connection = await asyncpg.connect(server.url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def test_a_database_keeps_its_data_when_it_is_stopped_and_started(part_directory: Path) -> None:
    async with postgres(part_directory / "deep" / "down") as server:
        url = server.url
        await tell(server, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        await server.stop()
        assert not server.running
        await server.start()
        assert server.url == url
        assert await ask(server, "SELECT n FROM kept") == 7
    async with postgres(part_directory / "deep" / "down") as server:
        assert await ask(server, "SELECT n FROM kept") == 7


async def test_what_was_committed_survives_kill_9_of_the_database(part_directory: Path) -> None:
    async with postgres(part_directory) as server:
        await tell(server, "CREATE TABLE kept (n int)")
        for n in range(3):
            await tell(server, f"INSERT INTO kept VALUES ({n})")
            await server.kill()
            assert mentioning(part_directory) == []
            await server.start()
        assert await ask(server, "SELECT array_agg(n ORDER BY n) FROM kept") == [0, 1, 2]


async def test_a_busy_backend_of_a_killed_server_delays_the_next_start_but_does_not_prevent_it(
    part_directory: Path,
) -> None:
    async with postgres(part_directory) as server:
        connection = await asyncpg.connect(server.url)
        work = asyncio.ensure_future(
            connection.fetchval("SELECT count(*) FROM generate_series(1, 2000000) AS g(n) WHERE md5(n::text) = ''")
        )
        await until(lambda: b"md5" in _activity(server), "the backend works")
        await server.kill()
        await server.start()
        with pytest.raises((asyncpg.PostgresError, OSError, asyncpg.InterfaceError)):
            await work
        assert await ask(server, "SELECT 1") == 1


def _activity(server: Postgres) -> bytes:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    titles = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
    return b"md5" if any(b"SELECT" in title for title in titles) else b""


async def test_it_listens_on_this_machine_only_and_wants_its_password(part_directory: Path) -> None:
    async with postgres(part_directory) as server:
        address = urlsplit(server.url)
        assert (address.scheme, address.hostname, address.port) == ("postgresql", "127.0.0.1", server.port)
        assert await ask(server, "SHOW listen_addresses") == "127.0.0.1"
        assert address.password is not None
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url.replace(address.password, "guess"))
        assert stat.S_IMODE((part_directory / "password").stat().st_mode) == 0o600


async def test_it_leaves_nothing_outside_its_directory(part_directory: Path) -> None:
    async with postgres(part_directory, durable=False) as server:
        assert names_in(Path("/tmp"), f".s.PGSQL.{server.port}*") == []
        assert await ask(server, "SHOW dynamic_shared_memory_type") == "mmap"
        assert await ask(server, "SHOW unix_socket_directories") == ""
    assert mentioning(part_directory) == []


async def test_truth_is_durable_unless_the_caller_says_otherwise(part_directory: Path) -> None:
    async with postgres(part_directory / "truth") as server:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await ask(server, f"SHOW {name}") == "on"
    async with postgres(part_directory / "test", durable=False, settings={"max_connections": "17"}) as server:
        assert await ask(server, "SHOW fsync") == "off"
        assert await ask(server, "SHOW synchronous_commit") == "on"
        assert await ask(server, "SHOW max_connections") == "17"


async def test_text_is_utf_8_and_the_same_on_every_machine(part_directory: Path) -> None:
    async with postgres(part_directory, durable=False) as server:
        assert await ask(server, "SELECT current_database()") == "scenehub"
        assert await ask(server, "SHOW server_encoding") == "UTF8"
        locale = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()"
        assert await ask(server, locale) == "bC.UTF-8"
        assert await ask(server, "SELECT upper('ä')") == "Ä"


async def test_ctrl_c_of_the_terminal_does_not_reach_it(part_directory: Path) -> None:
    async with postgres(part_directory, durable=False) as server:
        assert os.getsid(server.pid) == server.pid != os.getsid(0)


async def test_it_stops_promptly_while_clients_are_connected(part_directory: Path) -> None:
    async with postgres(part_directory, durable=False) as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("BEGIN")
        async with asyncio.timeout(5):
            await server.stop()
        await until(connection.is_closed, "the client saw the end")


async def test_somebody_may_wait_for_its_unexpected_end(part_directory: Path) -> None:
    async with postgres(part_directory, durable=False) as server:
        watch = asyncio.ensure_future(server.ended())
        os.kill(server.pid, 9)
        assert await watch == -9
        with pytest.raises(RuntimeError, match="not running"):
            _ = server.pid


async def test_a_running_server_is_not_started_twice(part_directory: Path) -> None:
    async with postgres(part_directory, durable=False) as server:
        with pytest.raises(RuntimeError, match="running already"):
            await server.start()


async def test_a_start_that_is_cancelled_leaves_nothing_that_looks_like_a_database(part_directory: Path) -> None:
    async def enter() -> None:
        async with postgres(part_directory, durable=False):
            raise AssertionError("too late to cancel")

    task = asyncio.create_task(enter())
    await until(lambda: names_in(part_directory, "fresh-*/data/base"), "initdb has begun")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (part_directory / "data").exists()
    async with postgres(part_directory, durable=False) as server:
        assert await ask(server, "SELECT 1") == 1
    assert names_in(part_directory, "fresh-*") == []


async def test_binaries_that_the_servers_user_cannot_read_are_copied_once(
    part_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Claim, "reachable", lambda claim, path: False)
    async with postgres(part_directory, durable=False) as server:
        assert any(f"{part_directory}/binaries-" in line for line in mentioning(part_directory))
        copies = names_in(part_directory, "binaries-*/*")
        await server.stop()
        await server.start()
        assert names_in(part_directory, "binaries-*/*") == copies
