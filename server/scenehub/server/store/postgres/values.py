"""JSON on its way into and out of `jsonb`."""

from __future__ import annotations

import json
from typing import Any

from scenehub.protocol.scalars import MAX_INT

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dumped(value: Any) -> str:
    """A value as JSON. Raises ValueError for what JSON cannot say."""
    return _encoder.encode(value)


def _number(digits: str) -> int | float:
    """Postgres keeps numbers exactly and writes 1e300 as 301 digits: beyond what is an integer here, it was a float."""
    number = int(digits)
    return number if -MAX_INT <= number <= MAX_INT else float(digits)


def loaded(text: str | None) -> Any:
    """The value that JSON from Postgres says; None for NULL."""
    return None if text is None else json.loads(text, parse_int=_number)
