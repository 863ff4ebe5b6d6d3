"""Folders: a project as files, read with every problem named and written so that reading gives the same again.

The format is described in examples/launch-video/README.md: `project.json` beside one TSX file a scene. A folder without
`project.json` is taken as its *.tsx files in order of their names.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from scenehub.protocol.codec import Flavour, pack
from scenehub.protocol.limits import Limits
from scenehub.protocol.ops import Duration, Rate, Side
from scenehub.protocol.scalars import MAX_CODE_CHARACTERS, Code, Frames, Id, Name, Props

from .terminal import plain

PROJECT_FILE = "project.json"
FORMAT = 1
DEFAULT_DURATION = 90
"""Frames that a scene plays when nothing says how long."""


class Problem(NamedTuple):
    """What is wrong with a folder."""

    file: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}: {self.remedy}"


@dataclass(frozen=True, slots=True)
class SceneFile:
    """A scene in a folder; durations in frames. `id` is None when the import is to make one."""

    file: str
    name: str
    duration: int
    trim_start: int
    props: Mapping[str, Any]
    code: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A project as a folder holds it; fps in frames a second, width and height in pixels."""

    name: str
    fps: int
    width: int
    height: int
    props: Mapping[str, Any]
    scenes: tuple[SceneFile, ...]


@dataclass(slots=True)
class Reading:
    """What reading a folder gave: a project if there are no problems, and notices either way."""

    folder: Folder | None = None
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def problem(self, file: str, what: str, remedy: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(file, what, remedy))


class _SceneRow(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    file: str
    name: Name | None = None
    duration: Duration = DEFAULT_DURATION
    trim_start: Frames = 0
    props: Props = {}
    id: Id | None = None


class _ProjectRow(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    name: Name
    fps: Rate = 30
    width: Side = 1920
    height: Side = 1080
    props: Props = {}
    scenes: list[dict[str, Any]]


_CODE: TypeAdapter[str] = TypeAdapter(Code)


def read_folder(directory: Path, limits: Limits) -> Reading:
    """Read and check a folder; nothing is raised for what is in it. `limits` are those of the hub it goes to."""
    reading = Reading()
    if not directory.is_dir():
        reading.problem(str(directory), "there is no such folder", "give the folder that holds project.json")
        return reading
    if (directory / PROJECT_FILE).is_file():
        _read_project(directory, reading)
    else:
        _read_loose(directory, reading)
    if reading.folder is not None:
        _check_whole(reading.folder, limits, reading)
    if reading.problems:
        reading.folder = None
    return reading


def _read_project(directory: Path, reading: Reading) -> None:
    text = _text(directory, PROJECT_FILE, reading)
    if text is None:
        return
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        reading.problem(PROJECT_FILE, f"is no JSON ({error.msg}, line {error.lineno})", "correct it there")
        return
    except RecursionError:
        reading.problem(PROJECT_FILE, "nests too deep", "make it flatter")
        return
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format", "no format") if isinstance(raw, dict) else type(raw).__name__
        reading.problem(PROJECT_FILE, f"has format {found!r}", f"this release reads format {FORMAT}")
        return
    try:
        project = _ProjectRow.model_validate(raw)
    except ValidationError as error:
        _blame(error, "", reading)
        return
    scenes = [_read_scene(directory, index, row, reading) for index, row in enumerate(project.scenes)]
    read = tuple(scene for scene in scenes if scene is not None)
    reading.folder = Folder(
        project.name, project.fps, project.width, project.height, _without_nulls(project.props, "props", reading), read
    )


def _read_scene(directory: Path, index: int, raw: Mapping[str, Any], reading: Reading) -> SceneFile | None:
    try:
        row = _SceneRow.model_validate(raw)
    except ValidationError as error:
        _blame(error, f"scenes.{index}.", reading)
        return None
    inside = (directory / row.file).resolve()
    if not inside.is_relative_to(directory.resolve()):
        reading.problem(PROJECT_FILE, f"scenes.{index}.file {row.file!r} leads out of the folder", "keep it inside")
        return None
    code = read_code(directory, row.file, reading)
    if code is None:
        return None
    props = _without_nulls(row.props, f"scenes.{index}.props", reading)
    name = row.name or scene_name(row.file)
    return SceneFile(row.file, name, row.duration, row.trim_start, props, code, row.id)


def _read_loose(directory: Path, reading: Reading) -> None:
    files = sorted(path.name for path in directory.glob("*.tsx") if path.is_file())
    if not files:
        reading.problem(str(directory), f"holds no {PROJECT_FILE} and no *.tsx", "give the folder of a project")
        return
    reading.notices.append(
        f"no {PROJECT_FILE}: {len(files)} files in order of their names, {DEFAULT_DURATION} frames each"
    )
    scenes = []
    for file in files:
        code = read_code(directory, file, reading)
        if code is not None:
            scenes.append(SceneFile(file, scene_name(file), DEFAULT_DURATION, 0, {}, code))
    name = directory.resolve().name or "project"
    reading.folder = Folder(name[:200], 30, 1920, 1080, {}, tuple(scenes))


def read_code(directory: Path, file: str, reading: Reading) -> str | None:
    """The code in a file; None when there is a problem with it, which `reading` then names."""
    text = _text(directory, file, reading)
    return text if text is not None and _is_code(text, file, reading) else None


def _text(directory: Path, file: str, reading: Reading) -> str | None:
    """A file's text with \\n line ends; what was converted is noted."""
    try:
        raw = (directory / file).read_bytes()
    except FileNotFoundError:
        reading.problem(file, "is named but not there", f"add it, or take it out of {PROJECT_FILE}")
        return None
    except (OSError, ValueError) as error:
        reading.problem(
            file, f"cannot be read ({getattr(error, 'strerror', None) or error})", "make it a readable file"
        )
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        reading.problem(file, f"is not UTF-8 (byte {error.start}, line {line})", "save it as UTF-8")
        return None
    if text.startswith("\ufeff"):
        text = text[1:]
        reading.notices.append(f"{file}: its byte order mark was left out")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        reading.notices.append(f"{file}: its line ends were converted to \\n")
    return text


def _is_code(code: str, file: str, reading: Reading) -> bool:
    if len(code) > MAX_CODE_CHARACTERS:
        reading.problem(file, f"has {len(code)} characters", f"a scene has {MAX_CODE_CHARACTERS} at most: split it")
        return False
    try:
        _CODE.validate_python(code)
    except ValidationError:
        line = code[: code.find("\x00")].count("\n") + 1
        reading.problem(file, f"holds the character U+0000 (line {line})", "remove it: is it really a TSX file?")
        return False
    return True


def _blame(error: ValidationError, prefix: str, reading: Reading) -> None:
    named: set[str] = set()
    for row in error.errors(include_url=False):
        # pydantic puts the labels of unions and of keys into the path: they hold a dot or a bracket.
        where = prefix + ".".join(str(step) for step in row["loc"] if not set(".[") & set(str(step)))
        if where in named:
            continue
        named.add(where)
        unknown = row["type"] == "extra_forbidden"
        what = f"{where} is not known here" if unknown else f"{where}: {plain(row['msg']).lower()}"
        reading.problem(PROJECT_FILE, what, "take it out" if unknown else "correct it")


def _without_nulls(props: Mapping[str, Any], where: str, reading: Reading) -> dict[str, Any]:
    gone = [key for key, value in props.items() if value is None]
    if gone:
        reading.notices.append(f"{PROJECT_FILE}: {where} {', '.join(gone)}: null means absent, left out")
    return {key: value for key, value in props.items() if value is not None}


def _check_whole(folder: Folder, limits: Limits, reading: Reading) -> None:
    if len(folder.scenes) > limits.scenes:
        reading.problem(PROJECT_FILE, f"has {len(folder.scenes)} scenes", f"a project has {limits.scenes} at most")
    ids = Counter(scene.id for scene in folder.scenes if scene.id is not None)
    for id, times in ids.items():
        if times > 1:
            reading.problem(PROJECT_FILE, f"the id {id} stands at {times} scenes", "give each its own, or none")
    for scene in folder.scenes:
        size = len(pack({"code": scene.code, "props": scene.props}, Flavour.MSGPACK)) + 2048
        if size > limits.edit_bytes:
            reading.problem(
                scene.file, f"needs {size} bytes", f"an edit has {limits.edit_bytes} at most: make it smaller"
            )
        if len(scene.props) > limits.props:
            reading.problem(scene.file, f"has {len(scene.props)} props", f"a scene has {limits.props} at most")


def scene_name(file: str) -> str:
    """`03-live_cursors.tsx` → `Live cursors`."""
    stem = re.sub(r"^\d+[-_. ]*", "", Path(file).stem)
    words = re.sub(r"[-_]+", " ", stem).strip() or Path(file).stem
    return (words[:1].upper() + words[1:])[:200]


# Writing.


def file_names(scenes: Sequence[str]) -> list[str]:
    """A file for each scene, from its place and its name."""
    width = max(2, len(str(len(scenes))))
    return [f"scenes/{number:0{width}}-{_slug(name)}.tsx" for number, name in enumerate(scenes, 1)]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-") or "scene"


def write_folder(directory: Path, folder: Folder) -> None:
    """Write a project; what is there under the same names is replaced. Raises OSError."""
    (directory / "scenes").mkdir(parents=True, exist_ok=True)
    for scene in folder.scenes:
        (directory / scene.file).write_bytes(scene.code.encode())
    (directory / PROJECT_FILE).write_bytes(project_text(folder).encode())


def project_text(folder: Folder) -> str:
    """`project.json`, the same for equal projects: props of a scene stay on one line, so that a diff shows a scene."""
    head = {"format": FORMAT, "name": folder.name, "fps": folder.fps, "width": folder.width, "height": folder.height}
    lines = [f"  {_json(key)}: {_json(value)}," for key, value in head.items()]
    props = json.dumps(dict(folder.props), ensure_ascii=False, indent=2).replace("\n", "\n  ")
    scenes = ",\n".join(_scene_text(scene) for scene in folder.scenes)
    listed = f"[\n{scenes}\n  ]" if scenes else "[]"
    return "\n".join(["{", *lines, f'  "props": {props},', f'  "scenes": {listed}', "}", ""])


def _scene_text(scene: SceneFile) -> str:
    row: dict[str, Any] = {} if scene.id is None else {"id": scene.id}
    row |= {"file": scene.file, "name": scene.name, "duration": scene.duration, "trim_start": scene.trim_start}
    row["props"] = dict(scene.props)
    return "    {\n" + ",\n".join(f"      {_json(key)}: {_json(value)}" for key, value in row.items()) + "\n    }"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
