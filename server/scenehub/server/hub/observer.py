"""The observer's port: what happens in a hub, for a live log or for counting. Called on the hot path: keep it short."""

from __future__ import annotations

from typing import Protocol

from scenehub.protocol.edits import Edit, EditId
from scenehub.protocol.presence import Member


class Observer(Protocol):
    """Hears of a hub's life; no method may raise or wait."""

    def joined(self, project: str, member: Member) -> None:
        """A member has been welcomed."""

    def left(self, project: str, client: str) -> None:
        """A session ended."""

    def relayed(self, project: str, edit: Edit, user: str) -> None:
        """An edit was taken and shown to the others."""

    def saved(self, project: str, seq: int, edits: int, seconds: float) -> None:
        """Edits became durable, the last at `seq`, `seconds` after the batch was taken."""

    def rejected(self, project: str, id: EditId, code: str, words: str) -> None:
        """An edit was rejected; its author may hear it more than once."""

    def store(self, *, away: bool) -> None:
        """The store is away, or back."""

    def room(self, project: str, *, opened: bool) -> None:
        """A room was loaded, or dropped."""
