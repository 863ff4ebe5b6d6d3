"""Running: what `serve` and `dev` share: settings read with care, and a life that ends in order on a signal."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from scenehub.server.dev.child import started_at
from scenehub.server.hub import garbage
from scenehub.server.settings import Settings
from scenehub.server.transport.server import run, stop_signal

from .terminal import Failed, plain

IMPORTED_AT = time.monotonic()


class Life:
    """Says when to stop, and is told when there is something that wants an orderly end."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.stop = stop
        self.is_up = False

    async def until_stopped(self) -> None:
        """Be up until a signal comes."""
        self.is_up = True
        garbage.settle()
        await self.stop.wait()


def live(main: Callable[[Life], Awaitable[None]]) -> None:
    """Run until SIGTERM or SIGINT: before `main` is up it is cancelled, afterwards it ends by itself."""

    async def whole() -> None:
        with stop_signal() as stop:
            life = Life(stop)
            running = asyncio.ensure_future(main(life))
            waiting = asyncio.ensure_future(stop.wait())
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if not running.done() and not life.is_up:
                running.cancel()
            try:
                await running
            except asyncio.CancelledError:
                if not stop.is_set():
                    raise

    run(whole)


def settings_from(**given: Any) -> Settings:
    """The settings of the environment, with what the command line gave on top. Raises Failed."""
    told = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**told)
    except ValidationError as error:
        row = error.errors(include_url=False)[0]
        name = str(row["loc"][0])
        where = f"--{name}" if name in told else f"SCENEHUB_{'__'.join(map(str, row['loc']))}".upper()
        raise Failed(f"{where}: {plain(row['msg'])}") from None


def cannot_listen(error: OSError, host: str, port: int) -> Failed:
    """The words for a socket that could not be bound."""
    if error.errno == errno.EADDRINUSE:
        return Failed(f"port {port} of {host} is taken by another process: give another one (--port {port + 1})")
    if error.errno in (errno.EACCES, errno.EPERM):
        return Failed(f"port {port} may not be used by this user: give one above 1023 (--port 8787)")
    return Failed(f"cannot listen on {host} port {port} ({error.strerror or error}): give another --host or --port")


def seconds_since_start() -> float:
    """Seconds that this process has been running, its own start and imports included."""
    ticks = started_at(os.getpid())
    if not ticks or not hasattr(time, "CLOCK_BOOTTIME"):
        return time.monotonic() - IMPORTED_AT
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
