"""The simulated store: a ledger that answers late, fails, does not know, is away, and loses its latest history."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeVar

from scenehub.protocol.edits import Position
from scenehub.protocol.ledger import Admission, Batch, Caught, Head, Loaded, Verdict
from scenehub.protocol.testing.ledger import LedgerCopy, MemoryLedger

from .climate import Climate
from .clock import Clock
from .transcript import Transcript

T = TypeVar("T")
ELSEWHERE = "elsewhere"
"""A project whose ids are taken: an edit that uses one cannot be stored."""


class SimulatedStore:
    """Every answer comes by a call of `then`, later; None when the store could not be asked."""

    def __init__(self, clock: Clock, chance: Random, climate: Climate, transcript: Transcript) -> None:
        self.ledger = MemoryLedger()
        self.ledger.create("p", epoch="e1", name="Film", fps=30, width=1920, height=1080)
        self.away = False
        self.calm = False
        self.failed_over: float | None = None
        self.saved = 0
        self.on_saved: Callable[[int], None] | None = None
        self._clock = clock
        self._chance = chance
        self._climate = climate
        self._transcript = transcript
        self._copy: LedgerCopy | None = None

    def _delay(self) -> float:
        most = 0.005 if self.calm else self._climate.store_delay
        if not self.calm and self._chance.random() < 0.03:
            most *= 5
        return self._chance.random() * most

    def _ask(self, read: Callable[[], T], then: Callable[[T | None], None]) -> None:
        """Read at one moment on the way, answer at a later one."""

        def perform() -> None:
            answer = None if self._refuses() else read()
            self._clock.after(self._delay(), lambda: then(answer))

        self._clock.after(self._delay(), perform)

    def _refuses(self) -> bool:
        return self.away or (not self.calm and self._chance.random() < self._climate.store_fails / 3)

    def load(self, then: Callable[[Loaded | None], None]) -> None:
        """Read the project."""
        self._ask(lambda: self.ledger.load("p"), then)

    def admit(
        self, client: str, user: str, position: Position | None, then: Callable[[Admission | None], None]
    ) -> None:
        """Let a client in."""
        self._ask(lambda: self.ledger.admit("p", client, user, position), then)

    def catch_up(self, position: Position, clients: tuple[str, ...], then: Callable[[Caught | None], None]) -> None:
        """Read what came after a position."""
        self._ask(lambda: self.ledger.catch_up("p", position, clients), then)

    def head(self, then: Callable[[Head | None], None]) -> None:
        """Read the head."""
        self._ask(lambda: self.ledger.heads(["p"])["p"], then)

    def commit(self, batch: Batch, then: Callable[[Verdict], None]) -> None:
        """Store a batch, or not, or nobody knows."""

        def perform() -> None:
            if self.away:
                self._clock.after(self._delay(), lambda: then(Verdict.FAILED))
                return
            dice = 1.0 if self.calm else self._chance.random()
            if dice < self._climate.store_fails:
                self._clock.after(self._delay(), lambda: then(Verdict.FAILED))
            elif dice < self._climate.store_fails + self._climate.store_unsure:
                self._unsure(batch, then)
            else:
                verdict = self._store(batch)
                self._clock.after(self._delay(), lambda: then(verdict))

        slower = 1 if self.calm else self._climate.commits_slower
        self._clock.after(self._delay() * slower, perform)

    def _unsure(self, batch: Batch, then: Callable[[Verdict], None]) -> None:
        """The connection breaks during COMMIT: before it, after it, or it lands when the reader has looked already."""
        match self._chance.randrange(3):
            case 0:
                self._store(batch)
            case 1:
                self._clock.after(self._chance.random() * 1.0, lambda: self._land(batch))
            case _:
                pass
        self._clock.after(self._delay(), lambda: then(Verdict.UNKNOWN))

    def _land(self, batch: Batch) -> None:
        self._store(batch)

    def _store(self, batch: Batch) -> Verdict:
        verdict = self.ledger.commit(batch)
        first = batch.commits[0].seq if batch.commits else None
        self._transcript.say(
            self._clock.now, "store", str(verdict), f"seq {first}", [str(_id(outcome)) for outcome in batch.outcomes]
        )
        if verdict is Verdict.SAVED:
            self.saved += len(batch.commits)
            if self.on_saved is not None:
                for commit in batch.commits:
                    self.on_saved(commit.seq)
        return verdict

    def take_copy(self) -> None:
        """What a failover will go back to."""
        self._copy = self.ledger.copy()

    def fail_over(self, epoch: str | None) -> None:
        """Lose the latest history; `epoch` when somebody declared it."""
        if self._copy is None:
            return
        before = self.ledger.heads(["p"])["p"]
        self.ledger.restore(self._copy)
        if epoch is not None:
            self.ledger.change_epoch("p", epoch)
        self.failed_over = self._clock.now
        self._transcript.say(self._clock.now, "store", "failed over", before, "->", self.ledger.heads(["p"])["p"])


def _id(outcome: object) -> object:
    edit = getattr(outcome, "edit", None)
    return getattr(outcome, "id", None) if edit is None else edit.id
