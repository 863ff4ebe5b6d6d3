"""A pytest plugin: one PostgreSQL and one Valkey per test worker, a database and a prefix per test.

`SCENEHUB_TEST_DATABASE_URL` and `SCENEHUB_TEST_REDIS_URL` point them at other servers; tests see no difference. The
user of that database must be allowed to create databases.

- `database_url`: a database of the test's own, cloned from the template that `migrate_template` has filled.
- `empty_database_url`: a database of the test's own with nothing in it.
- `redis_url` with `redis_prefix`: a server to share, and what the test's keys and channels begin with.
- `part_directory`: a folder that a server may be started in, also by root (who runs it as `nobody`).

All of them are plain fixtures: they work for tests of any kind and any event loop.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from scenehub.server.dev import postgres, valkey

ResultT = TypeVar("ResultT")
Migrate = Callable[[str], Awaitable[object]]

DATABASE_SETTING = "SCENEHUB_TEST_DATABASE_URL"
REDIS_SETTING = "SCENEHUB_TEST_REDIS_URL"


class Databases:
    """The databases of one server, made and dropped over one connection."""

    def __init__(self, url: str, run: Callable[[Awaitable[Any]], Any], strategy: str = "WAL_LOG") -> None:
        self.url = url
        self._run = run
        self._strategy = strategy
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    def create(self, template: str = "template0") -> str:
        """Make a database like the template; its URL."""
        name = f"scenehub_test_{secrets.token_hex(6)}"
        self._execute(f'CREATE DATABASE {name} TEMPLATE "{template}" STRATEGY {self._strategy}')
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def drop(self, url: str) -> None:
        """Drop it, also while somebody is connected."""
        self._execute(f'DROP DATABASE IF EXISTS "{name_of(url)}" WITH (FORCE)')

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._run(asyncio.sleep(0))  # its transport closes in the loop's next turn

    def _execute(self, statement: str) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = self._run(asyncpg.connect(self.url))
        self._run(self._connection.execute(statement))


def name_of(url: str) -> str:
    """The database that a URL names."""
    return urlsplit(url).path.lstrip("/")


@contextmanager
def _open_directory() -> Iterator[Path]:
    # pytest's own temporary folders are closed to other users; root's servers run as another user.
    directory = Path(tempfile.mkdtemp(prefix="scenehub-test-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def part_directory() -> Iterator[Path]:
    """A folder of the test's own that the user of an embedded server can reach."""
    with _open_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def parts_run() -> Iterator[Callable[[Awaitable[Any]], Any]]:
    """Runs a coroutine on the loop of these fixtures, on the main thread: the servers are tied to the thread's life."""
    loop = asyncio.new_event_loop()

    async def awaited(work: Awaitable[ResultT]) -> ResultT:
        return await work

    try:
        yield lambda work: loop.run_until_complete(awaited(work))
    finally:
        loop.close()


@contextmanager
def _entered(server: AbstractAsyncContextManager[ResultT], run: Callable[[Awaitable[Any]], Any]) -> Iterator[ResultT]:
    entered: ResultT = run(server.__aenter__())
    try:
        yield entered
    finally:
        run(server.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def databases(parts_run: Callable[[Awaitable[Any]], Any]) -> Iterator[Databases]:
    """The worker's PostgreSQL."""
    given = os.environ.get(DATABASE_SETTING)
    if given:
        theirs = Databases(given, parts_run)
        yield theirs
        theirs.close()
        return
    settings = {"max_connections": "200", "autovacuum": "off"}
    with (
        _open_directory() as directory,
        _entered(postgres(directory, settings=settings, durable=False), parts_run) as server,
    ):
        # Copying files wants two checkpoints, which cost nothing without fsync: 2 to 3 times as fast here.
        ours = Databases(server.url, parts_run, strategy="FILE_COPY")
        yield ours
        ours.close()


@pytest.fixture(scope="session")
def migrate_template() -> Migrate:
    """What makes the tables in the template database; a conftest overrides it."""

    async def nothing(url: str) -> None:
        return None

    return nothing


@pytest.fixture(scope="session")
def database_template(
    databases: Databases, migrate_template: Migrate, parts_run: Callable[[Awaitable[Any]], Any]
) -> Iterator[str]:
    """The name of the database from which each test's is cloned. Nobody may stay connected to it."""
    url = databases.create()
    try:
        parts_run(migrate_template(url))
        yield name_of(url)
    finally:
        databases.drop(url)


@pytest.fixture
def database_url(databases: Databases, database_template: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    url = databases.create(database_template)
    yield url
    databases.drop(url)


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """An empty database of the test's own."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture(scope="session")
def redis_url(parts_run: Callable[[Awaitable[Any]], Any]) -> Iterator[str]:
    """The worker's Valkey. Use it under `redis_prefix`: the server may be shared with other runs."""
    given = os.environ.get(REDIS_SETTING)
    if given:
        yield given
        return
    with _open_directory() as directory, _entered(valkey(directory), parts_run) as server:
        yield server.url


@pytest.fixture
def redis_prefix() -> str:
    """What the names of the test's keys and channels begin with."""
    return f"t-{secrets.token_hex(6)}:"
