"""The composition root: makes a running node out of settings. The only place that knows which adapter serves a port."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
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
from scenehub.server.dev.part import Part
from scenehub.server.dev.unavailable import PartUnavailable
from scenehub.server.http import application
from scenehub.server.hub import Hub, HubOptions, Observer
from scenehub.server.logs import configure_log
from scenehub.server.settings import Settings
from scenehub.server.store.memory import MemoryStore
from scenehub.server.store.port import Store
from scenehub.server.store.postgres import migrate, open_store
from scenehub.server.transport.server import Serving, listening_socket, serve

SECRET_CHARACTERS = 32
RESTART_AFTER = 1.0
"""Seconds between two tries to bring back an embedded part that ended."""

__all__ = [
    "Misconfigured",
    "Node",
    "configure_log",
    "embedded",
    "is_loopback",
    "kept_secret",
    "node",
    "open_directory",
    "opened_store",
    "refuse_guests_in_public",
    "secret_of",
]


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
    """Start a twin for each part that has no URL, bring it back when it ends, and give the settings that name them.

    Raises PartUnavailable.
    """
    async with contextlib.AsyncExitStack() as stack:
        given: dict[str, str] = {}
        parts: list[Part] = []
        if settings.database_url is None:
            parts.append(await stack.enter_async_context(postgres(settings.data / "postgres")))
            given["database_url"] = parts[-1].url
        if settings.redis_url is None:
            parts.append(await stack.enter_async_context(valkey(settings.data / "valkey")))
            given["redis_url"] = parts[-1].url
        keepers = [asyncio.create_task(_kept_running(part), name=f"keep-{part.log_name}") for part in parts]
        try:
            yield settings.model_copy(update=given)
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)


async def _kept_running(part: Part) -> None:
    """Start a part again whenever it ends, until cancelled."""
    log = structlog.get_logger("scenehub.dev")
    while True:
        status = await part.ended()
        name = part.log_name.removesuffix(".log")
        log.warning("an embedded part ended and is started again", part=name, status=status)
        await part.stop()
        try:
            await part.start()
        except PartUnavailable as unavailable:
            log.error(str(unavailable))
            await asyncio.sleep(RESTART_AFTER)
        else:
            log.warning("the part is back", part=name)


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
    settings: Settings,
    store: Store,
    *,
    guests: bool = False,
    observer: Observer | None = None,
    listener: socket.socket | None = None,
) -> AsyncIterator[Node]:
    """Run a node on a store until the context is left; it drains then (N5).

    `listener` is a socket that was bound before. Raises OSError if the port is taken, Misconfigured.
    """
    if guests:
        refuse_guests_in_public(settings.host)
    listener = listener or listening_socket(settings.host, settings.port)
    options = HubOptions(
        node=settings.node,
        limits=settings.limits,
        writers=settings.writers,
        idle_grace=settings.idle_grace,
        drain_grace=settings.drain_grace,
        linked=settings.redis_url is not None,
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


def refuse_guests_in_public(host: str) -> None:
    """Raises Misconfigured for an address that others can reach: `dev` lets everybody in."""
    if not is_loopback(host):
        raise Misconfigured(
            f"{host} can be reached by others, and `scenehub dev` lets everybody in as a guest: leave --host out "
            "(127.0.0.1), or use `scenehub serve`, which wants tokens"
        )


def open_directory(directory: Path) -> Path:
    """Make the data directory; root's can be entered by the user as whom the database runs. Raises OSError."""
    directory = directory.expanduser().absolute()
    for folder in reversed((directory, *directory.parents)):
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755 if os.geteuid() == 0 else 0o700)
    return directory


def kept_secret(directory: Path) -> str:
    """The secret of `dev`: made once, kept in a file that only its owner can read. Raises OSError."""
    path = open_directory(directory) / "secret"
    with contextlib.suppress(FileNotFoundError):
        kept = path.read_text().strip()
        if len(kept) >= SECRET_CHARACTERS:
            return kept
    made = secrets.token_urlsafe(48)
    half = path.with_name("secret.half")
    half.unlink(missing_ok=True)
    half.touch(mode=0o600)
    half.write_text(made + "\n")
    half.rename(path)  # whole or not at all: half a secret would be kept for ever
    return made


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        return all(ipaddress.ip_address(row[4][0]).is_loopback for row in socket.getaddrinfo(host, None))
    except OSError:
        return False
