"""The synchronous keeper: a thread that writes what must survive to its file, a moment after it changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import time
from typing import Any

from scenehub.protocol import keeping

from .desk import Desk
from .keep import Keep
from .keeper import DISK_RETRY

log = logging.getLogger("scenehub.client")


class SyncKeeper:
    """Keeps one desk's pending edits on disk while its thread runs."""

    def __init__(
        self, keep: Keep, desk: Desk[Any], news: threading.Condition, clock: Callable[[], float], after: float
    ) -> None:
        """`news` has the lock that guards the desk; `after` in seconds is how long a change waits at most."""
        self.keep = keep
        self._desk = desk
        self._news = news
        self._clock = clock
        self._after = after
        self._version = 0
        self._written = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scenehub-keeper", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stir(self) -> None:
        """Something has changed; under the lock."""
        self._version += 1
        self._news.notify_all()

    def wait_kept(self, timeout: float | None) -> None:
        """Block until everything of now is on disk."""
        with self._news:
            version = self._version
            if not self._news.wait_for(lambda: self._written >= version, timeout):
                raise TimeoutError(f"{self.keep.path} was not written within {timeout} s")

    def close(self) -> None:
        """Write a last time, end the thread, let go of the file."""
        with self._news:
            self._closing.set()
            self._news.notify_all()
        self._thread.join()
        self._write()
        self.keep.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._news:
                self._news.wait_for(lambda: self._version > self._written or self._closing.is_set())
            self._closing.wait(self._after)
            if not self._write():
                self._closing.wait(DISK_RETRY)

    def _write(self) -> bool:
        with self._news:
            version = self._version
            plain = keeping.dump(self._desk.replica, self._clock(), int(time() * 1000))
        try:
            self.keep.write(plain)
        except OSError as error:
            log.warning("pending edits cannot be kept in %s: %s", self.keep.path, error)
            return False
        with self._news:
            self._written = version
            self._news.notify_all()
        return True
