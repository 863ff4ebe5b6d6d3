"""The composition root: makes a running node out of settings. The only place that knows which adapter serves a port."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from scenehub.server.bus.memory import Medium
from scenehub.server.bus.port import Bus
from scenehub.server.bus.redis import RedisBus
from scenehub.server.dev import postgres, valkey
from scenehub.server.http import application
from scenehub.server.hub import Hub, HubOptions, Observer
from scenehub.server.settings import Settings
from scenehub.server.store.memory import MemoryStore
from scenehub.server.store.port import Store
from scenehub.server.store.postgres import migrate, open_store
from scenehub.server.transport.server import Serving, listening_socket, serve

SECRET_CHARACTERS = 32


class Misconfigured(Exception):
    """The settings cannot be run with; the words say what to change."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node that runs."""

    hub: Hub
    serving: Serving
    url: str
    """http://host:port"""


@contextlib.asynccontextmanager
async def embedded(settings: Settings) -> AsyncIterator[Settings]:
    """Start a twin for each part that has no URL, and give the settings that name them. Raises PartUnavailable."""
    async with contextlib.AsyncExitStack() as parts:
        given: dict[str, str] = {}
        if settings.database_url is None:
            given["database_url"] = (await parts.enter_async_context(postgres(settings.data / "postgres"))).url
        if settings.redis_url is None:
            given["redis_url"] = (await parts.enter_async_context(valkey(settings.data / "valkey"))).url
        yield settings.model_copy(update=given)


@contextlib.asynccontextmanager
async def opened_store(settings: Settings, *, memory: bool = False) -> AsyncIterator[Store]:
    """The store that the settings name, its schema up to date."""
    if memory:
        yield MemoryStore()
        return
    if settings.database_url is None:
        raise Misconfigured("set SCENEHUB_DATABASE_URL to a Postgres database, or use `scenehub dev`")
    await migrate(settings.database_url)
    async with open_store(settings.database_url, committers=settings.writers) as store:
        yield store


@contextlib.asynccontextmanager
async def node(
    settings: Settings, store: Store, *, guests: bool = False, observer: Observer | None = None
) -> AsyncIterator[Node]:
    """Run a node on a store until the context is left; it drains then (N5). Raises OSError if the port is taken."""
    if guests and not is_loopback(settings.host):
        raise Misconfigured(f"{settings.host} is a public address: guests without a password are for 127.0.0.1 only")
    listener = listening_socket(settings.host, settings.port)
    options = HubOptions(
        node=settings.node,
        limits=settings.limits,
        writers=settings.writers,
        idle_grace=settings.idle_grace,
        drain_grace=settings.drain_grace,
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listener.close)
        generation = secrets.token_urlsafe(9)
        bus = await stack.enter_async_context(_bus(settings, generation, lambda: hub.bus_restored()))  # noqa: PLW0108 - the hub comes next
        hub = Hub(options, store, bus, secret_of(settings), generation=generation, observer=observer)
        await stack.enter_async_context(hub)
        app = application(hub, guests=guests)
        grace = settings.drain_grace + 2.0
        serving = await stack.enter_async_context(serve(app, listener, drain=hub.drain, grace=grace))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        yield Node(hub, serving, f"http://{host}:{serving.port}")


def _bus(
    settings: Settings, generation: str, on_restored: Callable[[], None]
) -> contextlib.AbstractAsyncContextManager[Bus]:
    if settings.redis_url is None:
        return Medium().bus(settings.node, generation)
    return RedisBus(settings.redis_url, settings.node, generation, on_restored=on_restored)


def secret_of(settings: Settings) -> str:
    """The secret for tokens. Raises Misconfigured when there is none or it is too short."""
    secret = None if settings.secret is None else settings.secret.get_secret_value()
    if secret is None or len(secret) < SECRET_CHARACTERS:
        raise Misconfigured(f"set SCENEHUB_SECRET to at least {SECRET_CHARACTERS} random characters")
    return secret


def kept_secret(directory: Path) -> str:
    """The secret of `dev`: made once, kept in a file that only its owner can read."""
    path = directory / "secret"
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().strip()
    made = secrets.token_urlsafe(48)
    path.touch(mode=0o600)
    path.write_text(made + "\n")
    return made


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" and all(
            ipaddress.ip_address(row[4][0]).is_loopback for row in socket.getaddrinfo(host, None)
        )


def configure_log(level: str, *, plain: bool = True) -> None:
    """structlog and the standard library's log, one line an event, on standard error."""
    number = getattr(logging, level.upper())
    logging.basicConfig(level=number, format="%(levelname)s %(name)s: %(message)s")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(number),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer() if plain else structlog.dev.ConsoleRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(),
    )
