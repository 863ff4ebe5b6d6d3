"""`scenehub dev`: a hub with its database, its bus and the sample project, on this machine, from one command."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import time
import webbrowser
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr
from rich.text import Text

from scenehub.protocol.document import SCENE
from scenehub.protocol.edits import FieldKey, Role
from scenehub.server.app import (
    Node,
    configure_log,
    embedded,
    kept_secret,
    node,
    open_directory,
    opened_store,
    refuse_guests_in_public,
)
from scenehub.server.settings import Settings
from scenehub.server.store.port import Store
from scenehub.server.transport.server import listening_socket

from .folders import Folder, read_folder
from .livelog import LiveLog
from .running import Life, cannot_listen, seconds_since_start
from .samples import SAMPLE, sample_directory
from .serving import DATABASE_ERRORS, database_away
from .terminal import Failed, escaped, is_terminal, out, progress

TURN = 0.1
"""Seconds between two looks of the live log."""
RUNNING_FILE = "dev.lock"


@dataclass(frozen=True, slots=True)
class DevOptions:
    """What the command line said beside the settings."""

    sample: bool
    open_page: bool


async def dev(settings: Settings, options: DevOptions, life: Life) -> None:
    """Run until told to stop. Raises Failed, Misconfigured, PartUnavailable, OSError, MigrationRefused."""
    refuse_guests_in_public(settings.host)
    with claimed(settings.data) as claim:
        try:
            listener = listening_socket(settings.host, settings.port)
        except OSError as error:
            raise cannot_listen(error, settings.host, settings.port) from None
        log = LiveLog(_print_line, time.monotonic, lambda: datetime.now().astimezone().strftime("%H:%M:%S"))
        configure_log(
            settings.log if settings.log != "info" else "warning", show=lambda _, line: log.words(line, "yellow")
        )
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(listener.close)
            with _told_what_takes_time(settings):
                settings = await stack.enter_async_context(embedded(_with_secret(settings)))
                store = await stack.enter_async_context(_opened(settings))
            await stack.enter_async_context(_ticking(log))
            running = await stack.enter_async_context(
                node(settings, store, guests=True, observer=log, listener=listener)
            )
            _connect(log, running)
            if options.sample:
                log.muted = True
                await import_sample(running, store)
                log.turn()
                log.muted = False
            claim.says(running.url)
            _welcome(running, settings, await _first_project(store))
            if options.open_page:
                await asyncio.to_thread(webbrowser.open, running.url)
            await life.until_stopped()
            log.finish()
            log.words("stopping: saving what is held, sending everybody away …")
        out.print("[dim]Everything is stopped. What was saved is kept in[/] " + escaped(str(settings.data)))


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Store]:
    async with contextlib.AsyncExitStack() as stack:
        try:
            store = await stack.enter_async_context(opened_store(settings))
        except DATABASE_ERRORS as error:
            raise database_away(settings, error) from None
        yield store


def _with_secret(settings: Settings) -> Settings:
    if settings.secret is not None:
        return settings
    return settings.model_copy(update={"secret": SecretStr(kept_secret(settings.data))})


# One at a time.


@dataclass(frozen=True, slots=True)
class Claimed:
    """The data directory belongs to this process; others read here who it is."""

    lock: int

    def says(self, url: str) -> None:
        """Note where this hub is."""
        text = json.dumps({"pid": os.getpid(), "url": url}).encode()
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, text, 0)


@contextlib.contextmanager
def claimed(directory: Path) -> Iterator[Claimed]:
    """Hold the data directory, or say who does. Raises Failed."""
    try:
        lock = os.open(open_directory(directory) / RUNNING_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Failed(
            f"cannot write in {directory} ({error.strerror}): give another folder with --data DIR, or SCENEHUB_DATA"
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise Failed(_who_runs(directory, os.pread(lock, 4096, 0))) from None
        mine = Claimed(lock)
        mine.says("")
        yield mine
    finally:
        os.close(lock)


def _who_runs(directory: Path, content: bytes) -> str:
    try:
        told = json.loads(content)
        pid, url = int(told["pid"]), str(told["url"])
    except (ValueError, KeyError, TypeError):
        return f"another `scenehub dev` uses {directory}: stop it, or give this one another --data and --port"
    at = f" at {url}" if url else ""
    return (
        f"`scenehub dev` runs already on {directory}{at} (process {pid}): use that one, stop it (kill {pid}), "
        "or give this one another --data and --port"
    )


# The sample.


async def import_sample(running: Node, store: Store) -> None:
    """Make the sample project on the first start; one that was begun and has nothing yet is filled. Raises Failed."""
    known = {row.id: row for row in await store.projects()}
    if SAMPLE in known and known[SAMPLE].seq > 0:
        return
    directory = sample_directory()
    if directory is None:
        return
    reading = read_folder(directory, running.hub.options.limits)
    if reading.folder is None:
        raise Failed(f"the sample project in {directory} is damaged: {reading.problems[0]} (or start with --no-sample)")
    folder = reading.folder
    await store.create(SAMPLE, name=folder.name, fps=folder.fps, width=folder.width, height=folder.height)
    await _fill(running, folder)


async def _fill(running: Node, folder: Folder) -> None:
    from scenehub.client import connect

    from .transfer import Transfer

    token = running.hub.access.token("scenehub", name="Scenehub", role=Role.OWNER, project=SAMPLE, seconds=600)
    async with connect(running.url, token, project=SAMPLE) as project:
        transfer = Transfer(project, folder)
        with progress("Importing the sample project", transfer.total) as bar:
            await transfer.run(lambda: bar.advance(bar.task_ids[0]))


async def _first_project(store: Store) -> str | None:
    """The project that the examples name: the sample, or the latest."""
    ids = [row.id for row in await store.projects()]
    return SAMPLE if SAMPLE in ids else next(iter(ids), None)


# Words.


@contextlib.contextmanager
def _told_what_takes_time(settings: Settings) -> Iterator[None]:
    first = settings.database_url is None and not (settings.data / "postgres" / "data").exists()
    words = "Making a database for the first start …" if first else "Starting …"
    if is_terminal():
        with out.status(words):
            yield
    else:
        if first:
            out.print(words)
        yield


def _print_line(line: Text) -> None:
    line.rstrip()
    if is_terminal():
        out.print(line, no_wrap=True, overflow="ellipsis", soft_wrap=False, crop=True)
    else:
        out.file.write(line.plain + "\n")
        out.file.flush()


@contextlib.asynccontextmanager
async def _ticking(log: LiveLog) -> AsyncIterator[None]:
    async def turns() -> None:
        while True:
            await asyncio.sleep(TURN)
            log.turn()

    ticking = asyncio.create_task(turns(), name="live-log")
    try:
        yield
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)


def _connect(log: LiveLog, running: Node) -> None:
    """Let the log look names and members up in the rooms."""
    rooms = running.hub.rooms

    def name_of(project: str, id: str) -> str | None:
        live = rooms.get(project)
        if live is None:
            return None
        key = FieldKey(SCENE, id, "name")
        cell = live.room.document.cell(key) or live.room.queue.ahead.cell(key)
        return None if cell is None else str(cell.value)

    def present(project: str) -> set[str]:
        live = rooms.get(project)
        return set() if live is None else {member.client for member in live.room.attendance.members()}

    log.name_of, log.present = name_of, present


def _welcome(running: Node, settings: Settings, project: str | None) -> None:
    word = _own_name()
    url = running.url
    at = "" if settings.port == 8787 and settings.host == "127.0.0.1" else f" --url {url}"
    out.print()
    out.print(f"[bold]Scenehub[/] ready in {seconds_since_start():.1f} s at [bold cyan]{url}[/]")
    out.print(f"[dim]Guests may edit; only this machine reaches it. Data: {escaped(str(settings.data))}[/]")
    out.print()
    if project is None:
        out.print(f"  No project yet. Make one:  [bold]{word} import FOLDER{at}[/]")
    else:
        out.print(f"  Watch it live, in a second terminal:  [bold]{word} watch {project}{at}[/]")
        bot = _bot_command(url if at else "")
        if bot:
            out.print(f"  Let a bot edit it, in a third:        [bold]{bot}[/]")
        out.print(f'  Edit it yourself:                     [bold]{word} edit {project} say "Hello"{at}[/]')
    out.print(f"  Stop:                                 [bold]Ctrl-C[/] [dim](or kill {os.getpid()})[/]")
    out.print(flush_line())


def flush_line() -> str:
    """An empty line; where nobody looks, the words above are written out at once, too."""
    out.file.flush()
    return ""


def _own_name() -> str:
    """How the reader started this: `./run` in a clone, else `scenehub`."""
    return "./run" if _clone() is not None else "scenehub"


def _clone() -> Path | None:
    here = Path.cwd()
    return here if (here / "run").is_file() and (here / "examples" / "bot.py").is_file() else None


def _bot_command(url: str) -> str | None:
    if _clone() is None:
        return None
    return f"{f'SCENEHUB_URL={url} ' if url else ''}./run python examples/bot.py"


__all__ = ["DevOptions", "claimed", "dev"]
