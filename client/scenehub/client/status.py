"""Status: how a client stands with its hub, as one small value for programs and status lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

State = Literal["live", "saving", "not saved", "offline"]


@dataclass(frozen=True, slots=True)
class Status:
    """The sync status of a project."""

    state: State
    """`live`: everything is saved. `saving`: edits are under way. `not saved`: the hub cannot save. `offline`."""
    pending: int
    """Own edits without an outcome."""
    offline_since: datetime | None = None
    """UTC; None while there is a connection."""
    words: str = ""
    """What the trouble is, for people."""

    def __str__(self) -> str:
        waiting = f", {self.pending} unsaved" if self.pending else ""
        return f"{self.state}{waiting}" + (f" ({self.words})" if self.words else "")


def status_of(state: str, pending: int, offline_since: datetime | None, words: str) -> Status:
    """A status from a replica's word."""
    return Status(cast("State", state), pending, offline_since if state == "offline" else None, words)
