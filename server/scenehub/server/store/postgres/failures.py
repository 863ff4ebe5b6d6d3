"""What a database error means: whose fault it is, and whether anything can have been stored."""

from __future__ import annotations

from enum import Enum

import asyncpg

CONNECT_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What an attempt to connect may raise."""

WIRE_ERRORS = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a statement may raise when the connection broke under it."""


class Cause(Enum):
    """What lies behind an error of a statement."""

    DATA = "data"
    """What was to be stored is refused, and would be again: nothing stored."""
    SERVER = "server"
    """The server cannot do it now: nothing stored."""
    WIRE = "wire"
    """The connection broke before the answer: stored or not."""
    STRANGE = "strange"
    """The server failed in a way that may hang on these rows or not: nothing stored."""


# Classes of SQLSTATE, its first two characters; whole states where a class is mixed.
_DATA = frozenset({"21", "22", "23", "44", "54", "P0"})
_SERVER = frozenset({"25", "28", "3D", "40", "42", "53", "55", "57", "58"})
_WIRE = frozenset({"08"})


def cause_of(error: BaseException) -> Cause:
    """The cause of an error that a statement raised after it may have been sent."""
    if isinstance(error, asyncpg.PostgresError):
        kind = (error.sqlstate or "")[:2]
        if kind in _WIRE:
            return Cause.WIRE
        if kind in _DATA:
            return Cause.DATA
        return Cause.SERVER if kind in _SERVER else Cause.STRANGE
    if isinstance(error, ValueError):  # asyncpg's own DataError too: an argument that cannot be sent
        return Cause.DATA
    return Cause.WIRE


def is_worth_a_retry(error: BaseException) -> bool:
    """Whether the same statement may well succeed at once: a deadlock or a serialisation failure."""
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "").startswith("40")


def is_of_another_server(error: BaseException) -> bool:
    """Whether a new connection may lead to a server that can: this one is read-only or going away."""
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:3] in ("250", "57P")
