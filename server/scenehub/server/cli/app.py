"""The command `scenehub`: its words, and how it ends: 0 done, 1 failed (said in one sentence), 2 not understood."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from scenehub.client import ClientError

from . import admin, editing, moving, watching
from .terminal import Failed, fail, out

app = typer.Typer(
    name="scenehub",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_debug = False


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            out.print(f"scenehub {version('scenehub')}")
        except PackageNotFoundError:
            out.print("scenehub (not installed)")
        raise typer.Exit


@app.callback()
def scenehub(
    debug: Annotated[bool, typer.Option("--debug", envvar="SCENEHUB_DEBUG", help="Show where it failed.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which release this is.")
    ] = False,
) -> None:
    """Many people, scripts and an AI on one project at once: run a hub, watch a project live, edit it.

    Start here: `scenehub dev`, then `scenehub watch launch-video` in a second terminal.
    """
    global _debug  # noqa: PLW0603 - one process is one command
    _debug = debug


@app.command(rich_help_panel="Run")
def dev(
    host: Annotated[str | None, typer.Option(help="The address to listen on: of this machine only.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port (8787); 0 takes any free one.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where everything is kept.", show_default=False)] = None,
    sample: Annotated[bool, typer.Option(help="Make the project launch-video on the first start.")] = True,
    open_page: Annotated[bool, typer.Option("--open", help="Open the browser there.")] = False,
) -> None:
    """Run a hub on this machine, with its own database, its own bus and a sample project.

    Nothing else is needed. Guests may edit, so it listens on 127.0.0.1 only. With SCENEHUB_DATABASE_URL or
    SCENEHUB_REDIS_URL it uses those servers instead of its own.

    Examples:

      scenehub dev

      scenehub dev --port 8800 --data /tmp/try
    """
    from .dev import DevOptions
    from .dev import dev as run_dev
    from .running import live, settings_from

    settings = settings_from(host=host, port=port, data=data)
    live(lambda life: run_dev(settings, DevOptions(sample=sample, open_page=open_page), life))


app.command(rich_help_panel="Run")(admin.serve)
app.command(rich_help_panel="Run")(admin.migrate)
app.command(rich_help_panel="Run")(admin.token)
app.command(rich_help_panel="Work")(watching.watch)
app.add_typer(editing.app, name="edit", rich_help_panel="Work")
app.command(rich_help_panel="Work")(admin.projects)
app.command("import", rich_help_panel="Work")(moving.import_)
app.command(rich_help_panel="Work")(moving.export)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if _debug:
            raise
        fail(words_of(error))
        sys.exit(1)


def words_of(error: BaseException) -> str:
    """What went wrong, in one sentence; a surprise is called one."""
    from scenehub.server.app import Misconfigured
    from scenehub.server.dev.unavailable import PartUnavailable
    from scenehub.server.store.port import StoreAway
    from scenehub.server.store.postgres import MigrationRefused

    expected = (Failed, ClientError, Misconfigured, PartUnavailable, MigrationRefused)
    if isinstance(error, BaseExceptionGroup):
        unexpected = error.split((*expected, StoreAway))[1]
        return words_of((unexpected or error).exceptions[0])
    if isinstance(error, StoreAway):
        return "the database cannot be reached: look whether it runs, and try again"
    if isinstance(error, expected):
        return str(error)
    return f"this should not happen: {type(error).__name__}: {error} (`scenehub --debug …` shows where)"


if __name__ == "__main__":
    main()
