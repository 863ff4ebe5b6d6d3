"""The store's port: where a project's truth is kept. Adapters: `postgres/` (real) and `memory.py` (its twin)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from scenehub.protocol.edits import Position
from scenehub.protocol.ledger import Admission, Batch, Caught, ClientIdTaken, Head, Loaded, ProjectNotFound, Verdict

__all__ = ["ClientIdTaken", "ProjectNotFound", "ProjectRow", "Store", "StoreAway"]


class StoreAway(Exception):
    """The store cannot be asked for now; nothing is known to have happened."""


class ProjectRow(NamedTuple):
    """A project as lists show it; fps in frames a second, width and height in pixels, at in ms UTC."""

    id: str
    name: str
    fps: int
    width: int
    height: int
    seq: int
    scenes: int
    at: int


class Store(Protocol):
    """Every method but `commit`, which answers with verdicts, raises `StoreAway` when the store cannot be reached."""

    async def load(self, project: str) -> Loaded:
        """Read a whole project in one consistent reading. Raises ProjectNotFound: a failed load seeds nothing (N6)."""
        ...

    async def admit(self, project: str, client: str, user: str, position: Position | None) -> Admission:
        """Bind a client to its user, count its new session, and read what its resume needs, consistently.

        Raises ProjectNotFound, ClientIdTaken.
        """
        ...

    async def commit(self, batches: Sequence[Batch]) -> list[Verdict]:
        """Store each batch whole or not at all, durably, in one transaction where possible; a verdict for each (N2)."""
        ...

    async def commit_locked(
        self, project: str, position: Position, clients: Collection[str], plan: Callable[[Caught], Batch | None]
    ) -> Verdict:
        """Catch up, plan and store while nobody else can commit to the project (N2).

        `plan` gets what `catch_up` would answer and must not wait; with None from it nothing is stored (`MISSED`).
        Raises ProjectNotFound.
        """
        ...

    async def catch_up(self, project: str, position: Position, clients: Collection[str]) -> Caught:
        """Read the edits after `position` and the rows of `clients`, consistently. Raises ProjectNotFound."""
        ...

    async def heads(self, projects: Collection[str]) -> Mapping[str, Head]:
        """The heads of many projects in one query (N3); a project that is gone is left out."""
        ...

    async def create(self, project: str, *, name: str, fps: int, width: int, height: int) -> bool:
        """Make an empty project; false when there is one with that id already, which is left as it is."""
        ...

    async def projects(self) -> list[ProjectRow]:
        """All living projects, the latest changed first."""
        ...
