"""Effects: what a room or a replica wants done, in the order in which it must be done.

A shell performs them and gives their outcomes back as inputs. The order is part of the contract: within one answer,
what was made durable is told before what was decided on top of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .edits import Position
from .messages import HubFrame


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame to one session."""

    session: int
    frame: HubFrame


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send a frame to every session of the room that is not lagging, but one."""

    frame: HubFrame
    but: int | None = None
    droppable: bool = False
    """Presence: a reader with much waiting goes without (M2)."""


@dataclass(frozen=True, slots=True)
class Close:
    """End a session; it is gone from the room already. `retry_ms` is when it may come back."""

    session: int
    code: int
    words: str
    retry_ms: int = 0


@dataclass(frozen=True, slots=True)
class Publish:
    """Tell the other nodes."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WantsSave:
    """There is a batch to take."""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Read from the store what happened after a position, and the rows of these clients; answer with `caught_up`."""

    position: Position
    clients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Condemn:
    """This room's history is not the store's any more: drop the room; its sessions have been closed."""

    why: str


Effect = Send | Broadcast | Close | Publish | WantsSave | CatchUp | Condemn
