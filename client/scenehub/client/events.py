"""Awaiting: the outcome of an edit, and what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from scenehub.protocol.happenings import Happening

from .backlog import Backlog
from .errors import Left
from .handles import Handle


class EditHandle(Handle):
    """An edit whose outcome can be awaited."""

    _settled: asyncio.Event | None = None

    async def saved(self, timeout: float | None = None) -> int:
        """Wait until it is durable; gives its seq, or an upper bound of it.

        Raises Rejected, or TimeoutError after `timeout` seconds (the edit goes on), or what ended the project.
        """
        if self._outcome is None:
            self._settled = self._settled or asyncio.Event()
            async with asyncio.timeout(timeout):
                await self._settled.wait()
        return self.result()

    def _wake(self) -> None:
        if self._settled is not None:
            self._settled.set()


class Events:
    """Happenings as they come, for one consumer; a slow one gets a single `Changed(None)` for all it missed."""

    def __init__(self, ended: Callable[[], Exception | None]) -> None:
        self._ended = ended
        self._backlog = Backlog()
        self._came = asyncio.Event()

    def put(self, happening: Happening | None) -> None:
        """Something happened; None: wake up and look."""
        if happening is not None:
            self._backlog.put(happening)
        self._came.set()

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Happening:
        while not self._backlog:
            ended = self._ended()
            if isinstance(ended, Left):
                raise StopAsyncIteration
            if ended is not None:
                raise ended
            self._came.clear()
            await self._came.wait()
        return self._backlog.take()
