"""Time and chance are arguments in protocol/: ruff refuses a planted clock, generator or look at the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.checks.tree import REPOSITORY, copy_of_the_code, plant, run_tool

if TYPE_CHECKING:
    from pathlib import Path

CORE = "protocol/scenehub/protocol/rogue.py"
SIMULATOR = "protocol/scenehub/protocol/testing/rogue.py"
SHELL = "server/scenehub/server/transport/rogue.py"

IMPURE = [
    "import time\n\nnow = time.time()",
    "from time import monotonic\n\nnow = monotonic()",
    "import datetime as dt\n\nnow = dt.datetime.now(dt.UTC)",
    "from datetime import UTC, datetime\n\nnow = datetime.now(UTC)",
    "from uuid import uuid4\n\nidentity = uuid4()",
    "import secrets\n\nidentity = secrets.token_hex()",
    "import os\n\nname = os.environ['HOME']",
    "import random\n\nchoice = random.choice('ab')",
]
SEEDED = "import random\n\nchance = random.Random(7)"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copy_of_the_code(tmp_path)


def bans(tree: Path, file: str, text: str) -> int:
    """How often the planted file uses a banned API."""
    plant(tree, file, text)
    result = run_tool(
        "ruff", "check", "--no-cache", "--select", "TID251", "--output-format", "concise", file, tree=tree
    )
    return result.stdout.count("TID251")


@pytest.mark.parametrize("text", IMPURE)
@pytest.mark.parametrize("file", [CORE, SIMULATOR])
def test_a_planted_clock_or_dice_is_caught(tree: Path, file: str, text: str) -> None:
    assert bans(tree, file, text) > 0


def test_a_seeded_generator_is_for_the_simulator_alone(tree: Path) -> None:
    assert bans(tree, SIMULATOR, SEEDED) == 0
    assert bans(tree, CORE, SEEDED) > 0


def test_a_shell_may_look_at_the_clock(tree: Path) -> None:
    assert bans(tree, SHELL, IMPURE[0]) == 0


def test_the_code_as_it_stands_is_pure() -> None:
    result = run_tool("ruff", "check", "--no-cache", "--select", "TID251", "protocol", tree=REPOSITORY)
    assert result.returncode == 0, result.stdout
