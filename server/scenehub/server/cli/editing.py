"""`scenehub edit PROJECT …`: one edit from the command line, awaited until it is saved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from scenehub.client import EditHandle, Project, Rejected
from scenehub.protocol.document import Scene

from .connecting import DEFAULT_URL, ProjectArgument, TokenOption, UrlOption, Way
from .folders import DEFAULT_DURATION, Reading, read_code, scene_name
from .summary import summary
from .terminal import Failed, escaped, fail, notice, out

FIELDS = ("name", "duration", "trim_start")
PROJECT_FIELDS = ("name", "fps", "width", "height")
PATIENCE = 30.0
"""Seconds that an edit has to be saved."""

app = typer.Typer(
    no_args_is_help=True,
    help="Make one edit in a project, and wait until it is saved.\n\nExamples:\n\n"
    '  scenehub edit launch-video scene "Cold open" --set duration=120 --prop word=you\n\n'
    '  scenehub edit launch-video say "Looks good"\n\n'
    '  scenehub edit launch-video add credits.tsx --after "End card"',
    context_settings={"help_option_names": ["-h", "--help"]},
)

SceneArgument = Annotated[str, typer.Argument(metavar="SCENE", help="A scene's name or id.", show_default=False)]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A TSX file.", show_default=False, exists=True, dir_okay=False)
]
Before = Annotated[str | None, typer.Option("--before", help="Put it before this scene.")]
After = Annotated[str | None, typer.Option("--after", help="Put it after this scene.")]


@app.callback()
def edit(context: typer.Context, project: ProjectArgument) -> None:
    """Take the project for the word that follows."""
    context.obj = project


@app.command()
def scene(
    context: typer.Context,
    scene: SceneArgument,
    fields: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="name, duration or trim_start (frames).")
    ] = None,
    props: Annotated[
        list[str] | None, typer.Option("--prop", metavar="KEY=VALUE", help="A property; JSON, or else a text.")
    ] = None,
    unset: Annotated[list[str] | None, typer.Option("--unset", metavar="KEY", help="Remove a property.")] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Change fields and properties of a scene.

    Example:

      scenehub edit launch-video scene "Cold open" --set duration=120 --prop line="Hi" --prop size=12
    """
    changes = _fields(fields or [], FIELDS)
    written = {**_props(props or []), **dict.fromkeys(unset or [])}
    if written:
        changes["props"] = written
    if not changes:
        raise typer.BadParameter("say what to change", param_hint="--set, --prop or --unset")
    _run(context, url, token, lambda project: project.set_scene(_scene(project, scene), **changes))


@app.command("set")
def set_(
    context: typer.Context,
    fields: Annotated[
        list[str], typer.Argument(metavar="FIELD=VALUE…", help="name, fps, width or height.", show_default=False)
    ],
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Change fields of the project itself.

    Example:

      scenehub edit launch-video set name="Spring launch" fps=60
    """
    changes = _fields(fields, PROJECT_FIELDS)
    _run(context, url, token, lambda project: project.set_project(**changes))


@app.command()
def say(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.", show_default=False)],
    about: Annotated[str | None, typer.Option(metavar="SCENE", help="The scene that it is about.")] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Write into the chat."""
    if not text.strip():
        raise typer.BadParameter("say something", param_hint="TEXT")
    _run(
        context, url, token, lambda project: project.say(text, scene=None if about is None else _scene(project, about))
    )


@app.command()
def add(
    context: typer.Context,
    file: FileArgument,
    name: Annotated[str | None, typer.Option(help="Its name; without it, from the file's.")] = None,
    duration: Annotated[int, typer.Option(min=1, help="How long it plays, in frames.")] = DEFAULT_DURATION,
    before: Before = None,
    after: After = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Add a scene from a TSX file, at the end if nothing else is said."""
    _at_most_one(before, after)
    code = _code(file)

    def change(project: Project) -> EditHandle:
        index = _index(project.scenes, project, before, after)
        return project.add_scene(name or scene_name(file.name), code, duration, index=index)

    _run(context, url, token, change)


@app.command()
def code(
    context: typer.Context,
    scene: SceneArgument,
    file: FileArgument,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Write a scene's code from a file.

    What somebody else writes at other lines meanwhile is merged; at the same lines, theirs stays and you are told.
    """
    text = _code(file)
    _run(context, url, token, lambda project: project.set_code(_scene(project, scene), text))


@app.command()
def move(
    context: typer.Context,
    scene: SceneArgument,
    before: Before = None,
    after: After = None,
    first: Annotated[bool, typer.Option("--first", help="Put it at the beginning.")] = False,
    last: Annotated[bool, typer.Option("--last", help="Put it at the end.")] = False,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Put a scene at another place.

    Example:

      scenehub edit launch-video move "End card" --after "Cold open"
    """
    if sum((before is not None, after is not None, first, last)) != 1:
        raise typer.BadParameter("say where: one of them", param_hint="--before, --after, --first or --last")

    def change(project: Project) -> EditHandle:
        moved = _scene(project, scene)
        others = [other for other in project.scenes if other.id != moved.id]
        index = 0 if first else _index(others, project, before, after)
        return project.move_scene(moved, len(others) if index is None else index)

    _run(context, url, token, change)


@app.command()
def delete(
    context: typer.Context, scene: SceneArgument, url: UrlOption = DEFAULT_URL, token: TokenOption = None
) -> None:
    """Delete a scene; `restore` brings it back with its history."""
    deleted: list[str] = []

    def change(project: Project) -> EditHandle:
        deleted.append(_scene(project, scene).id)
        return project.delete_scene(deleted[0])

    project = _run(context, url, token, change)
    out.print(f"[dim]Bring it back:[/] scenehub edit {project} restore {deleted[0]}")


@app.command()
def restore(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="The id of a deleted scene.", show_default=False)],
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Bring a deleted scene back."""

    def change(project: Project) -> EditHandle:
        deleted = project.view.deleted_scenes
        if id not in deleted and project.view.scene(id) is None:
            known = f"deleted are {', '.join(deleted[:5])}" if deleted else "nothing is deleted here"
            raise Failed(f"there is no deleted scene with the id {id}: {known}")
        return project.restore_scene(id)

    _run(context, url, token, change)


@app.command()
def remember(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", show_default=False)],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="JSON, or else a text.", show_default=False)],
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Write a preference of the project; the value `null` removes it."""
    _run(context, url, token, lambda project: project.set_memory(key, _value(value)))


# Making it so.


def _run(context: typer.Context, url: str, token: str | None, change: Callable[[Project], EditHandle]) -> str:
    """Make an edit and say how it ended; the project's id."""
    project = str(context.obj)
    said = asyncio.run(_edited(Way(url, token), project, change))
    if isinstance(said, Rejected):
        fail(f"rejected ({said.code}): {said.words}" + (f" [{said.culprit}]" if said.culprit else ""))
        for kind, id, field, value, seq in said.current:
            notice(f"there stands {_shown(value)} in {field} of {kind} {id}, since seq {seq}")
        raise typer.Exit(1)
    out.print(f"[green]●[/] {escaped(said.words)}  [dim]saved at seq[/] {said.seq}")
    return project


@dataclass(frozen=True, slots=True)
class _Saved:
    words: str
    seq: int


async def _edited(way: Way, id: str, change: Callable[[Project], EditHandle]) -> _Saved | Rejected:
    async with way.joined(id) as project:
        try:
            names = {scene.id: scene.name for scene in project.scenes}
            handle = change(project)
            with suppress(TimeoutError):
                seq = await handle.saved(PATIENCE)
                return _Saved(summary(handle.edit.ops, names.get), seq)
        except Rejected as rejected:
            return rejected
        except LookupError as error:
            raise Failed(f"{error.args[0]}{_known(project)}") from None
        raise Failed(f"not saved within {PATIENCE:g} s ({project.status}): look at it with `scenehub watch {id}`")


def _known(project: Project) -> str:
    names = [scene.name for scene in project.scenes]
    if not names:
        return ": the project has no scenes"
    return f": there are {', '.join(names[:8])}" + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _scene(project: Project, wanted: str) -> Scene:
    return project.scene(wanted)


def _index(scenes: Sequence[Scene], project: Project, before: str | None, after: str | None) -> int | None:
    """Where among `scenes`; None is the end."""
    if before is None and after is None:
        return None
    neighbour = _scene(project, str(before if before is not None else after))
    ids = [scene.id for scene in scenes]
    if neighbour.id not in ids:
        raise Failed("a scene cannot be put beside itself: name another one")
    return ids.index(neighbour.id) + (before is None)


def _at_most_one(before: str | None, after: str | None) -> None:
    if before is not None and after is not None:
        raise typer.BadParameter("not both", param_hint="--before, --after")


def _code(file: Path) -> str:
    reading = Reading()
    text = read_code(file.parent, file.name, reading)
    for words in reading.notices:
        notice(words)
    if text is None:
        raise Failed(str(reading.problems[0]))
    return text


def _fields(given: Sequence[str], known: Sequence[str]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, text in map(_pair, given):
        if name not in known:
            raise typer.BadParameter(f"{name} is no field: there are {', '.join(known)}", param_hint="--set")
        if name == "name":
            changes[name] = text
            continue
        try:
            changes[name] = int(text)
        except ValueError:
            raise typer.BadParameter(f"{name} is a whole number, not {text!r}", param_hint="--set") from None
    return changes


def _props(given: Sequence[str]) -> dict[str, Any]:
    return {key: _value(text) for key, text in map(_pair, given)}


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{given!r} is no pair: write NAME=VALUE", param_hint="--set or --prop")
    return name.strip(), value


def _value(text: str) -> Any:
    """JSON where it is JSON, else the text itself: `12`, `true`, `["a"]`, `Hello`."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:199]}…"
