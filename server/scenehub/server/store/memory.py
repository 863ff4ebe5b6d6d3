"""The store in memory: the async face of `MemoryLedger`, for tests and for measuring the hub without a disk.

It makes no rule of its own; what it adds is a random epoch for a new project and a switch that makes it unreachable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from secrets import token_urlsafe

from scenehub.protocol.document import PROJECT, SCENE
from scenehub.protocol.edits import Position
from scenehub.protocol.ledger import Admission, Batch, Caught, Head, Loaded, Verdict
from scenehub.protocol.testing.ledger import MemoryLedger
from scenehub.server.store.port import ProjectRow, StoreAway


class MemoryStore:
    """A `Store` that forgets everything with its process; `away` makes it unreachable."""

    def __init__(self, ledger: MemoryLedger | None = None) -> None:
        self.ledger = ledger or MemoryLedger()
        self.away = False

    async def load(self, project: str) -> Loaded:
        """As the port says."""
        return self._reached().load(project)

    async def admit(self, project: str, client: str, user: str, position: Position | None) -> Admission:
        """As the port says."""
        return self._reached().admit(project, client, user, position)

    async def commit(self, batches: Sequence[Batch]) -> list[Verdict]:
        """As the port says."""
        if self.away:
            return [Verdict.FAILED] * len(batches)
        return [self.ledger.commit(batch) for batch in batches]

    async def commit_locked(
        self, project: str, position: Position, clients: Collection[str], plan: Callable[[Caught], Batch | None]
    ) -> Verdict:
        """As the port says: nothing waits here, so nobody can come in between."""
        if self.away:
            return Verdict.FAILED
        batch = plan(self.ledger.catch_up(project, position, clients))
        return Verdict.MISSED if batch is None else self.ledger.commit(batch)

    async def catch_up(self, project: str, position: Position, clients: Collection[str]) -> Caught:
        """As the port says."""
        return self._reached().catch_up(project, position, clients)

    async def heads(self, projects: Collection[str]) -> Mapping[str, Head]:
        """As the port says."""
        return self._reached().heads(projects)

    async def create(self, project: str, *, name: str, fps: int, width: int, height: int) -> bool:
        """As the port says."""
        epoch = token_urlsafe(12)
        return self._reached().create(project, epoch=epoch, name=name, fps=fps, width=width, height=height)

    async def projects(self) -> list[ProjectRow]:
        """As the port says."""
        ledger = self._reached()
        return [_row(id, ledger.load(id), ledger.at(id)) for id in ledger.projects()]

    def _reached(self) -> MemoryLedger:
        if self.away:
            raise StoreAway
        return self.ledger


def _row(project: str, loaded: Loaded, at: int) -> ProjectRow:
    fields = {name: cell.value for name, cell in loaded.document.cells(PROJECT, PROJECT).items()}
    scenes = sum(1 for _ in loaded.document.living(SCENE))
    shown = (fields["name"], fields["fps"], fields["width"], fields["height"])
    return ProjectRow(project, *shown, loaded.head.seq, scenes, at)
