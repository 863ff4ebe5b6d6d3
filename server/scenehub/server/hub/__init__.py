"""The hub: rooms that are live on this node, the connections to them, and what stores their edits."""

from __future__ import annotations

from .access import Access, Refused, TokenExpired
from .hub import Hub, HubOptions
from .observer import Observer

__all__ = ["Access", "Hub", "HubOptions", "Observer", "Refused", "TokenExpired"]
