"""What every test gets: the gate for skipped tests, and pytest's own test bench for the gate's test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scenehub.server.store.postgres import migrate
from tests.skips import skip_gate

if TYPE_CHECKING:
    from tests.parts import Migrate

pytest_plugins = ["pytester", "tests.parts"]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(skip_gate(Path(__file__).with_name("allowed_skips.txt")), "skip-gate")


@pytest.fixture(scope="session")
def migrate_template() -> Migrate:
    """The tests' databases have the hub's tables."""
    return migrate
