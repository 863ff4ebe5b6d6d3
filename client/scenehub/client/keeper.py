"""Keeper: writes what must survive to its file, a moment after it changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import time
from typing import Any

from scenehub.protocol import keeping

from .desk import Desk
from .keep import Keep

log = logging.getLogger("scenehub.client")

DISK_RETRY = 1.0
"""Seconds between two tries on a disk that refuses."""


class Keeper:
    """Keeps one desk's pending edits on disk while its task runs."""

    def __init__(self, keep: Keep, desk: Desk[Any], clock: Callable[[], float], after: float) -> None:
        """`after` in seconds: how long a change waits at most, so that many are written at once."""
        self.keep = keep
        self._desk = desk
        self._clock = clock
        self._after = after
        self._version = 0
        self._written = 0
        self._stirred = asyncio.Event()
        self._wrote = asyncio.Event()

    def stir(self) -> None:
        """Something has changed."""
        self._version += 1
        self._stirred.set()

    async def run(self) -> None:
        """Write whenever something has changed."""
        while True:
            await self._stirred.wait()
            await asyncio.sleep(self._after)
            self._stirred.clear()
            try:
                await self.write()
            except OSError as error:
                log.warning("pending edits cannot be kept in %s: %s", self.keep.path, error)
                self._stirred.set()
                await asyncio.sleep(DISK_RETRY)

    async def write(self) -> None:
        """Write now. Raises OSError."""
        version = self._version
        plain = keeping.dump(self._desk.replica, self._clock(), int(time() * 1000))
        await asyncio.to_thread(self.keep.write, plain)
        self._written = version
        self._wrote.set()
        self._wrote = asyncio.Event()

    async def kept(self) -> None:
        """Wait until everything of now is on disk."""
        version = self._version
        while self._written < version:
            await self._wrote.wait()

    async def close(self) -> None:
        """Write a last time and let go of the file; a disk that refuses is told of."""
        try:
            await self.write()
        except OSError as error:
            log.warning("pending edits could not be kept in %s: %s", self.keep.path, error)
        finally:
            self.keep.close()
