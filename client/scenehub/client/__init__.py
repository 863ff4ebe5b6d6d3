"""The Python client of Scenehub: join a project as a member, see it live, edit it, and know what is saved.

    async with connect("http://127.0.0.1:8787/p/ID", token) as project:
        await project.set_scene("Intro", duration=90).saved()

`connect_sync` is the same for scripts without asyncio.
"""

from __future__ import annotations

from scenehub.protocol import ops

from . import happenings
from .errors import ClientError, Left, NotReached, Refused, Rejected, Unsaved
from .events import EditHandle, Events
from .joining import connect
from .project import OnEvent, Project
from .reconnect import Timing
from .status import Status
from .sync import SyncEdit, SyncProject, connect_sync
from .tokens import guest_token

__all__ = [
    "ClientError",
    "EditHandle",
    "Events",
    "Left",
    "NotReached",
    "OnEvent",
    "Project",
    "Refused",
    "Rejected",
    "Status",
    "SyncEdit",
    "SyncProject",
    "Timing",
    "Unsaved",
    "connect",
    "connect_sync",
    "guest_token",
    "happenings",
    "ops",
]
