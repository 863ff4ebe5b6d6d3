"""`scenehub edit`: one edit, awaited until it is saved, or refused in words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.programs import Program

CODE = "export default () => null;\n"


@pytest.fixture(scope="session")
def secret(hub: Program) -> Path:
    """The folder that holds the shared hub's secret."""
    found = re.search(r"Data: (\S+)", hub.said)
    assert found
    return Path(found[1])


@pytest.fixture
def film(run: Run, url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A project of the test's own, with the scenes One, Two and Three."""
    folder = tmp_path / f"film-{abs(hash(request.node.name)) % 10**8}"
    folder.mkdir()
    for number, name in enumerate(("one", "two", "three"), 1):
        (folder / f"{number}-{name}.tsx").write_text(CODE, encoding="utf-8")
    assert run("import", folder, "--url", url).status == 0
    return folder.name


def names(run: Run, url: str, project: str) -> list[str]:
    shown = run("watch", project, "--once", "--url", url).out
    return re.findall(r"^ +\d+  (\w+)", shown, re.MULTILINE)


def test_fields_and_properties_are_saved_with_a_seq(run: Run, url: str, film: str) -> None:
    said = run(
        "edit", film, "scene", "One", "--set", "duration=45", "--prop", "title=Hi", "--prop", "n=3", "--url", url
    )
    assert said.status == 0
    assert re.search(r"● duration, title, n of \"One\"  saved at seq 2", said.out)
    shown = run("watch", film, "--once", "--url", url).out
    assert "45 f" in shown


def test_scenes_are_added_moved_deleted_and_restored(run: Run, url: str, film: str, tmp_path: Path) -> None:
    (tmp_path / "04-four.tsx").write_text(CODE, encoding="utf-8")
    assert run("edit", film, "add", tmp_path / "04-four.tsx", "--before", "Two", "--url", url).status == 0
    assert names(run, url, film) == ["One", "Four", "Two", "Three"]
    assert run("edit", film, "move", "One", "--after", "Two", "--url", url).status == 0
    assert names(run, url, film) == ["Four", "Two", "One", "Three"]
    assert run("edit", film, "move", "Four", "--last", "--url", url).status == 0
    deleted = run("edit", film, "delete", "Two", "--url", url)
    assert names(run, url, film) == ["One", "Three", "Four"]
    id = re.findall(r"restore (\S+)", deleted.out)[0]
    assert run("edit", film, "restore", id, "--url", url).status == 0
    assert sorted(names(run, url, film)) == ["Four", "One", "Three", "Two"]


def test_code_chat_project_and_memory_have_words_of_their_own(run: Run, url: str, film: str, tmp_path: Path) -> None:
    (tmp_path / "new.tsx").write_bytes(b"export default () => 1;\r\n")
    coded = run("edit", film, "code", "One", tmp_path / "new.tsx", "--url", url)
    assert coded.status == 0
    assert "converted" in coded.err
    assert run("edit", film, "say", "Hello [bold]there", "--url", url).status == 0
    assert run("edit", film, "set", "name=Renamed", "fps=60", "--url", url).status == 0
    assert run("edit", film, "remember", "mood", "calm", "--url", url).status == 0
    shown = run("watch", film, "--once", "--url", url).out
    assert "Hello [bold]there" in shown
    assert "Renamed" in shown
    assert "60 fps" in shown


def test_a_scene_that_is_not_there_is_named_with_those_that_are(run: Run, url: str, film: str) -> None:
    said = run("edit", film, "delete", "Fuor", "--url", url)
    assert said.status == 1
    assert "Fuor" in said.err
    assert "One, Two, Three" in said.err


def test_a_reject_is_told_with_its_code(run: Run, url: str, film: str, secret: Path) -> None:
    """S3, M3: the author hears code and words."""
    token = run("token", "--user", "eve", "--role", "viewer", "--data", secret).out.strip()
    said = run("edit", film, "scene", "One", "--set", "duration=5", "--url", url, "--token", token)
    assert said.status == 1
    assert "rejected (forbidden)" in said.err
    said = run("edit", film, "scene", "One", "--set", "duration=0", "--url", url)
    assert said.status == 1
    assert "rejected (invalid)" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ("scene", "One"),
        ("scene", "One", "--set", "speed=3"),
        ("scene", "One", "--set", "duration=fast"),
        ("scene", "One", "--prop", "title"),
        ("move", "One"),
        ("move", "One", "--first", "--last"),
        ("say", " "),
        ("add", "/nowhere.tsx"),
        ("unheard-of",),
    ],
)
def test_what_is_not_understood_ends_with_2(run: Run, words: tuple[str, ...]) -> None:
    said = run("edit", "film", *words)
    assert said.status == 2
    assert "Traceback" not in said.err


def test_a_token_for_another_project_or_from_elsewhere_is_refused(
    run: Run, url: str, film: str, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M3."""
    narrow = run("token", "--user", "eve", "--project", "launch-video", "--data", secret).out.strip()
    said = run("edit", film, "say", "hi", "--url", url, "--token", narrow)
    assert said.status == 1
    assert "another project" in said.err
    assert run("edit", "launch-video", "say", "hi", "--url", url, "--token", narrow).status == 0
    monkeypatch.setenv("SCENEHUB_SECRET", "s" * 40)
    foreign = run("token", "--user", "eve").out.strip()
    said = run("projects", "--url", url, "--token", foreign)
    assert said.status == 1
    assert "not valid here" in said.err
