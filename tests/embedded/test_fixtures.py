"""The fixtures that give other tests their database and their bus."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
import redis.asyncio as redis

from scenehub.server.dev.ports import free_port
from tests.parts import Databases, name_of


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_a_database_of_its_own(database_url: str, turn: int) -> None:
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT to_regclass('mine')") is None
    await connection.execute("CREATE TABLE mine ()")
    await connection.close()


async def test_a_database_is_dropped_though_somebody_is_connected(
    databases: Databases, empty_database_url: str
) -> None:
    connection = await asyncpg.connect(empty_database_url)
    assert await connection.fetchval("SELECT current_database()") == name_of(empty_database_url)
    assert name_of(empty_database_url) != name_of(databases.url)
    connection.terminate()


async def test_names_on_the_bus_are_the_tests_own(redis_url: str, redis_prefix: str) -> None:
    client = redis.Redis.from_url(redis_url)
    assert await client.set(f"{redis_prefix}key", "value", nx=True)
    assert await client.delete(f"{redis_prefix}key") == 1
    await client.aclose()


def test_a_free_port_is_none_that_the_kernel_gives_to_clients() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(1024 <= free_port() < first for _ in range(50))
