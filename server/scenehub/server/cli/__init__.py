"""The command `scenehub`: says what is missing in a light install, else hands over to the terminal application."""

from __future__ import annotations

import importlib.util
import sys

WANTED = ("typer", "rich", "pydantic_settings", "starlette", "uvicorn", "asyncpg", "redis")


def main() -> None:
    """Run the command line; exit with 2 and one sentence when only the light client is installed."""
    if any(importlib.util.find_spec(name) is None for name in WANTED):
        sys.stderr.write('This command needs the server part of Scenehub: pip install "scenehub[server]"\n')
        raise SystemExit(2)
    from scenehub.server.cli.app import main as run_the_command

    run_the_command()


__all__ = ["main"]
