"""PostgreSQL from a wheel: started and stopped with the hub, its data kept in a directory.

It listens on 127.0.0.1 only, with a generated password; there is no socket file and no shared memory outside the data
directory. It is durable (``fsync`` and ``synchronous_commit`` on) unless the caller wants a database of no value.

When this process dies the kernel sends it SIGINT, a *fast* shutdown: sessions are cut, what was committed is written
out, nothing is left to recover. SIGQUIT would spare milliseconds and cost the next start a crash recovery; SIGTERM
would wait for clients that may never go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT, Signals
from types import MappingProxyType

from scenehub.server.dev.child import Child, children_of, end
from scenehub.server.dev.claim import Claim, claim
from scenehub.server.dev.part import Part, started
from scenehub.server.dev.pgdata import DATABASE, USER, PostmasterFile, check_data, make_data, password_of
from scenehub.server.dev.ports import check_port
from scenehub.server.dev.wheels import postgres_binaries

__all__ = ["Postgres", "postgres"]

PART = "PostgreSQL"
_NOTHING: Mapping[str, str] = MappingProxyType({})
_SETTINGS = MappingProxyType(
    {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "dynamic_shared_memory_type": "mmap",  # files in the data directory: a crash leaves nothing in /dev/shm
        "cluster_name": "scenehub",
        "fsync": "on",
        "synchronous_commit": "on",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "log_checkpoints": "off",
        "jit": "off",  # many small statements: compiling them costs more than running them
    }
)
_WITHOUT_VALUE = MappingProxyType({"fsync": "off", "full_page_writes": "off"})


class Postgres(Part):
    """A PostgreSQL server of this process."""

    when_orphaned = SIGINT
    log_name = "postgres.log"

    def __init__(self, claim: Claim, port: int, settings: Mapping[str, str], grace: float) -> None:
        super().__init__(claim, port, grace)
        self._settings = {**_SETTINGS, **settings}
        self._password = password_of(claim)
        self._file = PostmasterFile(claim.data)
        self._before: tuple[int, int] | None = None

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The address of another database of this server."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    async def start(self) -> None:
        if not self.running:
            check_data(self._claim)
        await super().start()

    def _command(self) -> Sequence[str | Path]:
        self._before = self._file.version
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        return [postgres_binaries(self._claim) / "postgres", "-D", self._claim.data, "-p", str(self.port), *options]

    async def _ready(self, child: Child) -> bool:
        # After a kill -9 the file of the dead server still says ready, and in a container even its pid may come again.
        return self._file.version != self._before and self._file.says_ready(child.pid)

    def _stop_steps(self) -> Sequence[tuple[Signals, float]]:
        return [(SIGINT, self.grace), (SIGQUIT, 5.0)]

    def _worth_another_try(self, log: str) -> bool:
        # Backends of a killed server notice within moments that it is gone; until then they hold the directory.
        return "pre-existing shared memory block" in log

    async def _crash(self, child: Child) -> None:
        backends = children_of(child.pid)
        await child.stop([(SIGKILL, self.grace)])
        for backend in backends:
            await end(backend, [(SIGKILL, self.grace)])


@asynccontextmanager
async def postgres(
    directory: Path,
    port: int | None = None,
    *,
    settings: Mapping[str, str] = _NOTHING,
    durable: bool = True,
    grace: float = 10.0,
) -> AsyncIterator[Postgres]:
    """Run PostgreSQL on the data in ``directory`` (made where there is none) until the block ends.

    ``port`` None takes a free one. ``settings`` are server parameters over ours. ``durable=False`` is for tests:
    faster, and worth nothing after a crash of the machine. ``grace`` is the seconds that the last checkpoint has at the
    end. Enter it on the main thread. Raises PartUnavailable when it cannot run here.
    """
    if port is not None:
        check_port(PART, port)
    with claim(PART, directory) as mine:
        await mine.end_what_was_left([(SIGINT, grace), (SIGQUIT, 5.0)])
        await asyncio.to_thread(postgres_binaries, mine)  # copies them where it must; they are there from then on
        await make_data(mine, durable=durable)
        every = settings if durable else {**_WITHOUT_VALUE, **settings}
        server = await started(PART, lambda chosen: Postgres(mine, chosen, every, grace), port)
        try:
            yield server
        finally:
            await server.stop()
