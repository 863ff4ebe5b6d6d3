"""Migrations: each once, in order, by any number of nodes; what does not fit is refused in words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from scenehub.server.store.postgres import MigrationRefused, migrate, open_store
from scenehub.server.store.postgres.migrating import migrations_in
from tests.store.author import made


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE one (n int); INSERT INTO one VALUES (1);")
    (tmp_path / "0002_two.sql").write_text("CREATE TABLE two (n int);")
    return tmp_path


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_an_empty_database_gets_everything_and_then_nothing(empty_database_url: str) -> None:
    names = [migration.name for migration in migrations_in()]
    assert names[0] == "0001_tables"
    assert await migrate(empty_database_url) == names
    assert await migrate(empty_database_url) == []
    async with open_store(empty_database_url) as store:
        await made(store)


async def test_four_nodes_that_start_at_once_apply_each_file_once(empty_database_url: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    assert sorted(name for each in applied for name in each) == [migration.name for migration in migrations_in()]


async def test_new_files_are_applied_after_the_old_ones(empty_database_url: str, files: Path) -> None:
    await migrate(empty_database_url, directory=files)
    (files / "0003_three.sql").write_text("ALTER TABLE two ADD COLUMN m int;")
    assert await migrate(empty_database_url, directory=files) == ["0003_three"]


async def test_a_file_that_was_changed_is_refused(empty_database_url: str, files: Path) -> None:
    await migrate(empty_database_url, directory=files)
    (files / "0001_one.sql").write_text("CREATE TABLE one (n bigint);")
    (files / "0003_three.sql").write_text("CREATE TABLE three (n int);")
    with pytest.raises(MigrationRefused, match="0001_one is not what was applied"):
        await migrate(empty_database_url, directory=files)
    assert await ask(empty_database_url, "SELECT to_regclass('three')") is None


async def test_a_database_of_a_newer_release_is_refused(empty_database_url: str, files: Path) -> None:
    await migrate(empty_database_url, directory=files)
    (files / "0002_two.sql").unlink()
    with pytest.raises(MigrationRefused, match="newer release"):
        await migrate(empty_database_url, directory=files)


async def test_a_file_that_comes_too_late_is_refused(empty_database_url: str, files: Path) -> None:
    await migrate(empty_database_url, directory=files)
    (files / "0001_zwei.sql").write_text("CREATE TABLE three (n int);")
    with pytest.raises(MigrationRefused, match="0001_zwei was not applied"):
        await migrate(empty_database_url, directory=files)


async def test_a_file_that_fails_leaves_nothing_behind_and_keeps_what_came_before(
    empty_database_url: str, files: Path
) -> None:
    (files / "0003_bad.sql").write_text("CREATE TABLE three (n int); SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database_url, directory=files)
    assert await ask(empty_database_url, "SELECT to_regclass('three')") is None
    (files / "0003_bad.sql").write_text("CREATE TABLE three (n int);")
    assert await migrate(empty_database_url, directory=files) == ["0003_bad"]


async def test_a_statement_that_cannot_run_in_a_transaction_runs_without_one(
    empty_database_url: str, files: Path
) -> None:
    (files / "0003_index.sql").write_text("-- no transaction\nCREATE INDEX CONCURRENTLY one_n ON one (n);")
    together = await asyncio.gather(*(migrate(empty_database_url, directory=files) for _ in range(3)))
    assert sorted(name for each in together for name in each) == ["0001_one", "0002_two", "0003_index"]


async def test_a_node_does_not_wait_for_ever_for_another_that_migrates(empty_database_url: str, files: Path) -> None:
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute(f"SELECT pg_advisory_lock({0x5CE4E48B})")
        with pytest.raises(TimeoutError):
            await migrate(empty_database_url, directory=files, patience=0.2)
    finally:
        await connection.close()
    assert await migrate(empty_database_url, directory=files) == ["0001_one", "0002_two"]
