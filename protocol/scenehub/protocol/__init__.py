"""The protocol of Scenehub: frames, edits, documents, and the two halves `Room` and `Replica`. Pure: no I/O, no clock.

Time (seconds, monotonic) and chance (fresh ids) are arguments everywhere; what is to be done comes out as effects.
"""

from __future__ import annotations

from .closing import Close, ComeBack, come_back
from .codec import Flavour, client_frame, hub_frame, pack_frame, unpack
from .document import Document, Message, Scene
from .edits import Actor, ActorKind, Edit, EditId, FieldKey, Position, Role
from .errors import ErrorCode, ProtocolError, Refusal
from .limits import Limits
from .presence import Member, Presence
from .replica import Replica
from .room import Room
from .view import View

__all__ = [
    "Actor",
    "ActorKind",
    "Close",
    "ComeBack",
    "Document",
    "Edit",
    "EditId",
    "ErrorCode",
    "FieldKey",
    "Flavour",
    "Limits",
    "Member",
    "Message",
    "Position",
    "Presence",
    "ProtocolError",
    "Refusal",
    "Replica",
    "Role",
    "Room",
    "Scene",
    "View",
    "client_frame",
    "come_back",
    "hub_frame",
    "pack_frame",
    "unpack",
]
