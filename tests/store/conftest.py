"""A migrated database, a store on it, and a connection of the test's own beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from scenehub.server.store.postgres import PostgresStore, open_store


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    async with open_store(database_url) as opened:
        yield opened


@pytest.fixture
async def beside(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
