"""One `scenehub dev` for the tests that only need a hub, and the command line in this process for those that use it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from scenehub.server.cli.app import main
from tests.cli.programs import Program, open_directory, program


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture(scope="session")
def hub() -> Iterator[Program]:
    """A development hub with the sample project, shared by the tests of this folder."""
    with open_directory() as data, program("dev", "--port", "0", "--data", data) as running:
        running.until("Stop:")
        yield running


@pytest.fixture(scope="session")
def url(hub: Program) -> str:
    """Where the shared hub is."""
    return hub.url()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("projects", "--url", url)`: the command line in this process, as `scenehub projects …` has it."""
    for name in ("SCENEHUB_URL", "SCENEHUB_TOKEN", "SCENEHUB_SECRET", "SCENEHUB_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run_it(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["scenehub", *map(str, words)])
        capsys.readouterr()
        status: object = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr()
        return Ended(status if isinstance(status, int) else 0, said.out, said.err)

    return run_it
