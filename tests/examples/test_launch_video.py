"""The launch video is a sound project: what the hub, the benches and the page rely on when they open it."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

VIDEO = Path(__file__).resolve().parents[2] / "examples" / "launch-video"
PROJECT: dict[str, Any] = json.loads((VIDEO / "project.json").read_text(encoding="utf-8"))
FILES: list[str] = [scene["file"] for scene in PROJECT["scenes"]]
LARGEST_SCENE = 64 * 1024
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

each_scene = pytest.mark.parametrize("file", FILES)


def code_of(file: str) -> str:
    return (VIDEO / file).read_bytes().decode("utf-8")


def test_the_project_is_thirty_seconds_of_full_hd() -> None:
    assert PROJECT["format"] == 1
    assert (PROJECT["fps"], PROJECT["width"], PROJECT["height"]) == (30, 1920, 1080)
    assert sum(scene["duration"] for scene in PROJECT["scenes"]) == 900


def test_there_are_at_least_eight_scenes_and_no_file_is_left_over() -> None:
    assert len(FILES) >= 8
    on_disk = sorted(path.relative_to(VIDEO).as_posix() for path in (VIDEO / "scenes").iterdir())
    assert sorted(FILES) == on_disk


@pytest.mark.parametrize("scene", PROJECT["scenes"], ids=FILES)
def test_a_scene_has_a_name_whole_frames_and_props(scene: dict[str, Any]) -> None:
    assert set(scene) - {"id"} == {"file", "name", "duration", "trim_start", "props"}
    assert scene["name"]
    assert type(scene["duration"]) is int
    assert scene["duration"] > 0
    assert type(scene["trim_start"]) is int
    assert scene["trim_start"] >= 0
    assert isinstance(scene["props"], dict)
    assert "id" not in scene or ID.fullmatch(scene["id"])


@each_scene
def test_a_scene_is_small_text_with_newline_ends(file: str) -> None:
    raw = (VIDEO / file).read_bytes()
    assert len(raw) <= LARGEST_SCENE
    assert b"\r" not in raw
    assert b"\0" not in raw
    assert raw.decode("utf-8").endswith("\n")


@each_scene
def test_a_scene_imports_nothing_but_react_and_remotion(file: str) -> None:
    code = code_of(file)
    assert set(re.findall(r"\bfrom\s+['\"]([^'\"]+)['\"]", code)) <= {"react", "remotion"}
    assert not re.search(r"\bimport\s*\(|\brequire\s*\(|^import\s+['\"]", code, re.MULTILINE)


@each_scene
def test_a_scene_loads_nothing_from_the_network(file: str) -> None:
    addresses = re.findall(r"https?://[^\s'\"`]+", code_of(file))
    shown_or_named = {"http://www.w3.org/2000/svg", "http://127.0.0.1:8787"}
    assert set(addresses) <= shown_or_named
    assert not re.search(r"\b(?:fetch|XMLHttpRequest|WebSocket|staticFile)\b", code_of(file))


@each_scene
def test_a_scene_exports_one_component_by_default(file: str) -> None:
    code = code_of(file)
    exported = re.findall(r"^export default (\w+);$", code, re.MULTILINE)
    assert len(exported) == 1
    assert len(re.findall(r"^export\b", code, re.MULTILINE)) == 1
    assert re.search(rf"^const {exported[0]}: React\.FC<Props>", code, re.MULTILINE)


@pytest.mark.parametrize("scene", PROJECT["scenes"], ids=FILES)
def test_a_scene_declares_every_prop_that_the_project_gives_it(scene: dict[str, Any]) -> None:
    declared = re.search(r"type Props = \{(.*?)\n?\};", code_of(scene["file"]), re.DOTALL)
    assert declared is not None
    assert set(scene["props"]) <= set(re.findall(r"(\w+)\?:", declared[1]))


def deno() -> str | None:
    """The compiler that the server uses, where its wheel is installed (it is no part of the light client)."""
    if importlib.util.find_spec("deno") is None:
        return None
    return shutil.which("deno", path=str(Path(sys.executable).parent)) or shutil.which("deno")


@pytest.mark.skipif(deno() is None, reason="the deno wheel is not installed")
@each_scene
def test_a_scene_transpiles(file: str, tmp_path: Path) -> None:
    source = tmp_path / "scene.tsx"
    source.write_bytes((VIDEO / file).read_bytes())
    output = tmp_path / "scene.js"
    command = [str(deno()), "transpile", "--no-check", "--no-remote", "--no-npm", "--output", str(output), str(source)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "export default" in output.read_text(encoding="utf-8")
