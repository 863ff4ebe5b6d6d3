"""Programs as a user starts them: `scenehub …` in a process of its own, its words collected."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SCENEHUB = Path(sys.executable).with_name("scenehub")
SAMPLE = Path(__file__).parents[2] / "examples" / "launch-video"
PATIENCE = 40.0  # seconds; a shared machine may be slow
ADDRESS = re.compile(r"http://127\.0\.0\.1:[1-9]\d*")


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would steer the command, and `more`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCENEHUB_")}
    return {**clean, "NO_COLOR": "1", "COLUMNS": "120", **more}


class Program:
    """A command that goes on running."""

    def __init__(self, *words: str | Path, **more: str) -> None:
        command = [str(word) for word in (SCENEHUB, *words)]
        self.process = subprocess.Popen(
            command,
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self._said: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.append(line)

    @property
    def said(self) -> str:
        """Everything so far."""
        return "".join(self._said)

    def until(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """Wait until it has said something."""
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.said)) is None:
            ended = self.process.poll()
            assert ended is None or self._reading.is_alive(), f"ended with {ended}:\n{self.said}"
            assert time.monotonic() < deadline, f"never said {pattern}:\n{self.said}"
            self._reading.join(0.02)
        return found

    def url(self) -> str:
        """The address that it names."""
        return self.until(ADDRESS).group()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; how it ended."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end; its status."""
        status = self.process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        return status

    def close(self) -> None:
        """Whatever it does, it is gone afterwards."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.process.kill()
        self.process.wait()
        self._reading.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextlib.contextmanager
def program(*words: str | Path, **more: str) -> Iterator[Program]:
    """A command for as long as the block lasts."""
    started = Program(*words, **more)
    try:
        yield started
    finally:
        started.close()


def scenehub(*words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A command that ends; its output and errors."""
    command = [str(word) for word in (SCENEHUB, *words)]
    return subprocess.run(
        command,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


@contextlib.contextmanager
def open_directory() -> Iterator[Path]:
    """A folder that the database's own user can reach; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="scenehub-cli-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def wait_until(claim: Callable[[], object], what: str) -> None:
    """Poll a claim until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)
