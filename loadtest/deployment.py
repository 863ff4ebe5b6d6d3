"""A deployment on this machine: PostgreSQL and Valkey from the wheels, and nodes as processes that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from scenehub.protocol.edits import Role
from scenehub.server.dev import Postgres, Valkey, postgres, valkey
from scenehub.server.dev.ports import free_port
from scenehub.server.hub.access import Access
from scenehub.server.store.postgres import PostgresStore, migrate, open_store

PROJECT = "film"
SECRET = "a-secret-for-a-deployment-that-lives-for-minutes"
UP_WITHIN = 20.0
"""Seconds for a node to answer."""


@dataclass(eq=False)
class NodeProcess:
    """A hub in a process of its own."""

    name: str
    port: int
    environment: dict[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """http://…, the same after a restart."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it answers."""
        command = ["-c", "from scenehub.server.cli import main; main()", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, *command, env=self.environment, stdout=log, stderr=log
            )
        async with asyncio.timeout(UP_WITHIN):
            while not await asyncio.to_thread(self._answers):
                if self.process.returncode is not None:
                    raise RuntimeError(f"{self.name} ended at once:\n{self.log.read_text()[-2000:]}")
                await asyncio.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit status."""
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        status = await self.process.wait()
        self.process = None
        return status


@dataclass
class Deployment:
    """The parts, a store to look into the database with, and the nodes."""

    postgres: Postgres
    valkey: Valkey
    store: PostgresStore
    nodes: list[NodeProcess]
    access: Access = field(default_factory=lambda: Access(SECRET, now=lambda: 0.0))

    def token(self, user: str, role: Role = Role.EDITOR) -> str:
        """A token for a member."""
        return self.access.token(user, name=user.title(), role=role, seconds=3600)

    def urls(self, first: int = 0) -> list[str]:
        """The project's address on every node, beginning with one of them."""
        turned = self.nodes[first:] + self.nodes[:first]
        return [f"{node.url}/p/{PROJECT}" for node in turned]


@contextlib.asynccontextmanager
async def deployed(nodes: int = 2, **settings: str) -> AsyncIterator[Deployment]:
    """Start everything, with an empty project; stop everything and leave nothing behind.

    `settings` are SCENEHUB_* values, by what follows that in lower case.
    """
    directory = _folder()
    try:
        async with postgres(directory / "postgres") as database, valkey(directory / "valkey") as bus:
            await migrate(database.url)
            async with open_store(database.url, committers=1, readers=2) as store:
                await store.create(PROJECT, name="Film", fps=30, width=1920, height=1080)
                environment = {
                    **{name: value for name, value in os.environ.items() if not name.startswith("SCENEHUB_")},
                    "SCENEHUB_DATABASE_URL": database.url,
                    "SCENEHUB_REDIS_URL": bus.url,
                    "SCENEHUB_SECRET": SECRET,
                    **{f"SCENEHUB_{name.upper()}": value for name, value in settings.items()},
                }
                made = [_node(index, environment, directory) for index in range(nodes)]
                try:
                    await asyncio.gather(*(node.start() for node in made))
                    yield Deployment(database, bus, store, made)
                finally:
                    await asyncio.gather(*(node.end(signal.SIGKILL) for node in made))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _folder() -> Path:
    """A folder that the database's own account can reach."""
    directory = Path(tempfile.mkdtemp(prefix="scenehub-"))
    directory.chmod(0o755)
    return directory


def _node(index: int, environment: dict[str, str], directory: Path) -> NodeProcess:
    name = "abcdefgh"[index]
    return NodeProcess(name, free_port(), {**environment, "SCENEHUB_NODE": f"node-{name}"}, directory / f"{name}.log")
