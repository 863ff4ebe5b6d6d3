"""Nodes in this process that share a memory store and a medium, for tests of what happens when the bus misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from scenehub.protocol.limits import Limits
from scenehub.server.app import Node
from scenehub.server.bus.memory import Medium
from scenehub.server.http import application
from scenehub.server.hub import Hub, HubOptions, Observer
from scenehub.server.store.memory import MemoryStore
from scenehub.server.transport.server import listening_socket, serve
from tests.server.raw import PROJECT, SECRET


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Poll a condition until it holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def linked_node(
    name: str,
    store: MemoryStore,
    medium: Medium,
    *,
    observer: Observer | None = None,
    limits: Limits | None = None,
    idle_grace: float = 30.0,
) -> AsyncIterator[Node]:
    """A node on a store and a medium that others may share."""
    options = HubOptions(node=name, limits=limits or Limits(), idle_grace=idle_grace)
    listener: socket.socket = listening_socket("127.0.0.1", 0)
    hub: Hub
    async with medium.bus(name, "1", on_restored=lambda: hub.bus_restored()) as bus:  # noqa: PLW0108 - the hub comes next
        hub = Hub(options, store, bus, SECRET, generation="1", observer=observer)
        async with hub, serve(application(hub), listener, drain=hub.drain) as serving:
            yield Node(hub, serving, f"http://127.0.0.1:{serving.port}")


@dataclass(frozen=True)
class Linked:
    """Two nodes, and what they share."""

    a: Node
    b: Node
    store: MemoryStore
    medium: Medium


@contextlib.asynccontextmanager
async def linked() -> AsyncIterator[Linked]:
    """Two nodes that share a project."""
    store, medium = MemoryStore(), Medium()
    await store.create(PROJECT, name="Film", fps=30, width=1920, height=1080)
    async with linked_node("a", store, medium) as a, linked_node("b", store, medium) as b:
        yield Linked(a, b, store, medium)
