"""What `scenehub dev` starts for itself on a bare machine: PostgreSQL and Valkey, from wheels."""

from __future__ import annotations

from scenehub.server.dev.postgres import Postgres, postgres
from scenehub.server.dev.unavailable import PartUnavailable, PortTaken
from scenehub.server.dev.valkey import Valkey, valkey

__all__ = ["PartUnavailable", "PortTaken", "Postgres", "Valkey", "postgres", "valkey"]
