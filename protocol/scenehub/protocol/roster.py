"""Roster: the members as a replica knows them, from what the hub tells (M1)."""

from __future__ import annotations

from collections.abc import Mapping

from .messages import PresenceNews
from .presence import Member


def told(members: Mapping[str, Member], news: PresenceNews) -> dict[str, Member]:
    """The members, by client, after some news."""
    after = {} if news.whole else dict(members)
    for member in news.members:
        after[member.client] = member
    for client, presence in news.moved.items():
        known = after.get(client)
        if known is not None:
            after[client] = known.model_copy(update={"presence": presence, "idle": False})
    for client in news.gone:
        after.pop(client, None)
    return after
