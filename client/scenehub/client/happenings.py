"""What `events()` and `on_event` give: `match event: case happenings.Rejected(): …`."""

from __future__ import annotations

from scenehub.protocol.happenings import (
    Changed,
    Choice,
    ErrorHeard,
    Happening,
    MembersChanged,
    Merged,
    Overwritten,
    Rejected,
    Replaced,
    RoleChanged,
    Saved,
    StatusChanged,
)

__all__ = [
    "Changed",
    "Choice",
    "ErrorHeard",
    "Happening",
    "MembersChanged",
    "Merged",
    "Overwritten",
    "Rejected",
    "Replaced",
    "RoleChanged",
    "Saved",
    "StatusChanged",
]
