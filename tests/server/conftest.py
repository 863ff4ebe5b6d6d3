"""The hub's tests run on a database that has its tables."""

from __future__ import annotations

import pytest

from scenehub.server.store.postgres import migrate
from tests.parts import Migrate


@pytest.fixture(scope="session")
def migrate_template() -> Migrate:
    return migrate
