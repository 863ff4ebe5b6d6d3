"""Error words: every reason for which the hub refuses something, listed once.

An error has a code (a word that programs compare), words (for people: what is wrong and what to do) and, where there is
one, the culprit (a path such as `ops.0.set.duration`). Nothing internal is ever put into the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """Why an edit was rejected, a frame refused or a session ended."""

    # The frame itself.
    MALFORMED = "malformed"
    UNKNOWN_FRAME = "unknown_frame"
    UNEXPECTED_FRAME = "unexpected_frame"
    RATE_LIMITED = "rate_limited"
    # The edit, before anything is read.
    INVALID = "invalid"
    UNKNOWN_OP = "unknown_op"
    TOO_LARGE = "too_large"
    FORBIDDEN = "forbidden"
    READ_ONLY = "read_only"
    # The edit, against the project.
    STALE = "stale"
    SCENE_DELETED = "scene_deleted"
    NOT_FOUND = "not_found"
    ID_TAKEN = "id_taken"
    QUOTA = "quota"
    # The client and its counter (E1).
    CLIENT_ID_TAKEN = "client_id_taken"
    COUNTER_GAP = "counter_gap"
    TOO_MANY_IN_FLIGHT = "too_many_in_flight"
    # The session.
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_EXPIRED = "token_expired"
    PROJECT_NOT_FOUND = "project_not_found"
    UNSUPPORTED_VERSION = "unsupported_version"
    # The hub.
    STORE_AWAY = "store_away"
    STOPPING = "stopping"
    INTERNAL = "internal"


RETRYABLE = frozenset(
    {
        ErrorCode.COUNTER_GAP,
        ErrorCode.TOO_MANY_IN_FLIGHT,
        ErrorCode.RATE_LIMITED,
        ErrorCode.STORE_AWAY,
        ErrorCode.READ_ONLY,
    }
)
"""Codes after which the same edit may be sent again under its id: the hub has not taken it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decision against something: what every error frame and reject is made from."""

    code: ErrorCode
    words: str
    culprit: str | None = None
    current: tuple[tuple[str, str, str, object, int], ...] = ()
    """For `stale`: the fields in question as (kind, id, field, value, seq)."""


class ProtocolError(Exception):
    """Somebody sent what the protocol does not allow; carries the refusal that goes back to them."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.words)
        self.refusal = refusal
