"""`scenehub serve`, `migrate`, `token`, `projects`: what an operator needs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import asyncpg
import typer
from rich.table import Table

from scenehub.protocol.edits import Role
from scenehub.server.app import Misconfigured, configure_log, node, opened_store, secret_of
from scenehub.server.hub.access import Access
from scenehub.server.settings import Settings
from scenehub.server.store.postgres import migrate as apply_migrations
from scenehub.server.transport.server import listening_socket

from .connecting import DEFAULT_URL, TokenOption, UrlOption, Way, words_of
from .running import Life, cannot_listen, live, settings_from
from .terminal import Failed, counted, err, out

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
DAY = 24 * 3600


async def serve_node(settings: Settings, life: Life, *, memory: bool, create: list[str]) -> None:
    """Run one node until told to stop. Raises Failed, Misconfigured, MigrationRefused."""
    import structlog

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
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _database_away(settings, error) from None
        for project in create:
            await store.create(project, name=project, fps=30, width=1920, height=1080)
        running = await stack.enter_async_context(node(settings, store, listener=listener))
        bus = "none (a single node)" if settings.redis_url is None else "redis"
        log.info("listening", url=running.url, node=settings.node, store="memory" if memory else "postgres", bus=bus)
        await life.until_stopped()
        log.info("stopping")
    log.info("stopped")


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on. [SCENEHUB_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes any free one. [SCENEHUB_PORT]")] = None,
    store: Annotated[str, typer.Option(hidden=True, help="postgres, or memory for measuring.")] = "postgres",
    create: Annotated[list[str] | None, typer.Option(help="A project to make if it is not there; repeatable.")] = None,
) -> None:
    """Run a node of a hub in production.

    It is told by the environment: SCENEHUB_DATABASE_URL (Postgres 15 or newer) and SCENEHUB_SECRET (at least 32 random
    characters, what tokens are signed with); with SCENEHUB_REDIS_URL several nodes share presence and unsaved edits.
    Its log is JSON, a line an event, on standard error. SIGTERM has it save what it holds and send everybody to
    another node.

    Example, two nodes on one machine:

      scenehub serve --port 8787

      scenehub serve --port 8788
    """
    if store not in ("postgres", "memory"):
        raise typer.BadParameter("postgres or memory", param_hint="--store")
    for id in create or []:
        if not ID.fullmatch(id):
            raise typer.BadParameter(f"{id!r} is no id: 1–64 characters of A–Z a–z 0–9 _ -", param_hint="--create")
    settings = settings_from(host=host, port=port)
    live(lambda life: serve_node(settings, life, memory=store == "memory", create=create or []))


def migrate() -> None:
    """Bring the database up to date, and list what was applied.

    The database is named by SCENEHUB_DATABASE_URL. Safe under running nodes of the release before.

    Example:

      SCENEHUB_DATABASE_URL=postgresql://user@host/scenehub scenehub migrate
    """
    settings = settings_from()
    if settings.database_url is None:
        raise Misconfigured("set SCENEHUB_DATABASE_URL to a Postgres database (`scenehub dev` migrates its own)")
    try:
        applied = asyncio.run(apply_migrations(settings.database_url))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _database_away(settings, error) from None
    for name in applied:
        out.print(f"[green]●[/] {name}")
    out.print(f"{counted(len(applied), 'migration')} applied" if applied else "up to date: nothing to apply")


def token(
    user: Annotated[str, typer.Option(help="The user's id, 1–64 characters of A–Z a–z 0–9 _ -.")],
    name: Annotated[str | None, typer.Option(help="The name that others see; without it the id.")] = None,
    role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.EDITOR,
    project: Annotated[str | None, typer.Option(help="Let the token be good for this project only.")] = None,
    days: Annotated[float, typer.Option(min=0.0001, max=3650, help="How long it is good.")] = 30,
    colour: Annotated[str | None, typer.Option(help="The user's colour, as #rrggbb.")] = None,
    data: Annotated[Path | None, typer.Option(help="The data folder of a `dev` hub, for its secret.")] = None,
) -> None:
    """Print a token for a user.

    It is signed with SCENEHUB_SECRET; where that is not set, with the secret of the `dev` hub on this machine.

    Example:

      scenehub token --user ada --name Ada --role editor --days 7
    """
    for what, id in (("--user", user), ("--project", project)):
        if id is not None and not ID.fullmatch(id):
            raise typer.BadParameter(f"{id!r} is no id: 1–64 characters of A–Z a–z 0–9 _ -", param_hint=what)
    if colour is not None and not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        raise typer.BadParameter("a colour is #rrggbb, such as #ff7a66", param_hint="--colour")
    if name is not None and not 1 <= len(name) <= 200:
        raise typer.BadParameter("a name has 1–200 characters", param_hint="--name")
    settings = settings_from(data=data)
    access = Access(_secret(settings), now=lambda: 0.0)
    made = access.token(
        user, name=name or user, role=role, colour=colour, project=project, seconds=max(1, int(days * DAY))
    )
    out.print(made, markup=False)


def _secret(settings: Settings) -> str:
    if settings.secret is not None:
        return secret_of(settings)
    try:
        return (settings.data / "secret").read_text().strip()
    except OSError:
        raise Misconfigured(
            f"no secret to sign with: set SCENEHUB_SECRET to that of your hub, or start `scenehub dev` once "
            f"(there is none in {settings.data})"
        ) from None


def projects(
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
) -> None:
    """List the projects of a hub, the latest changed first."""
    status, answer = Way(url, token).ask("GET", "/v1/projects")
    if status != 200:
        raise Failed(f"the hub does not list its projects: {words_of(status, answer)}")
    rows = answer["projects"]
    if not rows:
        err.print("No project yet: make one with `scenehub import DIR`.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("id", "name"):
        table.add_column(title, overflow="fold")
    for title in ("scenes", "seq", "picture"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        picture = f"{row['width']}×{row['height']} · {row['fps']} fps"
        table.add_row(row["id"], row["name"], str(row["scenes"]), str(row["seq"]), picture)
    out.print(table, soft_wrap=False)


def _database_away(settings: Settings, error: Exception) -> Failed:
    parts = urlsplit(settings.database_url or "")
    where = f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"
    why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    why = why.strip().splitlines()[0] if why.strip() else type(error).__name__
    return Failed(f"the database {where} cannot be used ({why}): look at SCENEHUB_DATABASE_URL, and whether it runs")
