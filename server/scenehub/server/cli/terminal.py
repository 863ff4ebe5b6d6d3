"""The terminal: where commands write, and how what goes wrong is said in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

out = Console(highlight=False, soft_wrap=True)
"""Standard output: what a command was asked for."""
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""Standard error: notices, progress, and what went wrong."""


class Failed(Exception):
    """A command cannot do what it was asked for; the words name the culprit and the remedy."""


def fail(words: str) -> None:
    """Say why a command failed."""
    err.print(f"[bold red]✗[/] {escaped(words)}")


def notice(words: str) -> None:
    """Say something that the reader should know and that does not stop the command."""
    err.print(f"[yellow]![/] {escaped(words)}")


def escaped(words: str) -> str:
    """Words in which rich finds no markup."""
    return words.replace("[", r"\[")


def is_terminal() -> bool:
    """Whether somebody looks at standard output."""
    return out.is_terminal and sys.stdout.isatty()


def counted(number: int, thing: str) -> str:
    """`1 scene`, `2 scenes`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def joined(error: ValidationError) -> str:
    """A validation error of pydantic as one line: each place with what is wrong there."""
    told = [f"{'.'.join(map(str, row['loc']))}: {plain(row['msg'])}" for row in error.errors(include_url=False)]
    return "; ".join(told)


def plain(words: str) -> str:
    """What pydantic says, without its preface."""
    return words.removeprefix("Value error, ")


@contextmanager
def progress(title: str, total: int) -> Iterator[Progress]:
    """A bar on standard error while something goes on; nothing when nobody looks. Advance task 0."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        bar.add_task(title, total=total)
        yield bar
