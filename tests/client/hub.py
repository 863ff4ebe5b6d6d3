"""A hub for the client's tests: real sockets and frames around the real `Room`, its store in memory.

A token is `user`, `user:role`, or `user:role:seconds`. `Cluster` is several nodes on one ledger.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from scenehub.protocol.attendance import Identity
from scenehub.protocol.closing import Close as Code
from scenehub.protocol.codec import Flavour, client_frame, pack_frame, unpack
from scenehub.protocol.edits import Position, Role
from scenehub.protocol.effects import Broadcast, CatchUp, Close, Condemn, Effect, Publish, Send, WantsSave
from scenehub.protocol.ledger import ClientIdTaken, ProjectNotFound, Verdict
from scenehub.protocol.limits import Limits
from scenehub.protocol.messages import Auth, Bye, Hello, HubModel, Ping, SendEdit, SendPresence, Sync
from scenehub.protocol.room import Room
from scenehub.protocol.testing.ledger import MemoryLedger

PROJECT = "launch"


class BadToken(Exception):
    """Not a token of this hub."""


def identity_of(token: str, now: float) -> Identity:
    user, role, seconds, *_ = [*token.split(":"), "", ""]
    if user == "bad":
        raise BadToken
    expires = now + float(seconds) if seconds else None
    return Identity(user, user.title(), "#5cbcff", Role(role or "editor"), expires=expires)


@dataclass(eq=False)
class Line:
    """A connection with what waits for it."""

    socket: ServerConnection
    flavour: Flavour
    frames: asyncio.Queue[HubModel | tuple[int, str]] = field(default_factory=asyncio.Queue)

    async def write(self) -> None:
        try:
            while True:
                frame = await self.frames.get()
                if isinstance(frame, tuple):
                    await self.socket.close(*frame)
                    return
                await self.socket.send(pack_frame(frame, self.flavour), text=self.flavour is Flavour.JSON)
        except ConnectionClosed:
            pass


class Node:
    """One node of the hub, with one project."""

    def __init__(self, cluster: Cluster, name: str, limits: Limits) -> None:
        self.cluster = cluster
        self.name = name
        self.limits = limits
        self.lines: dict[int, Line] = {}
        self.room: Room | None = None
        self.server: Server | None = None
        self.port = 0
        self.refuse: tuple[int, str] | None = None
        """Close every new connection with this."""
        self.deaf = False
        """Take connections and answer nothing: a peer that is dead without saying so."""
        self.hellos: list[Hello] = []
        self.frames: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/p/{PROJECT}"

    async def start(self) -> None:
        self.server = await serve(
            self.serve,
            "127.0.0.1",
            self.port,
            subprotocols=[Subprotocol(flavour.value) for flavour in Flavour],
            compression=None,
            ping_interval=None,
            close_timeout=0.5,
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """Die as a killed process does: sockets reset, nothing told, nothing kept."""
        assert self.server is not None
        self.room = None
        self.cut()
        self.server.close()
        await self.server.wait_closed()

    def cut(self) -> None:
        """Break every connection."""
        for line in list(self.lines.values()):
            line.socket.transport.abort()

    def bye(self, code: int, words: str, retry_ms: int = 0) -> None:
        """Tell everybody to go."""
        for session in list(self.lines):
            self.perform([Close(session, code, words, retry_ms)])
            if self.room is not None:
                self.perform(self.room.leave(session))

    def load(self) -> Room:
        if self.room is None:
            loaded = self.cluster.ledger.load(PROJECT)
            self.room = Room(
                PROJECT,
                loaded,
                node=self.name,
                generation=str(time.monotonic_ns()),
                limits=self.limits,
                wall=lambda now: int(time.time() * 1000),
            )
        return self.room

    async def serve(self, socket: ServerConnection) -> None:
        session = self.cluster.next_session()
        line = self.lines[session] = Line(socket, Flavour(socket.subprotocol or Flavour.MSGPACK))
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(line.write())
                try:
                    async for message in socket:
                        if not self.deaf:
                            self.take(session, line, message)
                except ConnectionClosed:
                    pass
                finally:
                    writer.cancel()
        finally:
            del self.lines[session]
            if self.room is not None:
                self.perform(self.room.leave(session))

    def take(self, session: int, line: Line, message: bytes | str) -> None:
        now = time.monotonic()
        frame = client_frame(unpack(message, line.flavour))
        self.frames.append(frame)
        try:
            match frame:
                case Hello():
                    self.join(session, line, frame, now)
                case SendEdit():
                    size = len(message)
                    self.perform(self.load().edit(session, frame.edit, age_ms=frame.age, size=size, now=now))
                case SendPresence():
                    self.perform(self.load().presence(session, frame.presence, now))
                case Sync():
                    self.perform(self.load().sync(session, frame.position, now))
                case Ping():
                    self.perform(self.load().ping(session, frame.nonce, now))
                case Auth():
                    self.perform(self.load().auth(session, identity_of(frame.token, now), now))
                case _:
                    pass
        except BadToken:
            line.frames.put_nowait((Code.TOKEN_INVALID, "the token is not valid"))

    def join(self, session: int, line: Line, hello: Hello, now: float) -> None:
        self.hellos.append(hello)
        if self.refuse is not None:
            line.frames.put_nowait(self.refuse)
            return
        try:
            identity = identity_of(hello.token, now)
            admission = self.cluster.ledger.admit(PROJECT, hello.client, identity.user, hello.position)
            self.perform(self.load().join(session, hello, identity, admission, now))
        except ProjectNotFound:
            line.frames.put_nowait((Code.PROJECT_NOT_FOUND, "there is no such project"))
        except ClientIdTaken:
            line.frames.put_nowait((Code.CLIENT_ID_TAKEN, "this client id belongs to somebody else"))

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(session, frame):
                    self.send(session, frame)
                case Broadcast(frame, but):
                    for session in list(self.room.attendance.sessions if self.room else ()):
                        if session != but:
                            self.send(session, frame)
                case Close(session, code, words, retry_ms):
                    self.send(session, Bye(code=code, words=words, retry_ms=retry_ms))
                    self.send(session, (code, words))
                case Publish(event):
                    self.cluster.publish(self, event)
                case WantsSave():
                    self.save()
                case CatchUp(position, clients):
                    assert self.room is not None
                    caught = self.cluster.ledger.catch_up(PROJECT, position, clients)
                    self.perform(self.room.caught_up(caught, time.monotonic()))
                case Condemn():
                    self.room = None

    def send(self, session: int, frame: HubModel | tuple[int, str]) -> None:
        if session in self.lines:
            self.lines[session].frames.put_nowait(frame)

    def save(self) -> None:
        if self.room is None or not self.cluster.saving:
            return
        batch = self.room.take(time.monotonic())
        if batch is not None:
            verdict = Verdict.FAILED if self.cluster.store_away else self.cluster.ledger.commit(batch)
            self.perform(self.room.verdict(verdict, time.monotonic()))

    def tick(self) -> None:
        if self.room is not None:
            self.perform(self.room.tick(time.monotonic()))
        self.save()


class Cluster:
    """Nodes on one ledger and one bus."""

    def __init__(self, nodes: int, limits: Limits) -> None:
        self.ledger = MemoryLedger()
        self.ledger.create(PROJECT, epoch="e1", name="Launch", fps=30, width=1920, height=1080)
        self.saving = True
        """False: batches wait, as on a slow disk."""
        self.store_away = False
        self.nodes = [Node(self, f"n{index}", limits) for index in range(nodes)]
        self._sessions = 0

    def next_session(self) -> int:
        self._sessions += 1
        return self._sessions

    def publish(self, sender: Node, event: dict[str, Any]) -> None:
        for node in self.nodes:
            if node is not sender and node.room is not None:
                node.perform(node.room.hear(event, time.monotonic()))

    def committed(self) -> list[str]:
        """The ids of all stored edits, in their order."""
        start = Position(self.ledger.load(PROJECT).head.epoch, 0, None)
        return [str(row.edit.id) for row in self.ledger.catch_up(PROJECT, start, ()).edits]

    async def live(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            for node in self.nodes:
                node.tick()


@asynccontextmanager
async def running(nodes: int = 1, limits: Limits | None = None) -> AsyncIterator[Cluster]:
    """A cluster on free ports of this machine."""
    cluster = Cluster(nodes, limits or Limits())
    async with asyncio.TaskGroup() as tasks:
        life = tasks.create_task(cluster.live())
        try:
            for node in cluster.nodes:
                await node.start()
            yield cluster
        finally:
            life.cancel()
            for node in cluster.nodes:
                await node.kill()
