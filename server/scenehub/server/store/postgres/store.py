"""The store on Postgres: the port's methods over connections, commits and readings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from secrets import token_urlsafe

from scenehub.protocol.edits import Position
from scenehub.protocol.ledger import Admission, Batch, Caught, Head, Loaded, Verdict
from scenehub.server.store.port import ProjectRow
from scenehub.server.store.postgres import reading
from scenehub.server.store.postgres.committing import Committer
from scenehub.server.store.postgres.connections import Access, HeldConnections, ReadingPool


class PostgresStore:
    """A `Store` whose truth is a database that `migrate` has brought up to date. Open it with `open_store`."""

    def __init__(self, committing: HeldConnections, readings: ReadingPool) -> None:
        self._committer = Committer(committing)
        self._readings = readings

    async def load(self, project: str) -> Loaded:
        """As the port says."""
        return await self._readings.run(lambda connection: reading.load(connection, project))

    async def admit(self, project: str, client: str, user: str, position: Position | None) -> Admission:
        """As the port says. When the connection breaks, the session may be counted twice, which harms nothing."""
        return await self._readings.run(lambda connection: reading.admit(connection, project, client, user, position))

    async def commit(self, batches: Sequence[Batch]) -> list[Verdict]:
        """As the port says."""
        return await self._committer.commit(batches)

    async def commit_locked(
        self, project: str, position: Position, clients: Collection[str], plan: Callable[[Caught], Batch | None]
    ) -> Verdict:
        """Catch up from `position`, plan and store under the project's row lock: for who missed too often (N2).

        `plan` gets what a catch-up reads and must not wait; with None from it nothing is stored (`MISSED`). Raises
        ProjectNotFound and whatever `plan` raises.
        """
        return await self._committer.commit_locked(
            project, lambda connection: reading.read_on(connection, project, position, clients), plan
        )

    async def catch_up(self, project: str, position: Position, clients: Collection[str]) -> Caught:
        """As the port says."""
        return await self._readings.run(lambda connection: reading.catch_up(connection, project, position, clients))

    async def heads(self, projects: Collection[str]) -> Mapping[str, Head]:
        """As the port says."""
        return await self._readings.run(lambda connection: reading.heads(connection, projects))

    async def create(self, project: str, *, name: str, fps: int, width: int, height: int) -> bool:
        """As the port says."""
        epoch = token_urlsafe(12)
        made_with = {"name": name, "fps": fps, "width": width, "height": height}
        return await self._readings.run(lambda connection: reading.create(connection, project, epoch, made_with))

    async def projects(self) -> list[ProjectRow]:
        """As the port says."""
        return await self._readings.run(reading.projects)


@asynccontextmanager
async def open_store(
    url: str, *, committers: int = 4, readers: int = 8, prepare: bool = True
) -> AsyncIterator[PostgresStore]:
    """A store on the database at `url` until the block ends; it connects when it is first used.

    `committers` and `readers` are the most connections for commits and for readings. `prepare` False suits a pooler
    in transaction mode.
    """
    access = Access(url, prepare)
    committing, readings = HeldConnections(access, committers), ReadingPool(access, readers)
    try:
        yield PostgresStore(committing, readings)
    finally:
        await committing.close()
        await readings.close()
