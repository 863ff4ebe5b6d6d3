"""The transcript of a run: the last things that happened, kept unformatted until somebody wants to read them."""

from __future__ import annotations

from collections import deque
from typing import Any

from pydantic import BaseModel

KEPT = 600


class Transcript:
    """A ring of lines; `said` at which time, by whom, what."""

    def __init__(self, kept: int | None = KEPT) -> None:
        self._lines: deque[tuple[float, str, str, tuple[Any, ...]]] = deque(maxlen=kept)

    def say(self, now: float, who: str, what: str, *more: Any) -> None:
        """Note a line; `more` is formatted when it is read."""
        self._lines.append((now, who, what, more))

    def read(self, most: int | None = None) -> list[str]:
        """The last lines."""
        lines = list(self._lines)
        return [_line(*line) for line in (lines if most is None else lines[-most:])]


def _line(now: float, who: str, what: str, more: tuple[Any, ...]) -> str:
    return f"{now:9.3f}  {who:<8} {what} {' '.join(_short(thing) for thing in more)}".rstrip()


def _short(thing: Any) -> str:
    if isinstance(thing, BaseModel):
        words = str(thing.model_dump(mode="json", exclude_defaults=True))
        name = getattr(thing, "t", type(thing).__name__)
        return f"{name} {words}"[:700]
    return str(thing)[:700]
