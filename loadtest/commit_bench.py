"""Committed edits a second: the hub's commit beside one transaction an edit, on one Postgres in one run.

    ./run python loadtest/commit_bench.py --help

Everything is durable (`fsync` and `synchronous_commit` on). Edits are planned before the clock starts; turning them
into rows and JSON is part of what is measured. One edit in twenty writes 3 KB of code, the others a property.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter, process_time

import asyncpg

from scenehub.protocol.document import Cell
from scenehub.protocol.edits import Actor, Edit, EditId, digest_of
from scenehub.protocol.errors import Refusal
from scenehub.protocol.ledger import Batch, Committed, Loaded, Verdict
from scenehub.protocol.limits import Limits
from scenehub.protocol.ops import SceneAdd, SceneFields, SceneSet
from scenehub.protocol.planning import Draft, plan
from scenehub.server.dev import postgres
from scenehub.server.store.postgres import PostgresStore, migrate, open_store
from scenehub.server.store.postgres.values import dumped

CODE = "".join(f"const line{index} = interpolate(frame, [0, {index}], [0, 1]);\n" for index in range(60))
ACTOR = Actor(user="bench")
_names = count()


class Project:
    """Plans edits of one client on one project of a few scenes."""

    def __init__(self, id: str, loaded: Loaded) -> None:
        self.id, self.head, self.document, self.at = id, loaded.head, loaded.document, max(loaded.at, 1)
        self.n = 0

    def first(self) -> Batch:
        """A batch that adds the scenes."""
        return self._batch(
            [SceneAdd(id=f"{self.id}-{k}", position=f"a{k}", name="S", duration=90, tsx_code=CODE) for k in range(5)]
        )

    def batch(self, edits: int) -> Batch:
        """The next batch of so many edits."""
        return self._batch([self._op() for _ in range(edits)])

    def _op(self) -> SceneSet:
        turn = next(_names)
        id = f"{self.id}-{turn % 5}"
        if turn % 20 == 0:
            return SceneSet(id=id, set=SceneFields(tsx_code=f"// {turn}\n{CODE}"))
        return SceneSet(id=id, set=SceneFields(props={"title": f"Title number {turn}", "x": turn % 1920}))

    def _batch(self, ops: Sequence[SceneAdd | SceneSet]) -> Batch:
        fence, before = self.head, self.n
        commits = [self._commit(op) for op in ops]
        return Batch(self.id, fence, commits, {f"c-{self.id}": (before, self.n, ACTOR.user)})

    def _commit(self, op: SceneAdd | SceneSet) -> Committed:
        self.n, self.at, seq = self.n + 1, self.at + 1, self.head.seq + 1
        edit = Edit(id=EditId(f"c-{self.id}", self.n), epoch=self.head.epoch, base=self.head.seq, ops=(op,))
        planned = plan(
            Draft(self.document), edit, ACTOR, seq=seq, at=self.at, base=edit.base, guarded=False, limits=Limits()
        )
        assert not isinstance(planned, Refusal)
        self.document.absorb({key: Cell(value, seq, edit.id, ACTOR.user) for key, value in planned.writes})
        self.head = self.head._replace(seq=seq, id=edit.id)
        return Committed(
            seq, self.at, edit, ACTOR, digest_of(edit), planned.writes, planned.replaced, planned.overwrote
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What one way of storing reached."""

    name: str
    edits: int
    seconds: float
    cpu: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Edits a second."""
        return self.edits / self.seconds

    def quantile(self, q: float) -> float:
        """Milliseconds within which so many of the commits were done."""
        return sorted(self.latencies)[int(q * (len(self.latencies) - 1))] * 1000


async def projects(store: PostgresStore, many: int) -> list[Project]:
    """New projects with their scenes."""
    made = []
    for _ in range(many):
        id = f"p{next(_names)}"
        await store.create(id, name="Bench", fps=30, width=1920, height=1080)
        made.append(Project(id, await store.load(id)))
    assert set(await store.commit([project.first() for project in made])) == {Verdict.SAVED}
    return made


async def grouped(store: PostgresStore, many: int, edits: int, turns: int, writers: int) -> Result:
    """Batches of `edits` edits for `many` projects in a call; so many `writers` call at a time."""
    groups = [await projects(store, many) for _ in range(writers)]
    calls = [[[project.batch(edits) for project in group] for _ in range(turns)] for group in groups]
    latencies: list[float] = []

    async def write(mine: list[list[Batch]]) -> None:
        for batches in mine:
            began = perf_counter()
            assert set(await store.commit(batches)) == {Verdict.SAVED}
            latencies.append(perf_counter() - began)

    name = f"commit: {writers} x {many:>2} projects x {edits:>3} edits"
    return await _timed(name, writers * many * edits * turns, [write(mine) for mine in calls], latencies)


async def single(url: str, store: PostgresStore, connections: int, edits: int) -> Result:
    """One transaction an edit, plain statements, over a pool; each connection has projects of its own."""
    mine = [await projects(store, 3) for _ in range(connections)]
    work = [[group[turn % 3].batch(1) for turn in range(edits)] for group in mine]
    latencies: list[float] = []
    async with asyncpg.create_pool(url, min_size=connections, max_size=connections) as pool:

        async def write(batches: Iterator[Batch]) -> None:
            for batch in batches:
                began = perf_counter()
                async with pool.acquire() as connection:
                    await _one_transaction(connection, batch)
                latencies.append(perf_counter() - began)

        name = f"one transaction an edit, {connections:>2} connections"
        return await _timed(name, connections * edits, [write(iter(each)) for each in work], latencies)


async def _one_transaction(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], batch: Batch) -> None:
    [commit] = batch.commits
    edit = commit.edit
    async with connection.transaction():
        seq = await connection.fetchval("SELECT seq FROM projects WHERE id = $1 FOR UPDATE", batch.project)
        assert seq == commit.seq - 1
        await connection.execute(
            """INSERT INTO edits (project_id, seq, client_id, n, digest, user_id, actor, base_epoch, base, guarded,
               format, ops, replaced, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, 'person', $7, $8, false, 1, $9, '[]', time_of($10))""",
            batch.project, commit.seq, *edit.id, commit.digest, ACTOR.user, edit.epoch, edit.base,
            dumped(edit.wire["ops"]), commit.at,
        )  # fmt: skip
        await connection.execute(
            "UPDATE projects SET seq = $2, head_client = $3, head_n = $4, committed_at = time_of($5) WHERE id = $1",
            batch.project, commit.seq, *edit.id, commit.at,
        )  # fmt: skip
        await connection.execute(
            "UPDATE clients SET counter = $3 WHERE project_id = $1 AND client_id = $2", batch.project, *edit.id
        )
        for key, value in commit.writes:
            if key.field == "tsx_code":
                await connection.execute("UPDATE scenes SET tsx_code = $2 WHERE id = $1", key.id, value)
            else:
                await connection.execute(
                    "UPDATE scenes SET props = props || $2 WHERE id = $1", key.id, dumped({key.field: value})
                )


async def _timed(name: str, edits: int, writers: Sequence[object], latencies: list[float]) -> Result:
    began, cpu = perf_counter(), process_time()
    await asyncio.gather(*writers)  # type: ignore[call-overload]
    return Result(name, edits, perf_counter() - began, process_time() - cpu, latencies)


def _readable(directory: str) -> Path:
    """The directory, open to the account that an embedded server of root's runs as."""
    path = Path(directory)
    path.chmod(0o755)
    return path


@asynccontextmanager
async def database(url: str | None) -> AsyncIterator[str]:
    """The database given, or a durable server of our own in a new directory."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="scenehub-bench-") as directory:
        async with postgres(_readable(directory), settings={"max_connections": "50"}) as server:
            yield server.url


async def measure(url: str | None, seconds: float) -> list[Result]:
    """All ways, one after the other, each for about so long."""
    async with database(url) as address:
        await migrate(address)
        async with open_store(address, committers=4) as store:
            await single(address, store, 4, 20)
            results = [
                await single(address, store, 1, int(250 * seconds)),
                await single(address, store, 16, int(60 * seconds)),
            ]
            for many, edits, writers, turns in ((1, 1, 1, 700), (1, 16, 1, 300), (1, 128, 1, 60), (50, 1, 1, 80),
                                                (50, 16, 1, 12), (12, 1, 4, 120), (12, 16, 4, 14)):  # fmt: skip
                await grouped(store, many, edits, 2, writers)
                results.append(await grouped(store, many, edits, max(2, int(turns * seconds)), writers))
            return results


def shown(results: Sequence[Result]) -> str:
    """A table, each line with its ratio to the best of one transaction an edit."""
    best = max(result.rate for result in results if result.name.startswith("one"))
    head = f"{'':<42}{'edits/s':>9}{'ratio':>7}{'p50 ms':>8}{'p99 ms':>8}{'client CPU':>11}"
    lines = (
        f"{result.name:<42}{result.rate:>9,.0f}{result.rate / best:>7.1f}{result.quantile(0.5):>8.1f}"
        f"{result.quantile(0.99):>8.1f}{result.cpu / result.seconds:>11.0%}"
        for result in results
    )
    return "\n".join([head, *lines])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a database to fill with test projects (default: an own durable server)")
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long each line is measured (default 2)")
    arguments = parser.parse_args()
    results = asyncio.run(measure(arguments.url, arguments.seconds))
    print(shown(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
