"""The queue of a room: edits it has taken that have no durable outcome yet.

Each entry is planned on arrival on top of everything before it (`ahead`), so what is relayed is what would commit.
When the project turns out to be elsewhere, the whole queue is planned again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .document import Cell, Document
from .edits import Actor, Edit, EditId
from .errors import Refusal
from .ledger import Batch, Committed, Head, Outcome, Rejected
from .limits import OLD_AFTER, Limits
from .planning import SYSTEM, Draft, Plan, base_in, plan

BATCH_EDITS = 512
BATCH_BYTES = 4 * 1024 * 1024


@dataclass(slots=True, eq=False)
class Entry:
    """An edit that waits for its outcome; `received` and times in seconds, `size` in bytes.

    `edit` is None when the body could not even be read: the entry only carries the refusal to its place (E1).
    """

    id: EditId
    edit: Edit | None
    actor: Actor
    digest: bytes
    size: int
    received: float
    session: int | None
    old: bool = False
    """It was made more than a minute ago: guarded (O4)."""
    refused: Refusal | None = None
    """A refusal that no change of the project can lift."""
    relayed: bool = False
    decision: Plan | Refusal | None = None
    outcome: Outcome | None = None
    """As it stands in the batch that was taken last."""
    seq: int = 0
    at: int = 0


@dataclass(slots=True)
class Queue:
    """Entries in the order of their arrival, which keeps each client's counters in order."""

    document: Document
    limits: Limits
    entries: deque[Entry] = field(default_factory=deque)
    by_id: dict[EditId, Entry] = field(default_factory=dict)
    bytes: int = 0
    saving: int = 0
    """How many entries from the front are in a batch whose verdict is awaited."""
    ahead: Draft = field(init=False)
    seq: int = 0
    """The seq that the last planned commit would get."""
    at: int = 0

    def __post_init__(self) -> None:
        self.ahead = Draft(self.document)

    def start(self, seq: int, at: int) -> None:
        """Say where the project is before the first entry is planned."""
        self.seq, self.at = seq, at

    def add(self, entry: Entry, epoch: str, now_ms: int) -> None:
        """Plan an entry on top of the queue and append it."""
        self._plan(entry, epoch, now_ms)
        self.entries.append(entry)
        self.by_id[entry.id] = entry
        self.bytes += entry.size

    def replan(self, head: Head, at: int, now_ms: int) -> None:
        """Plan every entry again on the document as it is now, which is at `head`; the last commit was at `at`."""
        self.ahead = Draft(self.document)
        self.saving = 0
        self.start(head.seq, at)
        for entry in self.entries:
            self._plan(entry, head.epoch, now_ms)

    def _plan(self, entry: Entry, epoch: str, now_ms: int) -> None:
        if entry.edit is None or entry.refused is not None:
            entry.decision = entry.refused
            return
        edit, at, seq = entry.edit, self.at + 1, self.seq + 1
        if at < now_ms:
            at = now_ms
        entry.at = at
        decision = entry.decision = plan(
            self.ahead,
            edit,
            entry.actor,
            seq=seq,
            at=at,
            base=base_in(edit, epoch),
            guarded=entry.old or edit.epoch != epoch,
            limits=self.limits,
        )
        if isinstance(decision, Plan):
            self.seq = entry.seq = seq
            self.at = at

    def batch(self, project: str, fence: Head, done: Callable[[str], int], most: int = BATCH_EDITS) -> Batch | None:
        """Take the front of the queue as a batch; `done` tells a client's last counter with an outcome."""
        if self.saving or not self.entries:
            return None
        outcomes: list[Outcome] = []
        counters: dict[str, tuple[int, int, str]] = {}
        size = 0
        for entry in self.entries:
            if len(outcomes) >= most or (outcomes and size + entry.size > BATCH_BYTES):
                break
            size += entry.size
            entry.outcome = _outcome(entry)
            outcomes.append(entry.outcome)
            client, n = entry.id
            before = counters[client][0] if client in counters else done(client)
            counters[client] = (before, n, entry.actor.user)
        self.saving = len(outcomes)
        return Batch(project, fence, outcomes, counters)

    def settle(self) -> list[Entry]:
        """Remove the entries of the batch in flight, which is durable, and write them to the document."""
        settled = [self.entries.popleft() for _ in range(self.saving)]
        self.saving = 0
        for entry in settled:
            self.bytes -= entry.size
            self.by_id.pop(entry.id, None)
            if isinstance(entry.decision, Plan) and entry.edit is not None:
                for key, value in entry.decision.writes:
                    self.document.put(key, Cell(value, entry.seq, entry.id, entry.actor.user))
        if not self.entries:
            self.ahead.written.clear()
        return settled

    def find(self, id: EditId) -> Entry | None:
        """The entry of an edit."""
        return self.by_id.get(id)

    def remove(self, ids: Iterable[EditId]) -> list[Entry]:
        """Remove entries whose outcome is known or that go back to their authors; plan again afterwards."""
        unwanted = {id for id in ids if id in self.by_id}
        if not unwanted:
            return []
        removed = [entry for entry in self.entries if entry.id in unwanted]
        self.entries = deque(entry for entry in self.entries if entry.id not in unwanted)
        for id in unwanted:
            del self.by_id[id]
        self.bytes -= sum(entry.size for entry in removed)
        return removed


def _outcome(entry: Entry) -> Outcome:
    if isinstance(entry.decision, Plan) and entry.edit is not None:
        decision = entry.decision
        return Committed(
            entry.seq,
            entry.at,
            entry.edit,
            entry.actor,
            entry.digest,
            decision.writes,
            decision.replaced,
            decision.overwrote,
            decision.restored,
        )
    assert isinstance(entry.decision, Refusal)
    return Rejected(entry.id, entry.digest, entry.actor.user, entry.decision)


def is_old(age_ms: int, actor: Actor) -> bool:
    """Whether an edit is so old that it must not overwrite (O4)."""
    return age_ms > OLD_AFTER * 1000 and actor.kind is not SYSTEM
