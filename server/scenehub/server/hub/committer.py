"""The committer: takes batches from rooms that have work and stores many of them in one transaction (N2).

A batch grows while the one before it is being stored: nothing waits for a clock. Several writers share the rooms; a
room has one batch in flight at most.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scenehub.protocol.effects import CatchUp, Effect
from scenehub.protocol.ledger import Batch, Caught, Verdict
from scenehub.server.store.port import ProjectNotFound, StoreAway

if TYPE_CHECKING:
    import structlog

    from scenehub.server.store.port import Store

    from .live import LiveRoom
    from .observer import Observer

ROOMS_AT_ONCE = 64
EDITS_AT_ONCE = 2048
MISSES_ALONE = 3
"""After so many batches in a row that others overtook, a room's next one is stored under the project's lock (N2)."""


class Committer:
    """Rooms with work, and the writers that serve them."""

    def __init__(self, store: Store, log: structlog.stdlib.BoundLogger, observer: Observer | None = None) -> None:
        self._store = store
        self._observer = observer
        self._log = log
        self._waiting: dict[LiveRoom, None] = {}
        self._overtaken: dict[LiveRoom, None] = {}
        self._work = asyncio.Event()
        self.in_flight = 0
        self.batches = 0
        self.away = False

    async def _store_locked(self, live: LiveRoom) -> None:
        """Store for a room that others overtook again and again, while nobody can (N2).

        It is a catch-up for the room, so that neither another one nor a batch comes in between.
        """
        effects: list[Effect] = []
        live.guarded(lambda: effects.extend(live.room.catch_up()))
        asked = [effect for effect in effects if isinstance(effect, CatchUp)]
        if not asked:
            return
        answered = False
        batch: Batch | None = None

        def planned(caught: Caught) -> Batch | None:
            nonlocal answered, batch
            answered = True
            live.caught_up(caught)
            batch = live.take()
            return batch

        verdict = Verdict.UNKNOWN
        try:
            verdict = await self._store.commit_locked(live.project, asked[0].position, asked[0].clients, planned)
        except StoreAway:
            self.reached(False)
        except ProjectNotFound:
            pass
        except Exception:  # noqa: BLE001 - as below
            self._log.exception("commit_failed", projects=1)
        if not answered:
            live.caught_up(None)
        elif batch is not None:
            live.verdict(verdict)

    def reached(self, yes: bool) -> None:
        """The store answered, or could not be asked: whoever watches hears when that changes."""
        if self.away is yes:
            self.away = not yes
            if self._observer is not None:
                self._observer.store(away=self.away)

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
            for live in self._take_overtaken():
                await self._store_locked(live)

    def _take(self) -> list[tuple[LiveRoom, Batch]]:
        taken: list[tuple[LiveRoom, Batch]] = []
        edits = 0
        while self._waiting and len(taken) < ROOMS_AT_ONCE and edits < EDITS_AT_ONCE:
            live = next(iter(self._waiting))
            del self._waiting[live]
            if live.room.misses >= MISSES_ALONE:
                self._overtaken[live] = None
                continue
            batch = live.take()
            if batch is not None:
                taken.append((live, batch))
                edits += len(batch.outcomes)
        if not self._waiting:
            self._work.clear()
        return taken

    def _take_overtaken(self) -> list[LiveRoom]:
        overtaken = [live for live in self._overtaken if not live.dropped and not live.room.catching_up]
        self._overtaken.clear()
        return overtaken

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
        self.reached(any(verdict not in (Verdict.FAILED, Verdict.UNKNOWN) for verdict in verdicts))
        for (live, _), verdict in zip(taken, verdicts, strict=True):
            live.verdict(verdict)
