"""A database that goes away, comes back, refuses or is cut off: what a commit then says is true (E2, N2, N4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from scenehub.protocol.ledger import Batch, Caught, Verdict
from scenehub.server.dev import Postgres, postgres
from scenehub.server.store.port import StoreAway
from scenehub.server.store.postgres import PostgresStore, migrate, open_store
from tests.store.author import Author, made, renamed, scene
from tests.store.severed import wired


@pytest.fixture
async def server(part_directory: Path) -> AsyncIterator[Postgres]:
    async with postgres(part_directory, durable=False) as started:
        await migrate(started.url)
        yield started


@pytest.fixture
async def own(server: Postgres) -> AsyncIterator[PostgresStore]:
    """A store on a server that the test may kill."""
    async with open_store(server.url) as opened:
        yield opened


async def until_it_waits(connection: asyncpg.Connection) -> int:
    """The backend that waits for a lock."""
    async with asyncio.timeout(10):
        while True:
            waiting = await connection.fetchval("SELECT pid FROM pg_locks WHERE NOT granted")
            if waiting is not None:
                return int(waiting)


async def held(url: str) -> asyncpg.Connection:
    """A connection that holds the rows of all projects."""
    connection = await asyncpg.connect(url)
    await connection.execute("BEGIN; SELECT FROM projects FOR UPDATE")
    return connection


async def test_a_commit_whose_server_is_killed_has_an_unknown_outcome(server: Postgres, own: PostgresStore) -> None:
    author = await made(own)
    author.edit("c1", scene("s1"))
    batch = author.batch()
    holder = await held(server.url)
    commit = asyncio.create_task(own.commit([batch]))
    await until_it_waits(holder)
    await server.kill()
    assert await commit == [Verdict.UNKNOWN]
    holder.terminate()
    assert await own.commit([batch]) == [Verdict.FAILED]
    with pytest.raises(StoreAway):
        await own.load("launch")
    await server.start()
    assert (await own.load("launch")).head.seq == 0
    assert await own.commit([batch]) == [Verdict.SAVED]


async def test_what_was_said_to_be_saved_survives_kill_9_again_and_again(server: Postgres, own: PostgresStore) -> None:
    author = await made(own)
    for turn in range(3):
        author.edit("c1", scene(f"s{turn}"))
        assert await author.save(own) is Verdict.SAVED
        await server.kill()
        await server.start()
    loaded = await own.load("launch")
    assert loaded.head == author.head
    assert sum(1 for _ in loaded.document.living("scene")) == 3


async def test_a_server_that_is_shut_down_under_a_commit_stores_nothing(server: Postgres, own: PostgresStore) -> None:
    """Its last words do not reach us: the wire breaks under the statement, so we do not claim to know."""
    author = await made(own)
    author.edit("c1", scene("s1"))
    batch = author.batch()
    holder = await held(server.url)
    commit = asyncio.create_task(own.commit([batch]))
    await until_it_waits(holder)
    await server.stop()
    assert await commit == [Verdict.UNKNOWN]
    holder.terminate()
    await server.start()
    assert await own.commit([batch]) == [Verdict.SAVED]


async def test_an_answer_that_is_lost_leaves_the_outcome_unknown_and_the_clients_row_tells(
    database_url: str,
) -> None:
    """E2: the edit is stored though nobody was told."""
    async with wired(database_url) as wire, open_store(wire.url) as own:
        author = await made(own)
        author.edit("c1", scene("s1"))
        assert await author.save(own) is Verdict.SAVED
        position = author.head.position
        author.edit("c1", renamed("s1", "lost answer"))
        batch = author.batch()
        wire.cut_answers = True
        assert await own.commit([batch]) == [Verdict.UNKNOWN]
        wire.cut_answers = False
        caught = await own.catch_up("launch", position, ["c1"])
        assert caught.clients["c1"].counter == 2
        assert list(caught.edits) == batch.commits
        assert await own.commit([batch]) == [Verdict.MISSED]


async def test_a_store_nobody_can_connect_to_fails_commits_and_is_away(database_url: str) -> None:
    async with open_store(database_url) as here:
        author = await made(here)
    author.edit("c1", scene("s1"))
    nowhere = urlunsplit(urlsplit(database_url)._replace(netloc="127.0.0.1:1"))
    async with open_store(nowhere) as own:
        assert await own.commit([author.batch()]) == [Verdict.FAILED]
        with pytest.raises(StoreAway):
            await own.heads(["launch"])


async def test_a_server_with_no_connection_left_fails_commits(
    store: PostgresStore, beside: asyncpg.Connection, database_url: str
) -> None:
    author = await made(store)
    author.edit("c1", scene("s1"))
    role = f"crowd_{urlsplit(database_url).path[1:]}"
    await beside.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'crowd' CONNECTION LIMIT 0")
    try:
        address = urlsplit(database_url).netloc.rpartition("@")[2]
        url = urlunsplit(urlsplit(database_url)._replace(netloc=f"{role}:crowd@{address}"))
        async with open_store(url) as own:
            assert await own.commit([author.batch()]) == [Verdict.FAILED]
    finally:
        await beside.execute(f"DROP ROLE {role}")


async def test_a_read_only_server_fails_commits_until_another_takes_over(
    store: PostgresStore, beside: asyncpg.Connection, database_url: str
) -> None:
    author = await made(store)
    author.edit("c1", scene("s1"))
    batch = author.batch()
    name = urlsplit(database_url).path[1:]
    await beside.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert await store.commit([batch]) == [Verdict.FAILED]
    await beside.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert await store.commit([batch]) == [Verdict.SAVED]


ANSWERS = {
    "53100": (Verdict.FAILED, 0),  # disk full
    "53200": (Verdict.FAILED, 0),  # out of memory
    "57014": (Verdict.FAILED, 0),  # took too long
    "55P03": (Verdict.FAILED, 0),  # waited too long for a lock
    "40P01": (Verdict.FAILED, 0),  # deadlock, twice
    "57P01": (Verdict.FAILED, 0),  # shut down
    "58030": (Verdict.FAILED, 0),  # the disk fails
    "XX001": (Verdict.FAILED, 1),  # a broken page: the others need not suffer
    "23514": (Verdict.POISON, 1),
    "22021": (Verdict.POISON, 1),
    "54000": (Verdict.POISON, 1),
    "P0001": (Verdict.POISON, 1),
}


@pytest.mark.parametrize(("state", "expected"), ANSWERS.items())
async def test_an_error_of_the_server_says_whose_fault_it_is(
    store: PostgresStore, beside: asyncpg.Connection, state: str, expected: tuple[Verdict, int]
) -> None:
    verdict, neighbours = expected
    await beside.execute(
        f"""CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{state}'; END $$;
            CREATE TRIGGER fails BEFORE INSERT ON edits FOR EACH ROW WHEN (NEW.client_id = 'bad')
            EXECUTE FUNCTION fail()"""
    )
    authors = [await made(store, f"p{index}") for index in range(4)]
    for index, author in enumerate(authors):
        author.edit("bad" if index == 2 else "good", scene(f"s{index}"))
    batches = [author.batch() for author in authors]
    verdicts = await store.commit(batches)
    assert verdicts[2] is verdict
    assert [verdicts[index] for index in (0, 1, 3)] == [Verdict.SAVED if neighbours else Verdict.FAILED] * 3
    await beside.execute("DROP TRIGGER fails ON edits")
    again = await store.commit(batches)
    assert again[2] is Verdict.SAVED
    assert again[0] is (Verdict.MISSED if neighbours else Verdict.SAVED)


async def test_text_that_postgres_cannot_hold_is_poison_and_harms_nobody_else(store: PostgresStore) -> None:
    """O7: the protocol refuses it long before; this is what happens if it did not."""
    authors = [await made(store, f"p{index}") for index in range(3)]
    for author, text in zip(authors, ("fine", "a\x00b", "\ud800"), strict=True):
        author.edit("c1", scene(f"s-{author.project}"))
        [commit] = author.batch().commits
        writes = [(key, text if key.field == "name" else value) for key, value in commit.writes]
        object.__setattr__(commit, "writes", writes)
        author._outcomes, author._before = [commit], {"c1": 0}
        author._fence = author.head._replace(seq=0, id=None)
    verdicts = await store.commit([author.batch() for author in authors])
    assert verdicts == [Verdict.SAVED, Verdict.POISON, Verdict.POISON]


async def test_a_backend_that_is_terminated_under_a_commit_stores_nothing(
    store: PostgresStore, beside: asyncpg.Connection, database_url: str
) -> None:
    author = await made(store)
    author.edit("c1", scene("s1"))
    batch = author.batch()
    holder = await held(database_url)
    commit = asyncio.create_task(store.commit([batch]))
    await beside.execute("SELECT pg_terminate_backend($1)", await until_it_waits(holder))
    assert await commit == [Verdict.UNKNOWN]
    await holder.close()
    assert await store.commit([batch]) == [Verdict.SAVED]


async def test_a_commit_that_is_cancelled_gives_its_connection_up(database_url: str) -> None:
    async with open_store(database_url, committers=1) as own:
        author = await made(own)
        author.edit("c1", scene("s1"))
        batch = author.batch()
        holder = await held(database_url)
        commit = asyncio.create_task(own.commit([batch]))
        await until_it_waits(holder)
        commit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await commit
        await holder.close()
        async with asyncio.timeout(10):
            assert await own.commit([batch]) in ([Verdict.SAVED], [Verdict.MISSED])


async def test_under_the_projects_lock_nobody_comes_in_between(store: PostgresStore) -> None:
    """N2: the way out for who missed three times."""
    author = await made(store)
    author.edit("c1", scene("s1"))
    await author.save(store)
    rival = await Author.of(store, "launch")
    rival.edit("c2", scene("s2"))
    rivals: list[asyncio.Task[Verdict]] = []
    stale = author.head.position._replace(seq=0, id=None)

    def plan(caught: Caught) -> Batch:
        assert caught.head.seq == 1
        assert [commit.seq for commit in caught.edits] == [1]
        rivals.append(asyncio.get_running_loop().create_task(rival.save(store)))
        author.edit("c1", renamed("s1", "under the lock"))
        return author.batch()

    assert await store.commit_locked("launch", stale, ["c1"], plan) is Verdict.SAVED
    assert await rivals[0] is Verdict.MISSED
    assert await store.commit_locked("launch", stale, [], lambda caught: None) is Verdict.MISSED


def _refused(_: Caught) -> Batch | None:
    raise ZeroDivisionError


@pytest.mark.parametrize("plan", [_refused])
async def test_an_error_of_the_planner_ends_the_lock(
    store: PostgresStore, plan: Callable[[Caught], Batch | None]
) -> None:
    author = await made(store)
    with pytest.raises(ZeroDivisionError):
        await store.commit_locked("launch", author.head.position, [], plan)
    author.edit("c1", scene("s1"))
    assert await author.save(store) is Verdict.SAVED
