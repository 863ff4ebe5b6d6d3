"""A node in this process and a bare WebSocket client, for tests that speak frames by hand."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import websockets
from pydantic import SecretStr

from scenehub.protocol.codec import Flavour, pack, unpack
from scenehub.protocol.edits import Role
from scenehub.server.app import Node, node
from scenehub.server.settings import Settings
from scenehub.server.store.memory import MemoryStore
from scenehub.server.store.port import Store

PROJECT = "film"
SECRET = "a-secret-of-more-than-32-characters-for-tests"
Frame = dict[str, Any]


def settings_for(**more: Any) -> Settings:
    """Settings of a node on a free port, with nothing read from outside."""
    return Settings(port=0, data=Path("/nonexistent"), secret=SecretStr(SECRET), **more)


@contextlib.asynccontextmanager
async def running(store: Store | None = None, **more: Any) -> AsyncIterator[Node]:
    """A node on a store (the memory twin if none), with a project."""
    store = store or MemoryStore()
    await store.create(PROJECT, name="Film", fps=30, width=1920, height=1080)
    async with node(settings_for(**more), store, guests=True) as running_node:
        yield running_node


def token_for(running_node: Node, user: str = "ada", role: Role = Role.EDITOR, seconds: int = 3600, **more: Any) -> str:
    """A token of the node's own making."""
    return running_node.hub.access.token(user, name=user.title(), role=role, seconds=seconds, **more)


class Bare:
    """A connection that speaks frames by hand."""

    def __init__(self, socket: websockets.ClientConnection, flavour: Flavour) -> None:
        self.socket = socket
        self.flavour = flavour
        self.client = secrets.token_urlsafe(16)
        self.seen: list[Frame] = []
        self.counter = 0
        self.epoch = ""

    async def send(self, frame: Frame) -> None:
        """Send a frame."""
        payload = pack(frame, self.flavour)
        await self.socket.send(payload.decode() if self.flavour is Flavour.JSON else payload)

    async def next(self, kind: str | None = None, where: Callable[[Frame], bool] | None = None) -> Frame:
        """The next frame (of a kind, for which a condition holds), within 5 s."""
        async with asyncio.timeout(5):
            while True:
                frame = unpack(await self.socket.recv(), self.flavour)
                self.seen.append(frame)
                if (kind is None or frame["t"] == kind) and (where is None or where(frame)):
                    return frame

    async def hello(self, token: str, **more: Any) -> Frame:
        """Say hello and read up to the state."""
        await self.send({"t": "hello", "token": token, "client": self.client, **more})
        welcome = await self.next("welcome")
        self.epoch = welcome["epoch"]
        await self.next("state", lambda frame: frame["part"] == frame["parts"] - 1)
        return welcome

    async def edit(self, *ops: Frame, **more: Any) -> list[Any]:
        """Send an edit and give its id; `base` is 0 unless told."""
        self.counter += 1
        id = [self.client, self.counter]
        await self.send({"t": "edit", "edit": {"id": id, "epoch": self.epoch, "base": 0, "ops": list(ops), **more}})
        return id

    async def closed(self) -> int:
        """The close code, when it comes."""
        async with asyncio.timeout(10):
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    await self.socket.recv()
        assert self.socket.close_code is not None
        return self.socket.close_code


@contextlib.asynccontextmanager
async def bare(running_node: Node, project: str = PROJECT, flavour: Flavour = Flavour.MSGPACK) -> AsyncIterator[Bare]:
    """A bare connection to a project."""
    url = f"{running_node.url.replace('http', 'ws')}/v1/projects/{project}/ws"
    async with websockets.connect(
        url, subprotocols=[websockets.Subprotocol(flavour)], compression=None, max_size=2**24, max_queue=None
    ) as socket:
        yield Bare(socket, flavour)


@contextlib.asynccontextmanager
async def member(running_node: Node, **more: Any) -> AsyncIterator[Bare]:
    """A bare connection that has been welcomed."""
    async with bare(running_node) as connection:
        await connection.hello(token_for(running_node, **more))
        yield connection


def scene_add(id: str, **more: Any) -> Frame:
    """An op."""
    return {"kind": "scene.add", "id": id, "position": "a0", "name": "Scene", "duration": 30, **more}


def scene_set(id: str, **fields: Any) -> Frame:
    """An op."""
    return {"kind": "scene.set", "id": id, "set": fields}
