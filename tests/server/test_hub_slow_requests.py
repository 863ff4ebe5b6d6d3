"""F7: who opens a connection and says nothing, or half of a request, does not hold its place for ever."""

from __future__ import annotations

import asyncio

import pytest

import scenehub.server.transport.server
from tests.server.raw import member, running, scene_add


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost: hub\r\n"], ids=["nothing", "half a request"])
async def test_half_a_request_is_closed_in_good_time(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is a tenth of the real one; a WebSocket that was opened in time stays."""
    monkeypatch.setattr(scenehub.server.transport.server, "REQUEST_TIMEOUT", 1.0)
    async with running() as node, member(node) as author:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.serving.port)
        writer.write(said)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await author.edit(scene_add("s"))
        await author.next("commit")
