"""The store on Postgres (15 or newer): `migrate` its database, then `open_store`."""

from __future__ import annotations

from scenehub.server.store.postgres.migrating import MigrationRefused, migrate
from scenehub.server.store.postgres.store import PostgresStore, open_store

__all__ = ["MigrationRefused", "PostgresStore", "migrate", "open_store"]
