"""Who may import whom: each contract of the import linter is shown to catch a planted violation."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.checks.tree import REPOSITORY, copy_of_the_code, plant, run_tool

if TYPE_CHECKING:
    from pathlib import Path

CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

ROGUE_IN_THE_CORE = "protocol/scenehub/protocol/rogue.py"
ROGUE_IN_THE_CLIENT = "client/scenehub/client/rogue.py"
ROGUE_IN_THE_SERVER = "server/scenehub/server/transport/rogue.py"

# Contract, the file that breaks it, how, and the module it must reach.
VIOLATIONS = [
    (
        "protocol-knows-no-shell",
        ROGUE_IN_THE_CORE,
        "import scenehub.server.reached",
        "server/scenehub/server/reached.py",
    ),
    (
        "protocol-knows-no-shell",
        ROGUE_IN_THE_CORE,
        "import scenehub.client.reached",
        "client/scenehub/client/reached.py",
    ),
    ("protocol-does-no-io", ROGUE_IN_THE_CORE, "import asyncio", None),
    ("protocol-does-no-io", ROGUE_IN_THE_CORE, "from socket import socket", None),
    ("protocol-does-no-io", ROGUE_IN_THE_CORE, "import asyncpg", None),
    (
        "client-knows-no-server",
        ROGUE_IN_THE_CLIENT,
        "import scenehub.server.reached",
        "server/scenehub/server/reached.py",
    ),
    ("client-is-light", ROGUE_IN_THE_CLIENT, "import starlette.routing", None),
    (
        "server-knows-no-client",
        ROGUE_IN_THE_SERVER,
        "import scenehub.client.reached",
        "client/scenehub/client/reached.py",
    ),
    (
        "adapters-are-chosen-at-the-root",
        ROGUE_IN_THE_SERVER,
        "from scenehub.server.store import postgres",
        "server/scenehub/server/store/postgres.py",
    ),
    (
        "adapters-are-chosen-at-the-root",
        ROGUE_IN_THE_SERVER,
        "import scenehub.server.bus.redis",
        "server/scenehub/server/bus/redis.py",
    ),
    ("roots-are-roots", ROGUE_IN_THE_SERVER, "import scenehub.server.app", "server/scenehub/server/app.py"),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copy_of_the_code(tmp_path)


def verdicts(tree: Path) -> dict[str, str]:
    """What the linter says of each contract: KEPT or BROKEN."""
    result = run_tool("lint-imports", "--no-cache", tree=tree)
    report = result.stdout + result.stderr
    found = {}
    for identity, name in CONTRACTS.items():
        line = next((line for line in report.splitlines() if line.startswith(name)), None)
        assert line is not None, report
        found[identity] = "BROKEN" if "BROKEN" in line else "KEPT"
    return found


def test_the_code_keeps_every_contract(tree: Path) -> None:
    assert set(verdicts(tree).values()) == {"KEPT"}


def test_every_contract_has_a_planted_violation() -> None:
    assert {contract for contract, *_ in VIOLATIONS} == set(CONTRACTS)


@pytest.mark.parametrize(("contract", "rogue", "statement", "reached"), VIOLATIONS)
def test_a_planted_violation_breaks_its_contract(
    tree: Path, contract: str, rogue: str, statement: str, reached: str | None
) -> None:
    if reached is not None:
        plant(tree, reached, "")
    plant(tree, rogue, statement)
    assert verdicts(tree)[contract] == "BROKEN"


@pytest.mark.parametrize("root", ["app", "cli", "dev"])
def test_a_composition_root_may_know_the_client_and_the_adapters(tree: Path, root: str) -> None:
    plant(tree, "client/scenehub/client/reached.py", "")
    plant(tree, "server/scenehub/server/store/postgres.py", "")
    folder = tree / "server/scenehub/server" / root
    file = f"server/scenehub/server/{root}/rogue.py" if folder.is_dir() else f"server/scenehub/server/{root}.py"
    plant(tree, file, "import scenehub.client.reached\nimport scenehub.server.store.postgres")
    found = verdicts(tree)
    assert (found["server-knows-no-client"], found["adapters-are-chosen-at-the-root"]) == ("KEPT", "KEPT")
