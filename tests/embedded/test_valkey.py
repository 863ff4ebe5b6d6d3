"""Valkey from a wheel: start, stop, kill and start again; nothing on disk; refusals in words."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio as redis

from scenehub.server.dev import PartUnavailable, PortTaken, Valkey, valkey
from tests.embedded.processes import mentioning, names_in


@asynccontextmanager
async def client(server: Valkey) -> AsyncIterator[redis.Redis]:
    connected = redis.Redis.from_url(server.url)
    try:
        yield connected
    finally:
        await connected.aclose()


async def test_it_comes_back_on_its_port_and_remembers_nothing(part_directory: Path) -> None:
    async with valkey(part_directory) as server:
        url = server.url
        for end in (server.stop, server.kill):
            async with client(server) as connected:
                assert await connected.get("k") is None
                assert await connected.set("k", "v")
            await end()
            assert mentioning(part_directory) == []
            await server.start()
            assert server.url == url == f"redis://127.0.0.1:{server.port}/0"
    assert mentioning(part_directory) == []
    assert names_in(part_directory / "data") == []


async def test_it_listens_on_this_machine_only_and_lets_old_keys_go_when_full(part_directory: Path) -> None:
    async with valkey(part_directory, settings={"maxmemory": "64mb"}) as server, client(server) as connected:
        said = await connected.config_get("*")
        assert said["bind"] == "127.0.0.1"
        assert (said["save"], said["appendonly"]) == ("", "no")
        assert (said["maxmemory-policy"], said["maxmemory"]) == ("allkeys-lru", str(64 * 2**20))


async def test_it_has_sharded_channels(part_directory: Path) -> None:
    async with valkey(part_directory) as server, client(server) as connected:
        assert await connected.spublish("channel", "word") == 0


async def test_ctrl_c_of_the_terminal_does_not_reach_it(part_directory: Path) -> None:
    async with valkey(part_directory) as server:
        assert os.getsid(server.pid) == server.pid != os.getsid(0)


async def test_it_refuses_a_taken_port_and_a_taken_directory(part_directory: Path) -> None:
    async with valkey(part_directory / "one") as server:
        with pytest.raises(PortTaken, match=f"port {server.port}"):
            async with valkey(part_directory / "two", server.port):
                pass
        with pytest.raises(PartUnavailable, match=f"{part_directory}/one is in use by process {os.getpid()}"):
            async with valkey(part_directory / "one"):
                pass


async def test_a_port_that_was_taken_while_it_was_stopped_is_named(part_directory: Path) -> None:
    async with valkey(part_directory) as server:
        await server.stop()
        with socket.create_server(("127.0.0.1", server.port)), pytest.raises(PortTaken, match=str(server.port)):
            await server.start()
        await server.start()
        assert server.running


async def test_a_directive_that_it_does_not_know_is_reported_in_its_words(part_directory: Path) -> None:
    with pytest.raises(PartUnavailable) as caught:
        async with valkey(part_directory, settings={"maxmemory-policy": "hoard"}):
            pass
    assert "while starting" in caught.value.what
    assert str(part_directory / "valkey.log") in caught.value.remedy
