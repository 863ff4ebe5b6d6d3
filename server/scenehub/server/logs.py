"""Logs: structlog and the standard library's log as one stream: JSON lines for machines, or short lines for people."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

Show = Callable[[str, str], None]
"""Takes a level (`warning`, `error` …) and a line for people."""

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
]


def configure_log(level: str, *, show: Show | None = None) -> None:
    """JSON lines on standard error; with `show`, each line goes there instead, short enough for a terminal."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(number),
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler() if show is None else _Shown(show)
    last: Any = structlog.processors.JSONRenderer() if show is None else _short
    processors = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
    if show is None:
        processors.insert(0, structlog.processors.format_exc_info)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=processors, foreign_pre_chain=_SHARED))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)


class _Shown(logging.Handler):
    """Hands formatted lines to a terminal's owner."""

    def __init__(self, show: Show) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one line on."""
        try:
            self._show(record.levelname.lower(), self.format(record))
        except Exception:  # noqa: BLE001 - a log may never be the reason why the hub fails
            self.handleError(record)


def _short(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """`words key=value …`, and of an exception its last line."""
    words = str(event.pop("event", ""))
    error = event.pop("exc_info", None)
    left_out = {"level", "timestamp", "node", "logger"}
    told = [f"{key}={value}" for key, value in event.items() if key not in left_out]
    if isinstance(error, tuple) and error[1] is not None:
        told.append(f"{type(error[1]).__name__}: {error[1]}")
    elif isinstance(error, BaseException):
        told.append(f"{type(error).__name__}: {error}")
    return " ".join([words, *told])
