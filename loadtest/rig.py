"""The rig: compiles the load generator, starts servers pinned to one core, and makes one measured run at a time."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]

PEERS = Path(__file__).parent / "peers"
SECRET = "for load tests on this machine only: no secret at all"
"""What the hub under test signs its tokens with, unless its command says otherwise."""
START_TIMEOUT = 60.0
"""Seconds a server has to listen."""


class CannotMeasure(Exception):
    """Something is missing or went wrong; the words say what to do."""


@dataclass(frozen=True)
class Target:
    """A server under test. `command` has `{port}` where the port goes; `speak` is hub or raw."""

    name: str
    command: str
    speak: str
    token: str = "loadtest"
    """What members say in `hello`; the servers beside the hub take anything."""


@dataclass(frozen=True)
class Cores:
    """Where the server and the generator run."""

    server: int
    generator: int

    @classmethod
    def chosen(cls) -> Cores:
        """The first and the last core that this process may use."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[-1])


def compiled_generator(folder: Path) -> Path:
    """Compile the generator into a folder. Raises CannotMeasure without a C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise CannotMeasure("the load generator is written in C: install gcc (Debian: apt-get install gcc libc6-dev)")
    program = folder / "loadgen"
    result = subprocess.run(
        [compiler, "-O2", "-o", str(program), str(PEERS / "loadgen.c")], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise CannotMeasure(f"{compiler} cannot compile the load generator:\n{result.stderr}")
    return program


class RunningServer:
    """A server process, and what it has used so far."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self._process = psutil.Process(process.pid)

    def cpu_seconds(self) -> float:
        """CPU time of the server's own process."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def other_cpu_seconds(self) -> float:
        """CPU time of the processes it has started (a database, workers)."""
        total = 0.0
        for child in self._process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = child.cpu_times()
                total += times.user + times.system
        return total

    def memory_bytes(self) -> int:
        """Resident memory of the server's own process."""
        return int(self._process.memory_info().rss)


@contextlib.contextmanager
def running(target: Target, cores: Cores) -> Iterator[RunningServer]:
    """Start a server on a free port, pinned to its core, and stop it in the end. Raises CannotMeasure."""
    port = _free_port()
    words = shlex.split(target.command.replace("{port}", str(port)).replace("{python}", sys.executable))
    try:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, env={**os.environ, "SCENEHUB_SECRET": SECRET})
    except FileNotFoundError:
        raise CannotMeasure(f"{target.name}: there is no program {words[0]}") from None
    try:
        os.sched_setaffinity(process.pid, {cores.server})
        _wait_until_it_listens(process, port, target)
        yield RunningServer(process, port)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def generate(
    program: Path, server: RunningServer, target: Target, cores: Cores, **options: float | str
) -> dict[str, Any]:
    """One run of the generator; its figures, with the server's CPU in the measured time and its memory when all joined.

    Raises CannotMeasure when members are turned away.
    """
    given = {"port": server.port, "speak": target.speak, "token": target.token, **options}
    words = [str(program), *(word for name, value in given.items() for word in (f"--{name}", str(value)))]
    cpu: dict[str, float] = {}
    memory_before, memory_joined = server.memory_bytes(), 0
    figures: dict[str, Any] | None = None
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        os.sched_setaffinity(process.pid, {cores.generator})
        assert process.stdout is not None
        for line in process.stdout:
            match line.strip():
                case "joined":
                    memory_joined = server.memory_bytes()
                case "begin" | "end" as moment:
                    cpu[moment] = server.cpu_seconds()
                    cpu[f"other {moment}"] = server.other_cpu_seconds()
                case text:
                    figures = json.loads(text)
    if process.returncode != 0 or figures is None:
        raise CannotMeasure(f"{target.name}: the generator gave up (its words stand above)")
    return figures | {
        "server_cpu_seconds": round(cpu["end"] - cpu["begin"], 3),
        "server_children_cpu_seconds": round(cpu["other end"] - cpu["other begin"], 3),
        "memory_before": memory_before,
        "memory_joined": memory_joined,
        "memory_after": server.memory_bytes(),
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, target: Target) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CannotMeasure(f"{target.name}: the server ended with {process.returncode}: {target.command}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise CannotMeasure(f"{target.name}: nothing listens on port {port} after {START_TIMEOUT:g} s: {target.command}")
