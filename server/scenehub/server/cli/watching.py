"""`scenehub watch PROJECT`: a project live in the terminal, or as lines for a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.live import Live

from scenehub.protocol.edits import Role
from scenehub.protocol.happenings import Happening

from .connecting import DEFAULT_URL, ProjectArgument, TokenOption, UrlOption, Way
from .feed import Feed, Line
from .screen import MARKS, Frame, drawn
from .terminal import counted, is_terminal, out

PICTURES_A_SECOND = 15
CALM = 0.5
"""Seconds after which a picture is drawn anew though nothing happened: times and highlights fade."""


def watch(
    project: ProjectArgument,
    plain: Annotated[bool, typer.Option("--plain", help="A line an event, also without a terminal.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Show how it stands, and end.")] = False,
    seconds: Annotated[float | None, typer.Option(help="End after so many seconds.", min=0)] = None,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """Watch a project live: scenes, members, edits as they come and as they are saved, chat.

    Needs no more than to look: it changes nothing. `q` ends it. In a pipe it prints a line an event.

    Examples:

      scenehub watch launch-video

      scenehub watch launch-video --plain | grep Ada
    """
    way = Way(url, token)
    if once:
        asyncio.run(_once(way, project))
    elif plain or not is_terminal():
        asyncio.run(_plain(way, project, seconds))
    else:
        asyncio.run(_live(way, project, seconds))


@dataclass(slots=True)
class _Watching:
    """A feed that looks whenever something happens, and a loop that turns when there is something to show."""

    feed: Feed
    stir: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        """Stop watching."""
        self.stop.set()
        self.stir.set()

    async def turns(self, turn: Callable[[], None], seconds: float | None) -> None:
        """Call `turn` after whatever happens, until told to stop. Raises what ended the project."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self.stop.is_set():
            turn()
            ended = self.feed.project.ended
            if ended is not None:
                raise ended
            if deadline is not None and time.monotonic() >= deadline:
                return
            await asyncio.sleep(1 / PICTURES_A_SECOND)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stir.wait(), CALM)
            self.stir.clear()


@contextlib.asynccontextmanager
async def _watching(way: Way, id: str) -> AsyncIterator[_Watching]:
    watchings: list[_Watching] = []

    def heard(_: Happening) -> None:
        for watching in watchings:
            watching.feed.look()
            watching.stir.set()

    async with way.joined(id, on_event=heard) as project:
        feed = Feed(project, time.monotonic, lambda: f"{datetime.now().astimezone():%H:%M:%S}")
        feed.look()
        watchings.append(_Watching(feed))
        if project.role is not Role.VIEWER:
            project.presence(activity="watching")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, watchings[0].end)
        try:
            yield watchings[0]
        finally:
            watchings.clear()


def _where(way: Way, project: str) -> str:
    return f"{project}  ·  {urlsplit(way.url).netloc or way.url}"


async def _once(way: Way, id: str) -> None:
    async with way.joined(id) as project:
        feed = Feed(project, time.monotonic, lambda: "")
        feed.look()
        width = Console().width if out.is_terminal else int(os.environ.get("COLUMNS", "100"))
        console = Console(width=width, highlight=False)
        console.print(drawn(feed, Frame(width, None, _where(way, id), keys=False)))


# Lines.


async def _plain(way: Way, id: str, seconds: float | None) -> None:
    async with _watching(way, id) as watching:
        feed = watching.feed
        project = feed.project
        told = [""]

        def turn() -> None:
            status = str(project.status)
            if status != told[0]:
                told[0] = status
                _write(f"{feed.clock()} · {status}")

        feed.told = lambda line, _: _write(_line(feed, line))
        members = ", ".join(sorted(member.name for member in project.members))
        seq = project.position.seq if project.position is not None else 0
        _write(f"{feed.clock()} · {id}: {counted(len(project.scenes), 'scene')}, seq {seq}, members: {members}")
        await watching.turns(turn, seconds)


def _line(feed: Feed, line: Line) -> str:
    mark = MARKS[line.mark][0]
    who = f"{feed.name(line.user)}  " if line.user else ""
    seq = f"  seq {line.seq}" if line.mark == "saved" else ""
    conflict = f"  (met {line.conflict})" if line.conflict else ""
    return f"{line.time} {mark} {who}{line.words}{seq}{conflict}"


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


# The picture.


async def _live(way: Way, id: str, seconds: float | None) -> None:
    console = Console(highlight=False)
    async with _watching(way, id) as watching:
        with _keys(watching.end), Live(console=console, screen=True, auto_refresh=False) as picture:

            def turn() -> None:
                frame = Frame(console.width, console.height, _where(way, id))
                picture.update(drawn(watching.feed, frame), refresh=True)

            with contextlib.suppress(NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, watching.stir.set)
            await watching.turns(turn, seconds)


@contextlib.contextmanager
def _keys(leave: Callable[[], None]) -> Iterator[None]:
    """Have `q` and Escape call `leave` while the block lasts."""
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    loop = asyncio.get_running_loop()

    def pressed() -> None:
        keys = os.read(stdin, 64)
        if keys in (b"\x1b", b"\x03") or b"q" in keys or b"Q" in keys:
            leave()

    tty.setcbreak(stdin)
    loop.add_reader(stdin, pressed)
    try:
        yield
    finally:
        loop.remove_reader(stdin)
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
