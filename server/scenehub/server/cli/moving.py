"""`scenehub import` and `scenehub export`: projects between folders and hubs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Annotated

import typer

from scenehub.protocol.limits import Limits

from .connecting import DEFAULT_URL, ProjectArgument, TokenOption, UrlOption, Way, words_of
from .folders import PROJECT_FILE, Folder, read_folder, write_folder
from .terminal import Failed, counted, err, escaped, fail, is_terminal, notice, out, progress
from .transfer import Outcome, Transfer, folder_of

MOST_NUMBERED = 50


def import_(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder with project.json, or with *.tsx files.", show_default=False)
    ],
    project: Annotated[
        str | None,
        typer.Option(help="The project to write into, live or new; without it a new one named after the folder."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Delete scenes that the folder does not have.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong with the folder.")] = False,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Write a folder into a project, new or live, while others edit it.

    Everything is checked before anything is written. A scene goes to the one with its id, else to the only one with
    its name, else it is added; what is so already is left alone, so importing twice changes nothing.

    Examples:

      scenehub import examples/launch-video

      scenehub import my-video --project launch-video --replace
    """
    folder = _read(directory)
    if check:
        out.print(f"[green]●[/] {escaped(str(directory))} is fine: {counted(len(folder.scenes), 'scene')}")
        return
    way = Way(url, token)
    asyncio.run(_import(way, folder, _made(way, folder, directory, project), replace=replace, yes=yes))


def _read(directory: Path) -> Folder:
    reading = read_folder(directory, Limits())
    for words in reading.notices:
        notice(words)
    if reading.folder is None:
        for problem in reading.problems:
            fail(str(problem))
        raise Failed(f"{counted(len(reading.problems), 'problem')} in {directory}: nothing was written")
    return reading.folder


def _made(way: Way, folder: Folder, directory: Path, project: str | None) -> str:
    """The id of the project to write into, made where there is none."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", directory.resolve().name).strip("-")[:56] or "project"
    numbered = [name, *(f"{name}-{number}" for number in range(2, MOST_NUMBERED))]
    for id in [project] if project is not None else numbered:
        way.checked(id)
        body = {"id": id, "name": folder.name, "fps": folder.fps, "width": folder.width, "height": folder.height}
        status, answer = way.ask("POST", "/v1/projects", body)
        if status == 201:
            err.print(f"[dim]Made the project[/] {id}")
            return id
        if status == 409:
            if project is not None:
                return id
            continue
        raise Failed(f"the project {id} could not be made: {words_of(status, answer)}")
    raise Failed(f"there are {MOST_NUMBERED} projects called {name} already: say which with --project ID")


async def _import(way: Way, folder: Folder, id: str, *, replace: bool, yes: bool) -> None:
    async with way.joined(id) as project:
        transfer = Transfer(project, folder, replace=replace)
        if transfer.surplus and not yes:
            _confirm([scene.name for scene in transfer.surplus], id)
        with progress(f"Importing into {id}", transfer.total) as bar:
            outcome = await transfer.run(lambda: bar.advance(bar.task_ids[0]))
        position = project.position
    seq = outcome.seq or (0 if position is None else position.seq)
    out.print(f"[green]●[/] {id}: {_said(outcome)}, saved at seq {seq}")
    if outcome.remapped:
        notice(
            f"{counted(outcome.remapped, 'id')} of the folder belonged to scenes of other projects: new ones were made"
        )


def _said(outcome: Outcome) -> str:
    told = [
        f"{number} {word}"
        for number, word in (
            (outcome.added, "added"),
            (outcome.changed, "changed"),
            (outcome.deleted, "deleted"),
        )
        if number
    ]
    return f"scenes {', '.join(told)}" if told else "scenes as they were"


def _confirm(names: list[str], project: str) -> None:
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    if not is_terminal():
        raise Failed(f"--replace would delete {listed} from {project}: say --yes if that is meant")
    if not typer.confirm(f"Delete {listed} from {project}?"):
        raise Failed("nothing was written")


def export(
    project: ProjectArgument,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write it.", show_default=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty; scenes there are replaced.")
    ] = False,
    ids: Annotated[bool, typer.Option(help="Keep the scenes' ids, so that an import meets the same scenes.")] = True,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Write a project into a folder: project.json and one TSX file a scene.

    Code and properties come out as they are, byte for byte; the history stays in the hub.

    Examples:

      scenehub export launch-video backup

      scenehub export launch-video template --no-ids
    """
    if directory.exists() and not directory.is_dir():
        raise Failed(f"{directory} is a file: give a folder")
    if directory.is_dir() and any(directory.iterdir()) and not force:
        raise Failed(f"{directory} is not empty: give another folder, or --force to write over what is there")
    asyncio.run(_export(Way(url, token), project, directory, ids=ids, force=force))


async def _export(way: Way, id: str, directory: Path, *, ids: bool, force: bool) -> None:
    async with way.joined(id) as project:
        folder = folder_of(project, ids=ids)
        position = project.position
    if force:
        _clear(directory)
    await asyncio.to_thread(write_folder, directory, folder)
    seq = 0 if position is None else position.seq
    scenes = counted(len(folder.scenes), "scene")
    out.print(f"[green]●[/] {escaped(str(directory))}: {scenes} and {PROJECT_FILE}, as of seq {seq}")


def _clear(directory: Path) -> None:
    """Remove the scenes of an export before, so that no deleted scene's file is left over."""
    scenes = directory / "scenes"
    if not scenes.is_dir():
        return
    for path in scenes.glob("[0-9]*-*.tsx"):
        path.unlink()
