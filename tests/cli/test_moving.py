"""`scenehub import` and `export`: what goes in comes out, byte for byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.cli.conftest import Run
from tests.cli.programs import SAMPLE


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def project_of(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "project.json").read_text(encoding="utf-8"))
    return read


def write_project(folder: Path, *scenes: dict[str, Any], code: bytes = b"export default () => null;\n") -> Path:
    folder.mkdir(exist_ok=True)
    for scene in scenes:
        (folder / scene["file"]).write_bytes(code)
    project = {"format": 1, "name": "Small", "scenes": list(scenes)}
    (folder / "project.json").write_text(json.dumps(project), encoding="utf-8")
    return folder


def test_what_was_imported_is_exported_byte_for_byte(run: Run, url: str, tmp_path: Path) -> None:
    assert run("import", SAMPLE, "--project", "round", "--url", url).status == 0
    assert run("export", "round", tmp_path / "out", "--no-ids", "--url", url).status == 0
    sample, out = project_of(SAMPLE), project_of(tmp_path / "out")
    codes = [[(folder / scene["file"]).read_bytes() for scene in project["scenes"]]
             for folder, project in ((SAMPLE, sample), (tmp_path / "out", out))]  # fmt: skip
    assert codes[0] == codes[1]
    for scene in (*sample["scenes"], *out["scenes"]):
        del scene["file"]  # it is named after the scene
    assert sample == out


def test_an_export_that_is_imported_elsewhere_exports_the_same_again(run: Run, url: str, tmp_path: Path) -> None:
    assert run("import", SAMPLE, "--project", "first", "--url", url).status == 0
    assert run("export", "first", tmp_path / "a", "--no-ids", "--url", url).status == 0
    assert run("import", tmp_path / "a", "--project", "second", "--url", url).status == 0
    assert run("export", "second", tmp_path / "b", "--no-ids", "--url", url).status == 0
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_importing_twice_changes_nothing(run: Run, url: str) -> None:
    first = run("import", SAMPLE, "--project", "twice", "--url", url)
    second = run("import", SAMPLE, "--project", "twice", "--url", url)
    assert "10 added" in first.out
    assert "as they were" in second.out
    assert first.out.split("seq")[-1] == second.out.split("seq")[-1]


def test_ids_that_belong_to_another_project_are_replaced(run: Run, url: str, tmp_path: Path) -> None:
    """Design §5: ids are unique in the installation; import remaps on collision."""
    folder = write_project(tmp_path / "film", {"file": "a.tsx", "name": "A", "id": "scene-of-one"})
    assert run("import", folder, "--project", "one", "--url", url).status == 0
    said = run("import", folder, "--project", "other", "--url", url)
    assert said.status == 0
    assert "1 id" in said.err
    assert run("export", "other", tmp_path / "out", "--url", url).status == 0
    (scene,) = project_of(tmp_path / "out")["scenes"]
    assert scene["id"] != "scene-of-one"


def test_scenes_move_change_and_come_into_a_live_project(run: Run, url: str, tmp_path: Path) -> None:
    names = ("a", "b", "c", "d")
    scenes = [{"file": f"{name}.tsx", "name": name, "id": f"live-{name}"} for name in names]
    folder = write_project(tmp_path / "film", *scenes)
    assert run("import", folder, "--project", "live", "--url", url).status == 0
    assert run("edit", "live", "add", folder / "a.tsx", "--name", "mine", "--url", url).status == 0
    wanted = [scenes[3], {**scenes[0], "duration": 12}, {"file": "b.tsx", "name": "new"}, scenes[2]]
    said = run("import", write_project(folder, *wanted), "--project", "live", "--url", url)
    assert said.status == 0, said
    assert run("export", "live", tmp_path / "out", "--url", url).status == 0
    out = [(scene["name"], scene["duration"]) for scene in project_of(tmp_path / "out")["scenes"]]
    assert [row for row in out if row[0] in ("d", "a", "new", "c")] == [("d", 90), ("a", 12), ("new", 90), ("c", 90)]
    assert {"mine", "b"} <= {name for name, _ in out}  # what the folder does not name stays


def test_replace_asks_and_then_deletes_what_the_folder_does_not_have(run: Run, url: str, tmp_path: Path) -> None:
    both = ({"file": "a.tsx", "name": "Keep"}, {"file": "b.tsx", "name": "Drop"})
    folder = write_project(tmp_path / "film", *both)
    assert run("import", folder, "--project", "swap", "--url", url).status == 0
    write_project(folder, both[0])
    refused = run("import", folder, "--project", "swap", "--replace", "--url", url)
    assert refused.status == 1
    assert "Drop" in refused.err
    said = run("import", folder, "--project", "swap", "--replace", "--yes", "--url", url)
    assert "1 deleted" in said.out
    again = write_project(folder, *both)
    assert "1 added" in run("import", again, "--project", "swap", "--url", url).out


def test_every_problem_is_named_and_nothing_is_written(run: Run, url: str, tmp_path: Path) -> None:
    """F7: bad input is refused by name before anything happens."""
    folder = tmp_path / "film"
    shutil.copytree(SAMPLE, folder)
    (folder / "scenes/02-logo-sting.tsx").write_bytes(b"\xff\xfe")
    (folder / "scenes/03-live-cursors.tsx").write_bytes(b"a\nb\x00c")
    (folder / "scenes/04-one-order.tsx").unlink()
    project = project_of(folder)
    project["scenes"][0]["duration"] = 0
    project["scenes"][5]["file"] = "../../../etc/passwd"
    project["scenes"][6]["speed"] = 2
    (folder / "project.json").write_text(json.dumps(project), encoding="utf-8")
    said = run("import", folder, "--project", "broken", "--url", url)
    assert said.status == 1
    for culprit in ("scenes.0.duration", "02-logo-sting.tsx: is not UTF-8", "U+0000", "04-one-order.tsx", "leads out"):
        assert culprit in said.err
    assert "scenes.6.speed" in said.err
    assert "6 problems" in said.err
    assert "broken" not in run("projects", "--url", url).out


def test_carriage_returns_are_converted_and_told(run: Run, url: str, tmp_path: Path) -> None:
    folder = write_project(tmp_path / "film", {"file": "a.tsx", "name": "A"}, code=b"\xef\xbb\xbfone\r\ntwo\r\n")
    said = run("import", folder, "--project", "crlf", "--url", url)
    assert "line ends were converted" in said.err
    assert run("export", "crlf", tmp_path / "out", "--url", url).status == 0
    assert (tmp_path / "out/scenes/01-a.tsx").read_bytes() == b"one\ntwo\n"


def test_a_folder_of_loose_files_becomes_a_project_of_its_own(run: Run, url: str, tmp_path: Path) -> None:
    folder = tmp_path / "loose"
    folder.mkdir()
    for name in ("02-second_one.tsx", "01-first.tsx"):
        (folder / name).write_text("export default () => null;\n", encoding="utf-8")
    assert run("import", folder, "--url", url).status == 0
    assert run("import", folder, "--url", url).status == 0  # a new project again: nothing is touched unasked
    assert run("export", "loose-2", tmp_path / "out", "--url", url).status == 0
    assert [scene["name"] for scene in project_of(tmp_path / "out")["scenes"]] == ["First", "Second one"]


def test_a_folder_that_is_not_empty_is_not_written_over_unasked(run: Run, url: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    said = run("export", "launch-video", tmp_path, "--url", url)
    assert said.status == 1
    assert "--force" in said.err
    assert run("export", "launch-video", tmp_path, "--force", "--url", url).status == 0
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_check_only_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    assert "10 scenes" in run("import", SAMPLE, "--check").out
    assert run("import", tmp_path / "nowhere", "--check").status == 1
