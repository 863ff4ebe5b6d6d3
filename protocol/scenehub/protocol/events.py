"""Events: what nodes tell each other over the bus about a project, as plain maps (N3, S5).

Whatever is said here may be lost, doubled or late; nothing is believed that Postgres does not confirm, but for commits,
which are durable before they are published and are chained by the id of the edit before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .edits import Actor, Edit, EditId, FieldKey, Overwritten
from .ledger import Committed
from .messages import CellRow, actor_wire, member_wire
from .presence import Member, Presence
from .states import cell_of, cell_rows

Event = dict[str, Any]
VERSION = 1
"""Of this format; a node ignores events of a version that it does not know."""

_edits = TypeAdapter(Edit)
_actors = TypeAdapter(Actor)
_members = TypeAdapter(Member)
_presences = TypeAdapter(Presence)


class Unreadable(Exception):
    """An event of another version, or none at all."""


def kind_of(event: Event) -> str:
    """What an event is about, or raise Unreadable."""
    if event.get("v") != VERSION or not isinstance(event.get("e"), str) or not isinstance(event.get("node"), str):
        raise Unreadable
    return str(event["e"])


class Speaker:
    """Makes the events of one node in one of its lives (`generation`)."""

    def __init__(self, node: str, generation: str) -> None:
        self.node = node
        self.generation = generation

    def _say(self, kind: str, **more: Any) -> Event:
        return {"v": VERSION, "e": kind, "node": self.node, "gen": self.generation, **more}

    def relay(self, edit: Edit, actor: Actor) -> Event:
        """This node holds an edit."""
        return self._say("relay", edit=edit.wire, actor=actor_wire(actor))

    def commit(self, epoch: str, before: EditId | None, edits: Sequence[Committed]) -> Event:
        """Edits are durable; `before` is the id of the edit before the first."""
        return self._say(
            "commit",
            epoch=epoch,
            seq=edits[0].seq,
            before=None if before is None else list(before),
            edits=[_committed_wire(edit) for edit in edits],
        )

    def reject(self, id: EditId, code: str, words: str) -> Event:
        """An edit has been rejected durably."""
        return self._say("reject", id=list(id), code=code, words=words)

    def withdraw(self, ids: Iterable[EditId]) -> Event:
        """Edits went back to their authors."""
        return self._say("withdraw", ids=[list(id) for id in ids])

    def members(self, members: Iterable[tuple[int, Member]]) -> Event:
        """Members of this node, with their session's generation."""
        return self._say("members", members=[[generation, member_wire(member)] for generation, member in members])

    def moved(self, moved: dict[str, Presence]) -> Event:
        """Where members of this node are now."""
        return self._say(
            "moved", moved={client: where.model_dump(exclude_none=True) for client, where in moved.items()}
        )

    def gone(self, clients: Iterable[str]) -> Event:
        """Members left this node."""
        return self._say("gone", clients=list(clients))

    def lease(self, seq: int, ids: Iterable[EditId], clients: Iterable[str]) -> Event:
        """Still alive: the room's seq, the relays that this node holds and the members that it has."""
        return self._say("lease", seq=seq, ids=[list(id) for id in ids], clients=list(clients))

    def who(self) -> Event:
        """Who is there? Answered with `members`."""
        return self._say("who")


def _committed_wire(edit: Committed) -> dict[str, Any]:
    return {
        "at": edit.at,
        "edit": edit.edit.wire,
        "actor": actor_wire(edit.actor),
        "digest": edit.digest,
        "overwrote": [[list(row.key), list(row.id), row.user, row.seq] for row in edit.overwrote],
        "restored": {id: cell_rows(cells) for id, cells in edit.restored.items()},
    }


def committed_of(event: Event) -> list[Committed]:
    """The edits of a `commit` event."""
    try:
        return [_committed(row, event["seq"] + index) for index, row in enumerate(event["edits"])]
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable from error


def _committed(row: dict[str, Any], seq: int) -> Committed:
    return Committed(
        seq,
        row["at"],
        _edits.validate_python(row["edit"]),
        _actors.validate_python(row["actor"]),
        row["digest"],
        (),
        {},
        [Overwritten(FieldKey(*key), EditId(*id), user, at) for key, id, user, at in row["overwrote"]],
        {id: {name: cell_of(CellRow(*cell)) for name, cell in cells.items()} for id, cells in row["restored"].items()},
    )


def edit_of(event: Event) -> tuple[Edit, Actor]:
    """The edit of a `relay` event."""
    try:
        return _edits.validate_python(event["edit"]), _actors.validate_python(event["actor"])
    except (KeyError, ValidationError) as error:
        raise Unreadable from error


def ids_of(event: Event) -> list[EditId]:
    """The edit ids that an event names."""
    try:
        return [EditId(*id) for id in ([event["id"]] if "id" in event else event["ids"])]
    except (KeyError, TypeError) as error:
        raise Unreadable from error


def members_of(event: Event) -> list[tuple[int, Member]]:
    """The members of a `members` event."""
    try:
        return [(generation, _members.validate_python(member)) for generation, member in event["members"]]
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable from error


def moves_of(event: Event) -> dict[str, Presence]:
    """Where members are, from a `moved` event."""
    try:
        return {str(client): _presences.validate_python(where) for client, where in event["moved"].items()}
    except (KeyError, AttributeError, ValidationError) as error:
        raise Unreadable from error
