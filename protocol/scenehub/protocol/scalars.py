"""The scalar rules of the wire: what an id, a text, a number and a free value may be.

They are the part of the protocol that every language must agree on to the bit, so they stand in one place. Integers
stay within what a JavaScript number holds exactly; text has no U+0000 (Postgres cannot store it) and no lone
surrogates (UTF-8 cannot carry them); free values are JSON with string keys.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

MAX_INT = 2**53 - 1
"""The largest integer on the wire, in either direction: ECMAScript's Number.MAX_SAFE_INTEGER."""

MAX_DEPTH = 32
"""How deep maps and lists may nest in a free value."""

FORBIDDEN_KEY = "__proto__"
"""A key that would reach an object's prototype in a careless JavaScript client."""

MAX_KEY_CHARACTERS = 64
MAX_POSITION_CHARACTERS = 200
MAX_NAME_CHARACTERS = 200
MAX_CODE_CHARACTERS = 256 * 1024
MAX_MESSAGE_CHARACTERS = 32 * 1024

type_error_words = "expected text, a number, true, false, null, a list or a map with text keys"


def checked_value(value: Any) -> Any:
    """Return `value` with integral floats made integers; raise ValueError if it is not a legal free value."""
    kind = type(value)
    if kind is str:
        return _checked_text(value)
    if kind is int or kind is float:
        return _checked_number(value)
    if value is None or kind is bool:
        return value
    return _checked_container(value, 1)


def _checked_text(text: str) -> str:
    if "\x00" in text:
        raise ValueError("text may not hold U+0000")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("text may not hold lone surrogates") from None
    return text


def _checked_number(number: float) -> int | float:
    if type(number) is float:
        if not isfinite(number):
            raise ValueError("a number must be finite")
        if not number.is_integer() or abs(number) > MAX_INT:
            return number
        return int(number)
    if abs(number) > MAX_INT:
        raise ValueError(f"an integer must lie within ±{MAX_INT}")
    return number


def _checked_container(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError(f"a value may nest {MAX_DEPTH} deep at most")
    if isinstance(value, dict):
        return {_checked_key(key): _checked_member(member, depth) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_checked_member(member, depth) for member in value]
    raise ValueError(type_error_words)


def _checked_member(value: Any, depth: int) -> Any:
    return _checked_container(value, depth + 1) if isinstance(value, dict | list | tuple) else checked_value(value)


def _checked_key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError("a map's keys must be text")
    if key == FORBIDDEN_KEY:
        raise ValueError(f"a map may not have the key {FORBIDDEN_KEY}")
    return _checked_text(key)


def _checked_property_key(key: str) -> str:
    if key == FORBIDDEN_KEY:
        raise ValueError(f"a property may not be called {FORBIDDEN_KEY}")
    return key


def _unix_line_ends(code: str) -> str:
    if "\r" in code:
        raise ValueError("code must have \\n line ends: it holds a carriage return")
    return code


def _integral(value: Any) -> Any:
    """Take 30.0 for 30 (JavaScript does not tell them apart), and nothing else that is not an integer."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value


class Integral:
    """Integers within bounds. What is an int already is judged without a call of Python: 0.1 µs, not 0.5."""

    def __init__(self, least: int, most: int = MAX_INT) -> None:
        self._least, self._most = least, most

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        strict = core_schema.int_schema(strict=True, ge=self._least, le=self._most)
        # A label with a dot is left out of the path in an error's words (`codec.refusal_of`).
        floats = core_schema.no_info_before_validator_function(_integral, strict)
        return core_schema.union_schema([(strict, "int."), (floats, "float.")], mode="left_to_right")


_NO_NUL = r"^[^\x00]*$"

Id = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""An id made by a client: unique in the installation, 1–64 characters of [A-Za-z0-9_-]."""

Seq = Annotated[int, Integral(0)]
"""A place in a project's order of edits; 0 is before the first."""

Counter = Annotated[int, Integral(1)]
"""The number of an edit within its client, contiguous from 1."""

Integer = Annotated[int, Integral(-MAX_INT)]
Frames = Annotated[int, Integral(0, 10_000_000)]
"""A length of time or a point in time, in frames of the project."""

Milliseconds = Annotated[int, Integral(0)]
Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=MAX_NAME_CHARACTERS, pattern=_NO_NUL)]
Text = Annotated[str, StringConstraints(strict=True, max_length=MAX_MESSAGE_CHARACTERS, pattern=_NO_NUL)]
Code = Annotated[
    str,
    StringConstraints(strict=True, max_length=MAX_CODE_CHARACTERS, pattern=_NO_NUL),
    AfterValidator(_unix_line_ends),
]
Position = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9A-Za-z]{1,200}$")]
"""A fractional key (base 62), compared as bytes."""

Colour = Annotated[str, StringConstraints(strict=True, pattern=r"^#[0-9a-fA-F]{6}$")]
Key = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=MAX_KEY_CHARACTERS, pattern=r"^[^\x00.]+$"),
    AfterValidator(_checked_property_key),
]
"""The name of a top-level property; no dot, so that `props.<key>` names one field."""

Value = Annotated[Any, AfterValidator(checked_value)]
"""A free JSON value."""

Props = dict[Key, Value]
