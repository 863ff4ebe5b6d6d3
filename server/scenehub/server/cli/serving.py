"""Serving: a node of a hub in production, and the migrations of its database."""

from __future__ import annotations

import contextlib
import os
from urllib.parse import urlsplit

import asyncpg
import structlog

from scenehub.server.app import Misconfigured, configure_log, node, opened_store, secret_of
from scenehub.server.settings import Settings
from scenehub.server.store.postgres import migrate
from scenehub.server.transport.server import listening_socket

from .running import Life, cannot_listen
from .terminal import Failed

DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def serve_node(settings: Settings, life: Life, *, memory: bool, create: list[str]) -> None:
    """Run one node until told to stop. Raises Failed, Misconfigured, MigrationRefused."""
    configure_log(settings.log)
    log = structlog.get_logger("scenehub.serve")
    secret_of(settings)
    try:
        listener = listening_socket(settings.host, settings.port)
    except OSError as error:
        raise cannot_listen(error, settings.host, settings.port) from None
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listener.close)
        try:
            store = await stack.enter_async_context(opened_store(settings, memory=memory))
        except DATABASE_ERRORS as error:
            raise database_away(settings, error) from None
        for project in create:
            await store.create(project, name=project, fps=30, width=1920, height=1080)
        running = await stack.enter_async_context(node(settings, store, listener=listener))
        bus = "none (a single node)" if settings.redis_url is None else "redis"
        log.info("listening", url=running.url, node=settings.node, store="memory" if memory else "postgres", bus=bus)
        await life.until_stopped()
        log.info("stopping")
    log.info("stopped")


async def migrated(settings: Settings) -> list[str]:
    """Bring the database up to date; what was applied. Raises Failed, Misconfigured, MigrationRefused."""
    if settings.database_url is None:
        raise Misconfigured("set SCENEHUB_DATABASE_URL to a Postgres database (`scenehub dev` migrates its own)")
    try:
        return await migrate(settings.database_url)
    except DATABASE_ERRORS as error:
        raise database_away(settings, error) from None


def database_away(settings: Settings, error: Exception) -> Failed:
    """The words for a database that could not be used, without what is secret in its URL."""
    parts = urlsplit(settings.database_url or "")
    where = f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"
    why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    why = why.strip().splitlines()[0] if why.strip() else type(error).__name__
    return Failed(f"the database {where} cannot be used ({why}): look at SCENEHUB_DATABASE_URL, and whether it runs")
