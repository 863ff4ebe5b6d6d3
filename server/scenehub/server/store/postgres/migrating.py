"""Migrations: numbered SQL files, applied in order, each once, by however many nodes start at the same time.

A file runs in one transaction with the row that says so. Its checksum is kept: a file that was changed after it was
applied, or a database that knows more than this release, is refused before anything is touched. A file whose first line
is `-- no transaction` holds one statement that cannot run in one, such as CREATE INDEX CONCURRENTLY.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from scenehub.server.store.postgres.connections import Own

DIRECTORY = Path(__file__).parent.parent / "migrations"
NO_TRANSACTION = "-- no transaction"

_LOCK = 0x5CE4E48B
"""The advisory lock of all migrations. It is polled: waiting for it inside the server deadlocks with CONCURRENTLY."""
_POLL = 0.05

_TABLE = """CREATE TABLE IF NOT EXISTS scenehub_migrations (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"""


class MigrationRefused(Exception):
    """The database and this release do not fit together; the words say how."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, the same whatever the line ends of a checkout."""
        return sha256(self.sql.encode()).hexdigest()


def migrations_in(directory: Path = DIRECTORY) -> list[Migration]:
    """The files `NNNN_name.sql`, by number."""
    return [Migration(path.stem, path.read_text("utf-8")) for path in sorted(directory.glob("[0-9]*.sql"))]


async def migrate(url: str, *, directory: Path = DIRECTORY, patience: float = 60.0) -> list[str]:
    """Bring the database up to date and return the names of what was applied now.

    Waits `patience` seconds for another node that migrates. Raises MigrationRefused, TimeoutError, OSError and
    asyncpg.PostgresError; a file that failed has left nothing behind.
    """
    connection = await asyncpg.connect(url)
    try:
        await asyncio.wait_for(_locked(connection), patience)
        await connection.execute(_TABLE)
        missing = _missing(migrations_in(directory), await _applied(connection))
        for migration in missing:
            await _apply(connection, migration)
        return [migration.name for migration in missing]
    finally:
        await connection.close(timeout=5.0)  # and with it goes the lock


async def _locked(connection: Own) -> None:
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):  # noqa: ASYNC110 - another process has it
        await asyncio.sleep(_POLL)


async def _applied(connection: Own) -> dict[str, str]:
    rows = await connection.fetch("SELECT name, checksum FROM scenehub_migrations")
    return {row["name"]: row["checksum"] for row in rows}


def _missing(files: list[Migration], applied: Mapping[str, str]) -> list[Migration]:
    """What is left to apply. Raises MigrationRefused."""
    newer = sorted(applied.keys() - {file.name for file in files})
    if newer:
        raise MigrationRefused(
            f"the database has {newer[-1]}, which this release of scenehub does not know:"
            " it was migrated by a newer release; start that one"
        )
    for file in files:
        if applied.get(file.name, file.checksum) != file.checksum:
            raise MigrationRefused(
                f"{file.name} is not what was applied to this database: it was changed afterwards;"
                " restore the file, and put the change into a new migration"
            )
    missing = [file for file in files if file.name not in applied]
    last = max(applied, default="")
    for file in missing:
        if file.name < last:
            raise MigrationRefused(
                f"{file.name} was not applied, but {last} was: give it a number above, or start a release that has both"
            )
    return missing


async def _apply(connection: Own, migration: Migration) -> None:
    record = "INSERT INTO scenehub_migrations (name, checksum) VALUES ($1, $2)"
    if migration.sql.startswith(NO_TRANSACTION):
        await connection.execute(migration.sql)
        await connection.execute(record, migration.name, migration.checksum)
        return
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(record, migration.name, migration.checksum)
