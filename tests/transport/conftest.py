"""A server for each test, in this process: on both loops, through both adapters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from scenehub.server.transport.endpoint import PATH, SocketEndpoint
from scenehub.server.transport.server import listening_socket, serve
from tests.transport.listening import Hall

ADAPTERS: dict[str, dict[str, Any]] = {"fast": {}, "plain": {"ws": "websockets-sansio"}}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=list(ADAPTERS))
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


Opening = Callable[..., contextlib.AbstractAsyncContextManager[Hall]]


@pytest.fixture
def opening(adapter: str) -> Opening:
    """Opens a hall, an application whose listeners are the test's, through the adapter under test."""

    @contextlib.asynccontextmanager
    async def opened(
        hall: Hall | None = None, *, limits: dict[str, Any] | None = None, **options: Any
    ) -> AsyncIterator[Hall]:
        hall = hall or Hall()
        app = Starlette(routes=[WebSocketRoute(PATH, SocketEndpoint(hall.attach, **(limits or {})))])
        async with serve(app, listening_socket("127.0.0.1", 0), **ADAPTERS[adapter], **options) as serving:
            hall.port = serving.port
            yield hall

    return opened
