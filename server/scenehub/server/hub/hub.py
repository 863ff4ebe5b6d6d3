"""The hub: one node's rooms, loaded once each however many join (N6), and the tasks that serve them all."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

import structlog

from scenehub.protocol.attendance import Identity
from scenehub.protocol.closing import Close as CloseCode
from scenehub.protocol.effects import CatchUp
from scenehub.protocol.ledger import Caught
from scenehub.protocol.limits import HEADS_EVERY, PING_EVERY, Limits
from scenehub.protocol.messages import MINOR, Hello
from scenehub.server.bus.port import Bus
from scenehub.server.store.port import ClientIdTaken, ProjectNotFound, Store, StoreAway
from scenehub.server.transport.port import Peer

from .access import Access, Refused, TokenExpired
from .committer import Committer
from .connection import Connection
from .live import LiveRoom
from .observer import Observer

JOINS_AT_ONCE = 32
"""Joins that may ask the store at the same time; the others wait for their turn."""

CANCELLED_AGAIN_AFTER = 0.5
"""Seconds that a task has to end when it is cancelled at the hub's end."""


@dataclass(frozen=True, slots=True)
class HubOptions:
    """What a hub is told; times in seconds."""

    node: str
    limits: Limits = field(default_factory=Limits)
    writers: int = 4
    idle_grace: float = 30.0
    """How long a room without members stays loaded."""
    drain_grace: float = 8.0
    """How long a stop may take to store what is held."""
    return_within_ms: int = 3000
    """When a node stops, its members come back at times spread over this (N5)."""
    linked: bool = True
    """Whether there may be other nodes; false where the bus is one that reaches none."""


class Hub:
    """One node. `async with Hub(…) as hub`; `attach` is the transport's door, `drain` its orderly end."""

    def __init__(
        self,
        options: HubOptions,
        store: Store,
        bus: Bus,
        secret: str,
        *,
        generation: str,
        observer: Observer | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self.store = store
        self.bus = bus
        self.observer = observer
        self.now = now
        self._epoch_ms = time.time() * 1000 - now() * 1000
        self.generation = generation
        """Names this life of the node: what a former life held means nothing any more (S5)."""
        self.access = Access(secret, now=now)
        self.log: structlog.stdlib.BoundLogger = structlog.get_logger("scenehub.hub").bind(node=options.node)
        self.committer = Committer(store, self.log, observer)
        self.rooms: dict[str, LiveRoom] = {}
        self.connections: set[Connection] = set()
        self.draining = False
        self._loading: dict[str, asyncio.Task[LiveRoom]] = {}
        self._joins = asyncio.Semaphore(JOINS_AT_ONCE)
        self._sessions = 0
        self._tasks = asyncio.TaskGroup()
        self._served: set[asyncio.Task[None]] = set()

    def wall(self, now: float) -> int:
        """The hub's time in milliseconds UTC, never going back while it runs."""
        return int(self._epoch_ms + now * 1000)

    async def __aenter__(self) -> Self:
        self.loop = asyncio.get_running_loop()
        await self._tasks.__aenter__()
        for index in range(self.options.writers):
            self._spawn(self.committer.write(), f"writer-{index}")
        self._spawn(self._watch_heads(), "heads")
        self._spawn(self._ping(), "pings")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.draining = True
        for live in list(self.rooms.values()):
            self.drop(live)
        running: set[asyncio.Task[Any]] = {*self._served, *self._loading.values()}
        while running:
            for task in running:
                task.cancel()
            # A database driver that gives up at the same moment makes a timeout of a cancellation: hence again.
            _, running = await asyncio.wait(running, timeout=CANCELLED_AGAIN_AFTER)
        await self._tasks.__aexit__(kind, error, trace)

    # Joining.

    def attach(self, peer: Peer, project: str) -> Connection:
        """A peer has sent its first frame."""
        self._sessions += 1
        connection = Connection(self, peer, project, self._sessions)
        self.connections.add(connection)
        return connection

    def admit(self, connection: Connection, hello: Hello) -> None:
        """Let a connection join its project, or close it with a code that says why not."""
        if self.draining:
            connection.end(CloseCode.STOPPING, "this node is being stopped", random.randint(100, 3000))
        elif hello.minor[0] > MINOR or hello.minor[1] < MINOR - 1:
            connection.end(CloseCode.UNSUPPORTED_VERSION, f"this hub speaks the minors {max(0, MINOR - 1)} to {MINOR}")
        else:
            self._spawn(self._join(connection, hello), f"join-{connection.session}")

    async def _join(self, connection: Connection, hello: Hello) -> None:
        try:
            identity = self.access.identity(hello.token, connection.project)
            async with self._joins:
                if not connection.gone:
                    await self._join_room(connection, hello, identity)
        except TokenExpired as expired:
            connection.end(CloseCode.TOKEN_EXPIRED, str(expired))
        except Refused as refused:
            connection.end(CloseCode.TOKEN_INVALID, str(refused))
        except ProjectNotFound:
            connection.end(CloseCode.PROJECT_NOT_FOUND, f"there is no project {connection.project}"[:120])
        except ClientIdTaken:
            connection.end(CloseCode.CLIENT_ID_TAKEN, "this client id belongs to another user: take a new one")
        except StoreAway:
            connection.end(CloseCode.STORE_AWAY, "the database cannot be reached", random.randint(200, 2000))
        except Exception:
            self.log.exception("join_failed", project=connection.project, session=connection.session)
            connection.end(CloseCode.INTERNAL, "the hub could not let you in", 5000)

    async def _join_room(self, connection: Connection, hello: Hello, identity: Identity) -> None:
        """Admission is read after the room is there, so the room is at most behind it, never before its time."""
        while True:
            live = await self.room(connection.project)
            admission = await self.store.admit(connection.project, hello.client, identity.user, hello.position)
            if connection.gone:
                return
            if not live.dropped:
                break
        connection.live, connection.client = live, hello.client
        live.enter(connection)
        live.perform(live.room.join(connection.session, hello, identity, admission, self.now()))

    async def room(self, project: str) -> LiveRoom:
        """The live room of a project; loaded once however many ask (N6). Raises ProjectNotFound, StoreAway."""
        live = self.rooms.get(project)
        if live is not None:
            return live
        loading = self._loading.get(project)
        if loading is None:
            loading = self._loading[project] = asyncio.ensure_future(self._load(project))
            loading.add_done_callback(lambda _: self._loading.pop(project, None))
        return await asyncio.shield(loading)

    async def _load(self, project: str) -> LiveRoom:
        loaded = await self.store.load(project)
        live = self.rooms[project] = LiveRoom(self, project, loaded)
        if self.observer is not None:
            self.observer.room(project, opened=True)
        return live

    def drop(self, live: LiveRoom, code: CloseCode = CloseCode.STOPPING, words: str = "this room was closed") -> None:
        """Forget a room; who joins next loads it anew. Whoever is still in it is sent away with `code`."""
        if live.dropped:
            return
        if self.rooms.get(live.project) is live:
            del self.rooms[live.project]
            if self.observer is not None:
                self.observer.room(live.project, opened=False)
        live.drop(code, words)

    # The store.

    def catch_up(self, live: LiveRoom, wanted: CatchUp) -> None:
        """Read what a room has missed."""
        self._spawn(self._catch_up(live, wanted), f"catch-up-{live.project}")

    async def _catch_up(self, live: LiveRoom, wanted: CatchUp) -> None:
        caught: Caught | None = None
        try:
            caught = await self.store.catch_up(live.project, wanted.position, wanted.clients)
        except StoreAway:
            self.committer.reached(False)
        except ProjectNotFound:
            self.drop(live, CloseCode.PROJECT_NOT_FOUND, "the project was deleted")
        except Exception:
            self.log.exception("catch_up_failed", project=live.project)
        live.caught_up(caught)

    async def _watch_heads(self) -> None:
        """Compare the rooms' heads with the store's, and drop rooms that nobody needs (N3)."""
        while True:
            await asyncio.sleep(HEADS_EVERY)
            try:
                await self._check_heads()
            except StoreAway:
                self.committer.reached(False)
            except Exception:
                self.log.exception("heads_failed")
            for live in list(self.rooms.values()):
                since = live.idle_since
                if since is not None and live.room.idle and self.now() - since > self.options.idle_grace:
                    self.drop(live)

    async def _ping(self) -> None:
        """One scanner for all connections, not a timer each."""
        while True:
            await asyncio.sleep(PING_EVERY / 2)
            for live in list(self.rooms.values()):
                live.guarded(live.ping_silent)

    async def _check_heads(self) -> None:
        asked = {live: live.room.head.seq for live in self.rooms.values()}
        if not asked:
            return
        heads = await self.store.heads([live.project for live in asked])
        self.committer.reached(all(live.room.away_since is None for live in self.rooms.values()))
        for live, seq in asked.items():
            head = heads.get(live.project)
            # A project that is gone is asked for by name, which ends the room if that is so.
            step = live.room.catch_up if head is None else partial(live.room.head_seen, head, seq)
            live.attempt(step)

    def bus_restored(self) -> None:
        """The bus is back: say again who is here, so presence is whole within a second."""
        for live in list(self.rooms.values()):
            live.attempt(live.room.introduce)

    # The end.

    async def drain(self) -> None:
        """Take nothing new, store what is held, say bye (N5). What cannot be stored stays with its authors."""
        self.draining = True
        deadline = self.now() + self.options.drain_grace
        while self.now() < deadline and any(live.room.queue.entries for live in self.rooms.values()):
            if all(live.room.away_since is not None for live in self.rooms.values() if live.room.queue.entries):
                break
            await asyncio.sleep(0.01)
        for live in list(self.rooms.values()):
            live.guarded(live.say_bye)
        for connection in list(self.connections):
            connection.end(CloseCode.STOPPING, "this node is being stopped", random.randint(100, 3000))
        self.log.info("drained", rooms=len(self.rooms))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something that this hub outlives."""
        task = self._tasks.create_task(work, name=name)
        self._served.add(task)
        task.add_done_callback(self._served.discard)
