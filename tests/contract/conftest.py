"""The contract suites' database has the hub's tables."""

from __future__ import annotations

import pytest

from scenehub.server.store.postgres import migrate
from tests.parts import Migrate


@pytest.fixture(scope="session")
def migrate_template() -> Migrate:
    return migrate
