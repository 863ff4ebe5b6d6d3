"""Keeping: what of a replica must survive the end of its program (E4), as a plain map and back.

An edit comes back under its id and with its body unchanged, since it may have been sent (E1); the hub guards it when
it has grown old (O4). The confirmed state is not kept: a client that comes back is given a snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter

from .edits import Edit, FieldKey, Position
from .replica import Pending, Replica
from .scalars import Id, Milliseconds, Seq

FORMAT = 1
ATTEMPTS_UNKEPT = 1000
"""Connections that a program may have opened after it last kept anything."""


class Text(NamedTuple):
    """What a field's text was when an edit of it was made."""

    key: FieldKey
    text: str


class KeptEdit(BaseModel):
    """A pending edit; `made` in milliseconds UTC of this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    edit: Edit
    made: Milliseconds
    texts: tuple[Text, ...] = ()


class Kept(BaseModel):
    """A client and its pending edits, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    format: int = FORMAT
    client: Id
    user: str = ""
    """Empty when the client was never welcomed."""
    counter: Seq
    attempts: Seq = 0
    position: Position | None = None
    """What was confirmed; conflicts since then are still told (O3)."""
    pending: tuple[KeptEdit, ...] = ()


_kept: TypeAdapter[Kept] = TypeAdapter(Kept)


def dump(replica: Replica, now: float, wall: int) -> dict[str, Any]:
    """What must be kept; `now` in seconds as for the replica, `wall` the same moment in milliseconds UTC."""
    return {
        "format": FORMAT,
        "client": replica.client,
        "user": replica.user,
        "counter": replica.counter,
        "attempts": replica.attempts,
        "position": _position(replica.position or replica.resume_from),
        "pending": [
            {
                "edit": pending.edit.wire,
                "made": max(0, wall - int((now - pending.made) * 1000)),
                "texts": [[list(key), text] for key, text in pending.texts.items()],
            }
            for pending in replica.pending
        ],
    }


def _position(position: Position | None) -> list[Any] | None:
    return None if position is None else [position.epoch, position.seq, position.id and list(position.id)]


def read(raw: Mapping[str, Any]) -> Kept:
    """Judge what `dump` gave. Raises ValueError when it is something else, or its edits do not fit together."""
    kept = _kept.validate_python(raw)
    if kept.format != FORMAT:
        raise ValueError(f"format {kept.format} is not known here")
    numbers = [pending.edit.id.n for pending in kept.pending]
    if any(pending.edit.id.client != kept.client for pending in kept.pending):
        raise ValueError("an edit is of another client")
    if numbers != sorted(set(numbers)) or (numbers and numbers[-1] > kept.counter):
        raise ValueError("the edits are not in the order of their counters")
    return kept


def load(replica: Replica, kept: Kept, now: float, wall: int) -> None:
    """Become the client that was kept: only for a replica that was never connected and has made no edit."""
    assert replica.position is None, "only a new replica may become another client"
    assert not replica.pending, "only a new replica may become another client"
    replica.client = kept.client
    replica.counter = kept.counter
    replica.user = kept.user
    replica.resume_from = kept.position
    replica.attempts = kept.attempts + ATTEMPTS_UNKEPT
    for one in kept.pending:
        age = max(0, wall - one.made) / 1000
        replica.pending.append(
            Pending(one.edit, now - age, {text.key: text.text for text in one.texts}, ever_sent=True)
        )
