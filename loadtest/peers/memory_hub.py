"""The real hub with its store in memory: every rule, no disk. Projects come into being when somebody joins them.

    python memory_hub.py --port 8790

Tokens are signed with SCENEHUB_SECRET, as always.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import gettempdir

from scenehub.protocol.ledger import Loaded
from scenehub.protocol.testing.ledger import MemoryLedger
from scenehub.server.app import configure_log, node
from scenehub.server.hub import garbage
from scenehub.server.settings import Settings
from scenehub.server.store.memory import MemoryStore
from scenehub.server.store.port import ProjectNotFound
from scenehub.server.transport.server import run, stop_signal


class OpenStore(MemoryStore):
    """Makes the projects that are asked for."""

    async def load(self, project: str) -> Loaded:
        try:
            return await super().load(project)
        except ProjectNotFound:
            await self.create(project, name=project, fps=30, width=1920, height=1080)
            return await super().load(project)


async def main(port: int) -> None:
    configure_log("warning")
    settings = Settings(port=port, data=Path(gettempdir()), log="warning")
    with stop_signal() as stop:
        # As with a real store, what is saved leaves this process: a log that grows is work for the garbage collector.
        async with node(settings, OpenStore(MemoryLedger(log_kept=100))):
            garbage.settle()
            await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8790)
    chosen = parser.parse_args()
    run(lambda: main(chosen.port))
