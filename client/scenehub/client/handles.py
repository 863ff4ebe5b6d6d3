"""Handles: an edit that was made, and what becomes of it. Each shell adds its own way of waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from scenehub.protocol.edits import Edit, EditId
from scenehub.protocol.happenings import Choice, Happening, Merged, Rejected, Saved

from .errors import ClientError
from .errors import Rejected as EditRejected

EditState = Literal["waiting", "saved", "rejected", "unknown"]


@dataclass(frozen=True, slots=True)
class SavedAt:
    """Durable at `seq`, or before."""

    seq: int


Outcome = SavedAt | EditRejected | ClientError


class Handle:
    """One edit of this client. It is in the view at once, and saved when `state` says so."""

    def __init__(self, edit: Edit) -> None:
        self.edit = edit
        """As it was made; what was typed stays here whatever becomes of it."""
        self.id = edit.id
        """Follows the edit when it goes on as another one (a merge, a new client id)."""
        self.choice: Choice | None = None
        """Set when somebody else changed the same lines: a person decides (`project.take_mine(handle.choice)`)."""
        self._outcome: Outcome | None = None

    @property
    def state(self) -> EditState:
        """`waiting`, `saved`, `rejected`, or `unknown` when the project was left before."""
        match self._outcome:
            case None:
                return "waiting"
            case SavedAt():
                return "saved"
            case EditRejected():
                return "rejected"
            case _:
                return "unknown"

    @property
    def seq(self) -> int | None:
        """The seq at which it is saved, or an upper bound of it; None before."""
        return self._outcome.seq if isinstance(self._outcome, SavedAt) else None

    @property
    def entity(self) -> str:
        """The id of what its first op changes or adds: of the new scene, of the message."""
        op = self.edit.ops[0]
        return str(getattr(op, "id", None) or getattr(op, "key", None) or "project")

    def settle(self, outcome: Outcome) -> None:
        """The outcome is there."""
        if self._outcome is None:
            self._outcome = outcome
            self._wake()

    def result(self) -> int:
        """The seq; raises what became of it otherwise. Only to be asked when there is an outcome."""
        match self._outcome:
            case SavedAt(seq):
                return seq
            case None:
                raise AssertionError("asked before there was an outcome")
            case error:
                raise error

    def _wake(self) -> None:
        """Tell those who wait."""

    def __repr__(self) -> str:
        return f"<edit {self.id} {self.state}>"


H = TypeVar("H", bound=Handle)


class Handles(Generic[H]):
    """The handles of edits without an outcome, by the id that the edit has now.

    Several edits may go on as one (a chain of writes that was merged once): their handles share its outcome.
    """

    def __init__(self, make: Callable[[Edit], H]) -> None:
        self._make = make
        self._waiting: dict[EditId, list[H]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, edit: Edit) -> H:
        """An edit was made."""
        handle = self._make(edit)
        self._waiting.setdefault(edit.id, []).append(handle)
        return handle

    def hear(self, happening: Happening, seq: int) -> None:
        """Settle what a happening settles; `seq` is the confirmed one."""
        match happening:
            case Saved():
                self._settle(happening.id, SavedAt(happening.seq))
            case Merged(id, None):
                self._settle(id, SavedAt(seq))
            case Merged(id, into) if into is not None:
                self._go_on(id, into)
            case Choice():
                for handle in self._waiting.get(happening.id, ()):
                    handle.choice = happening
            case Rejected():
                self._reject(happening)
            case _:
                pass

    def _go_on(self, id: EditId, into: EditId) -> None:
        moved = self._waiting.pop(id, [])
        for handle in moved:
            handle.id = into
        if moved:
            self._waiting.setdefault(into, []).extend(moved)

    def _reject(self, rejected: Rejected) -> None:
        for handle in self._waiting.pop(rejected.id, ()):
            current = () if handle.choice is None else handle.choice.current
            handle.settle(EditRejected(rejected.code, rejected.words, rejected.culprit, current, rejected.edit))

    def _settle(self, id: EditId, outcome: Outcome) -> None:
        for handle in self._waiting.pop(id, ()):
            handle.settle(outcome)

    def end(self, error: ClientError) -> None:
        """Nothing will be heard of any edit any more."""
        waiting, self._waiting = self._waiting, {}
        for handles in waiting.values():
            for handle in handles:
                handle.settle(error)
