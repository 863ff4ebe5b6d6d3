"""Joining: `async with connect(url, token) as project:`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from scenehub.protocol.codec import Flavour

from .address import addresses
from .desk import client_ids
from .keep import Folder, open_keep
from .project import OnEvent, Project
from .reconnect import Route, Timing
from .tokens import Token, fresh, user_of

FlavourName = Literal["msgpack", "json"]
FLAVOURS = {"msgpack": Flavour.MSGPACK, "json": Flavour.JSON}


def default_agent() -> str:
    """What this client calls itself."""
    try:
        return f"scenehub-python/{version('scenehub')}"
    except PackageNotFoundError:
        return "scenehub-python"


@asynccontextmanager
async def connect(
    url: str | Sequence[str],
    token: Token,
    *,
    project: str | None = None,
    client_id: str | None = None,
    flavour: FlavourName = "msgpack",
    keep: Folder = None,
    agent: str | None = None,
    on_event: OnEvent | None = None,
    timeout: float = 10.0,
    drain: float = 5.0,
    timing: Timing | None = None,
) -> AsyncIterator[Project]:
    """Join a project, stay joined across lost connections and nodes, and leave it when the block ends.

    `url` is `http://host/p/ID`, `ws://host/v1/projects/ID/ws`, or `http://host` with `project`; a list names several
    nodes of one hub. `token` is a token or a function that gives fresh ones. With `keep` (True, or a folder) edits
    without an outcome survive the end of this program, also by `kill -9`. `on_event` is called with every happening.

    Waits up to `timeout` seconds for the project's state: raises NotReached, Refused, or ValueError for a bad address.
    At the end of the block it waits up to `drain` seconds for pending edits, and raises Unsaved if some have no
    outcome then and nothing keeps them. A block that ends with an exception of its own is left at once.
    """
    nodes = addresses(url, project)
    if keep and client_id is not None:
        raise ValueError("give client_id or keep: a kept client has an id of its own")
    first_token = await fresh(token) if keep else None
    owner = None if first_token is None else user_of(first_token) or first_token
    member = Project(
        Route(nodes, timing or Timing(), can_renew=callable(token)),
        token,
        ids=client_ids(client_id),
        agent=agent or default_agent(),
        flavour=FLAVOURS[flavour],
        on_event=on_event,
        first_token=first_token,
        keep=await asyncio.to_thread(open_keep, keep, nodes[0], owner),
    )
    async with member.joined(timeout, drain):
        yield member
