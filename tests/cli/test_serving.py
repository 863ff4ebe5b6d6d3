"""`scenehub serve`, `migrate` and `token`: what an operator meets."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Run
from tests.cli.programs import Program, program, scenehub

SECRET = "a-secret-of-more-than-32-characters-for-tests"


@pytest.fixture
def two(database_url: str) -> Iterator[tuple[Program, Program]]:
    """Two nodes on one database."""
    told = {"SCENEHUB_DATABASE_URL": database_url, "SCENEHUB_SECRET": SECRET}
    with (
        program("serve", "--port", "0", "--create", "film", **told) as one,
        program("serve", "--port", "0", "--create", "film", **told) as other,
    ):
        for node in (one, other):
            node.until('"event": "listening"')
        yield one, other


def edit(node: Program, token: str, text: str) -> int:
    said = scenehub("edit", "film", "say", text, SCENEHUB_URL=node.url(), SCENEHUB_TOKEN=token)
    assert said.returncode == 0, said
    return int(re.findall(r"seq (\d+)", said.stdout)[0])


def test_a_node_is_killed_another_is_drained_and_no_saved_edit_is_lost(two: tuple[Program, Program]) -> None:
    """N1, N5: any node serves any project, a killed node loses no commit, SIGTERM ends in order."""
    one, other = two
    token = scenehub("token", "--user", "ada", "--name", "Ada", SCENEHUB_SECRET=SECRET).stdout.strip()
    assert edit(one, token, "from the one") == 1
    assert one.stop(signal.SIGKILL) == -signal.SIGKILL
    assert edit(other, token, "from the other") == 2
    shown = scenehub("watch", "film", "--once", SCENEHUB_URL=other.url(), SCENEHUB_TOKEN=token).stdout
    assert "from the one" in shown
    assert "from the other" in shown
    assert other.stop() == 0
    lines = [json.loads(line) for line in other.said.splitlines()]  # its whole log is JSON
    assert {"listening", "drained", "stopped"} <= {line["event"] for line in lines}


def test_an_edit_on_one_node_reaches_a_member_on_the_other_without_redis(two: tuple[Program, Program]) -> None:
    """N3: nodes that know of each other through Postgres alone."""
    one, other = two
    token = scenehub("token", "--user", "lin", SCENEHUB_SECRET=SECRET).stdout.strip()
    with program("watch", "film", "--plain", SCENEHUB_URL=one.url(), SCENEHUB_TOKEN=token) as watching:
        watching.until("0 scenes")
        edit(other, token, "across")
        watching.until(r'● lin  says "across"')


def test_a_node_gives_no_guest_tokens() -> None:
    """M3: only `dev` lets guests in."""
    with program("serve", "--store", "memory", "--port", "0", SCENEHUB_SECRET=SECRET) as node:
        said = scenehub("projects", SCENEHUB_URL=node.url())
        assert said.returncode == 1
        assert "guest" in said.stderr
        token = scenehub("token", "--user", "ada", SCENEHUB_SECRET=SECRET).stdout.strip()
        assert "No project yet" in scenehub("projects", SCENEHUB_URL=node.url(), SCENEHUB_TOKEN=token).stderr


def test_migrate_lists_what_it_applied(run: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEHUB_DATABASE_URL", empty_database_url)
    first = run("migrate")
    assert first.status == 0, first
    assert "0001_tables" in first.out
    assert "up to date" in run("migrate").out


@pytest.mark.parametrize(
    ("given", "words", "named"),
    [
        ({}, ("serve", "--port", "0"), "SCENEHUB_SECRET"),
        ({"SCENEHUB_SECRET": "short"}, ("serve", "--port", "0"), "32 random characters"),
        ({"SCENEHUB_SECRET": SECRET}, ("serve", "--port", "0"), "SCENEHUB_DATABASE_URL"),
        ({"SCENEHUB_PORT": "many"}, ("serve",), "SCENEHUB_PORT"),
        ({}, ("migrate",), "SCENEHUB_DATABASE_URL"),
        ({"SCENEHUB_DATABASE_URL": "postgresql://me:hush@127.0.0.1:9/db"}, ("migrate",), "127.0.0.1:9/db"),
        ({}, ("token", "--user", "ada", "--data", "/nonexistent"), "SCENEHUB_SECRET"),
    ],
)
def test_what_is_missing_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], words: tuple[str, ...], named: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    said = run(*words)
    assert said.status == 1
    assert named in said.err
    assert "hush" not in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("words", [("token", "--user", "a b"), ("token",), ("serve", "--create", "a/b"), ("nonsense",)])
def test_what_is_not_understood_ends_with_2(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words).status == 2


@pytest.mark.parametrize(
    "word", ["", "dev", "serve", "migrate", "token", "projects", "import", "export", "watch", "edit"]
)
def test_every_word_has_help(run: Run, word: str) -> None:
    said = run(*([word] if word else []), "--help")
    assert said.status == 0
    assert "Usage" in said.out


def test_help_shows_examples(run: Run) -> None:
    for word in ("dev", "import", "export", "watch", "edit", "token"):
        assert f"scenehub {word}" in run(word, "--help").out
