"""One server process: spawned in a session of its own, tied to the life of this process, ended by signals.

Ctrl-C does not reach it (its own session), so the hub can drain before its database goes. When this process dies,
however it dies, the kernel sends the child the signal chosen for that (Linux; elsewhere the next start ends the orphan,
see `claim.py`). The tie is to the *thread* that spawns: spawn from the main thread.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

__all__ = ["Account", "Child", "Process", "children_of", "end", "spawn"]

_POLL = 0.005  # seconds between two looks at a process
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged user as whom a root supervisor runs its servers."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True, slots=True)
class Process:
    """A process that is not mistaken for a later one with the same pid: ``started`` is in clock ticks since boot.

    ``started`` is 0 where the system does not tell.
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has this pid now."""
        return cls(pid, started_at(pid) or 0)

    @property
    def alive(self) -> bool:
        """It runs: it has not ended, and is not a zombie that nobody collected."""
        if self.pid <= 0:
            return False
        if not Path("/proc/self/stat").exists():
            return _signalable(self.pid)
        return started_at(self.pid) == self.started


class Child:
    """A server process that this process started and will collect."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self._popen = popen
        self.log = log
        self.process = Process.of(popen.pid)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; then its exit status, negative for the signal that ended it."""
        return self._popen.poll()

    async def ended(self, within: float | None = None) -> bool:
        """Wait until it has ended, at most ``within`` seconds (None: for ever); say whether it has."""
        deadline = None if within is None else time.monotonic() + within
        while self.returncode is None:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL)
        return True

    async def stop(self, steps: Sequence[tuple[Signals, float]]) -> None:
        """Send each signal in turn and wait its seconds for the end; SIGKILL its group at last, or when cancelled."""
        try:
            for number, patience in steps:
                self.send(number)
                if await self.ended(within=patience):
                    return
        finally:
            if self.returncode is None:  # it was not collected yet: the group still bears its pid
                os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()

    def send(self, number: Signals) -> None:
        """Send it a signal; nothing happens if it has ended."""
        self._popen.send_signal(number)

    def log_tail(self, lines: int = 20) -> list[str]:
        """The last lines that it wrote."""
        return self.log.read_text(errors="replace").splitlines()[-lines:]


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    directory: Path,
    account: Account | None,
    when_orphaned: Signals,
    given: Path = Path(os.devnull),
) -> Child:
    """Start ``command`` in ``directory``, reading ``given``, writing ``log``; as ``account`` if there is one.

    The log of the run before is kept beside it as ``….log.1``. Raises OSError when the program cannot be executed.
    """
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("wb") as output, given.open("rb") as source:
        popen = subprocess.Popen(
            [os.fspath(word) for word in command],
            stdin=source,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            # Nothing of this process's environment (PGDATA, PGPORT, LANG …) changes what a part does.
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            # A system call and a comparison, nothing that could wait for a lock of another thread.
            preexec_fn=_tie(os.getpid(), when_orphaned),  # noqa: PLW1509
        )
    return Child(popen, log)


async def end(process: Process, steps: Sequence[tuple[Signals, float]]) -> bool:
    """End a process that is not a child of this one, as `Child.stop` does but without SIGKILL; say whether it ended."""
    for number, patience in steps:
        deadline = time.monotonic() + patience
        if process.alive:
            try:
                os.kill(process.pid, number)
            except (ProcessLookupError, PermissionError):
                pass
        while process.alive:
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(_POLL)
    return not process.alive


def children_of(pid: int) -> list[Process]:
    """The processes whose parent is ``pid``, where /proc tells."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(entry.name))
        if fields is not None and int(fields[1]) == pid:
            found.append(Process(int(entry.name), int(fields[19])))
    return found


def started_at(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when it has ended or the system does not tell."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state) on: the name before it may hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _signalable(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _tie(parent: int, number: Signals) -> Callable[[], None] | None:
    """What the child does between fork and exec, after its user was changed (which would undo it)."""
    if sys.platform != "linux":
        return None

    def tie() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before the tie was made

    return tie
