"""HTTP: what is served beside the sockets."""

from __future__ import annotations

from .application import application

__all__ = ["application"]
