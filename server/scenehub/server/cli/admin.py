"""`scenehub serve`, `migrate`, `token`, `projects`: what an operator needs.

What a hub is made of is imported when it is wanted: the commands that only talk to one start twice as fast.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from scenehub.protocol.edits import Role

if TYPE_CHECKING:
    from scenehub.server.settings import Settings

from .connecting import DEFAULT_URL, TokenOption, UrlOption, Way, words_of
from .terminal import Failed, counted, err, out

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
DAY = 24 * 3600


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
    from .running import live, settings_from
    from .serving import serve_node

    settings = settings_from(host=host, port=port)
    live(lambda life: serve_node(settings, life, memory=store == "memory", create=create or []))


def migrate() -> None:
    """Bring the database up to date, and list what was applied.

    The database is named by SCENEHUB_DATABASE_URL. Safe under running nodes of the release before.

    Example:

      SCENEHUB_DATABASE_URL=postgresql://user@host/scenehub scenehub migrate
    """
    from .running import settings_from
    from .serving import migrated

    applied = asyncio.run(migrated(settings_from()))
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
    from scenehub.server.hub.access import Access

    from .running import settings_from

    access = Access(_secret(settings_from(data=data)), now=lambda: 0.0)
    made = access.token(
        user, name=name or user, role=role, colour=colour, project=project, seconds=max(1, int(days * DAY))
    )
    out.print(made, markup=False)


def _secret(settings: Settings) -> str:
    from scenehub.server.app import Misconfigured, secret_of

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
