"""Clients of a room: how far each one's edits have outcomes (E1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from .document import Document
from .ledger import ClientRow, KeptReject
from .limits import REJECTS_KEPT

COUNTERS_KEPT = 20_000


@dataclass(slots=True, eq=False)
class Client:
    """What a room knows of a client that has a session or a queued edit here."""

    user: str
    done: int
    """The last counter with a durable outcome that is known here, like those of all before it."""
    taken: int
    """The last counter that is in the queue, or has an outcome."""
    digests: dict[int, bytes] = field(default_factory=dict)
    rejects: dict[int, KeptReject] = field(default_factory=dict)

    @classmethod
    def of(cls, row: ClientRow) -> Client:
        """As the store has it."""
        digests = {**row.digests, **{reject.n: reject.digest for reject in row.rejects}}
        return cls(row.user, row.counter, row.counter, digests, {reject.n: reject for reject in row.rejects})

    def remember(self, n: int, digest: bytes, reject: KeptReject | None) -> None:
        """The next edit has its outcome."""
        self.done = n
        if n > self.taken:
            self.taken = n
        self.digests[n] = digest
        self.digests.pop(n - REJECTS_KEPT, None)
        if reject is not None:
            self.rejects[n] = reject
            if len(self.rejects) > REJECTS_KEPT:
                del self.rejects[min(self.rejects)]


class Counters:
    """Per client the highest counter that this room has seen committed, for as many clients as are worth it (S5)."""

    def __init__(self, document: Document) -> None:
        self._committed: dict[str, int] = {}
        for cells in document.entities.values():
            for cell in cells.values():
                if cell.id.n > self._committed.get(cell.id.client, 0):
                    self._committed[cell.id.client] = cell.id.n

    def of(self, client: str) -> int:
        """The highest counter that is known to be committed, 0 if none is."""
        return self._committed.get(client, 0)

    def saw(self, client: str, n: int) -> None:
        """An edit is committed."""
        known = self._committed.pop(client, 0)
        self._committed[client] = n if n > known else known
        if len(self._committed) > COUNTERS_KEPT:
            del self._committed[next(iter(self._committed))]
