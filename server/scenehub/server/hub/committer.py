"""The committer: takes batches from rooms that have work and stores many of them in one transaction (N2).

A batch grows while the one before it is being stored: nothing waits for a clock. Several writers share the rooms; a
room has one batch in flight at most.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scenehub.protocol.ledger import Batch, Verdict

if TYPE_CHECKING:
    import structlog

    from scenehub.server.store.port import Store

    from .live import LiveRoom

ROOMS_AT_ONCE = 64
EDITS_AT_ONCE = 2048


class Committer:
    """Rooms with work, and the writers that serve them."""

    def __init__(self, store: Store, log: structlog.stdlib.BoundLogger) -> None:
        self._store = store
        self._log = log
        self._waiting: dict[LiveRoom, None] = {}
        self._work = asyncio.Event()
        self.in_flight = 0
        self.batches = 0
        self.away = False

    def wants(self, live: LiveRoom) -> None:
        """A room has something to store."""
        self._waiting[live] = None
        self._work.set()

    async def write(self) -> None:
        """Store batches until cancelled; run it as often as there are writers."""
        while True:
            await self._work.wait()
            taken = self._take()
            if taken:
                await self._store_all(taken)

    def _take(self) -> list[tuple[LiveRoom, Batch]]:
        taken: list[tuple[LiveRoom, Batch]] = []
        edits = 0
        while self._waiting and len(taken) < ROOMS_AT_ONCE and edits < EDITS_AT_ONCE:
            live = next(iter(self._waiting))
            del self._waiting[live]
            batch = live.take()
            if batch is not None:
                taken.append((live, batch))
                edits += len(batch.outcomes)
        if not self._waiting:
            self._work.clear()
        return taken

    async def _store_all(self, taken: list[tuple[LiveRoom, Batch]]) -> None:
        self.in_flight += len(taken)
        verdicts = [Verdict.UNKNOWN] * len(taken)
        try:
            verdicts = await self._store.commit([batch for _, batch in taken])
        except Exception:  # noqa: BLE001 - whatever it was, each batch's outcome is unknown and is looked up
            self._log.exception("commit_failed", projects=len(taken))
        finally:
            self.in_flight -= len(taken)
        self.batches += 1
        self.away = all(verdict in (Verdict.FAILED, Verdict.UNKNOWN) for verdict in verdicts)
        for (live, _), verdict in zip(taken, verdicts, strict=True):
            live.verdict(verdict)
