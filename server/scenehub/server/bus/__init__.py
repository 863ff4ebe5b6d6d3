"""Events between the nodes that have a project live. The adapters, `redis` and `memory`, are chosen by the app."""

from __future__ import annotations

from scenehub.server.bus.counts import Counts
from scenehub.server.bus.port import Bus, Deliver

__all__ = ["Bus", "Counts", "Deliver"]
