"""Reading: what both clients show of a project."""

from __future__ import annotations

from collections import deque
from contextlib import AbstractContextManager
from typing import Any, Generic

from scenehub.protocol.document import Message, Scene
from scenehub.protocol.edits import EditId, Position, Role
from scenehub.protocol.happenings import Choice, Overwritten
from scenehub.protocol.presence import Member
from scenehub.protocol.view import View

from .desk import Desk
from .handles import H
from .status import Status


class Reading(Generic[H]):
    """The read half of a project. Every value is of now, with others' and own unsaved edits on top."""

    _desk: Desk[H]
    _still: AbstractContextManager[Any]
    """Keeps the replica as it is while it is read."""

    @property
    def view(self) -> View:
        """The project as this member sees it now; take it anew after whatever may have changed it."""
        with self._still:
            return self._desk.replica.view

    @property
    def scenes(self) -> list[Scene]:
        """Living scenes in order; times in frames."""
        with self._still:
            return self._desk.replica.view.scenes

    def scene(self, id_or_name: str) -> Scene:
        """A living scene by its id, or by its name if only one has it. Raises LookupError."""
        scenes = self.scenes
        found = [scene for scene in scenes if scene.id == id_or_name]
        found = found or [scene for scene in scenes if scene.name == id_or_name]
        if len(found) == 1:
            return found[0]
        if found:
            raise LookupError(f"{len(found)} scenes are called {id_or_name!r}: use an id")
        raise LookupError(f"no living scene has the id or name {id_or_name!r}")

    @property
    def messages(self) -> list[Message]:
        """The chat as far as it is here, oldest first."""
        with self._still:
            return self._desk.replica.view.messages

    @property
    def memory(self) -> dict[str, Any]:
        """The project's preferences."""
        with self._still:
            return self._desk.replica.view.memory

    @property
    def fields(self) -> dict[str, Any]:
        """The project's own fields (name, fps, width and height in pixels) and `props`."""
        with self._still:
            return self._desk.replica.view.project

    @property
    def members(self) -> list[Member]:
        """Who is here, this client included; empty while offline."""
        with self._still:
            return list(self._desk.replica.members.values())

    @property
    def client(self) -> str:
        """This client's id."""
        return self._desk.replica.client

    @property
    def user(self) -> str:
        """Who this client acts for."""
        return self._desk.replica.user

    @property
    def role(self) -> Role:
        """What this member may do."""
        return self._desk.replica.role

    @property
    def read_only(self) -> bool:
        """Whether the token has expired: edits wait until there is a new one (M4)."""
        return self._desk.replica.read_only

    @property
    def position(self) -> Position | None:
        """The place in the history that is confirmed here (O1)."""
        return self._desk.replica.position

    @property
    def checksum(self) -> int:
        """Of the confirmed state: equal for members who have confirmed the same."""
        with self._still:
            return self._desk.replica.confirmed.checksum()

    @property
    def status(self) -> Status:
        """How this client stands with the hub."""
        with self._still:
            return self._desk.status

    @property
    def pending(self) -> list[EditId]:
        """Own edits without an outcome, oldest first."""
        with self._still:
            return [pending.edit.id for pending in self._desk.replica.pending]

    @property
    def choices(self) -> list[Choice]:
        """Own edits that met another's change of the same lines; see `take_mine` and `take_theirs`."""
        with self._still:
            return list(self._desk.replica.choices.values())

    @property
    def notices(self) -> list[Overwritten]:
        """The latest writes that were overwritten by somebody who had not seen them (O3), oldest first."""
        with self._still:
            return list(self._notices)

    _notices: deque[Overwritten]
