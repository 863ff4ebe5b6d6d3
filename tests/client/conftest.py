"""A small hub with real sockets, and members of its project."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.client.hub import Cluster, running


@pytest.fixture
async def hub() -> AsyncIterator[Cluster]:
    """One node."""
    async with running() as cluster:
        yield cluster


@pytest.fixture
async def two_nodes() -> AsyncIterator[Cluster]:
    """Two nodes on one store and one bus."""
    async with running(2) as cluster:
        yield cluster
