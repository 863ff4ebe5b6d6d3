"""WebSocket close codes. Their range answers the one question a client has: may I come back?

4000-4099 no; 4100-4199 after a new token; 4200-4299 later, with backoff; 4300-4399 drop your state and resync.
The idea of ranges is Centrifugo's.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto

NORMAL = 1000
GOING_AWAY = 1001
SERVICE_RESTART = 1012


class Close(IntEnum):
    """Why the hub ends a session."""

    SUPERSEDED = 4000
    FORBIDDEN = 4001
    PROJECT_NOT_FOUND = 4002
    UNSUPPORTED_VERSION = 4003
    PROTOCOL_VIOLATION = 4004
    REMOVED = 4005

    TOKEN_EXPIRED = 4100
    TOKEN_INVALID = 4101

    STOPPING = 4200
    STORE_AWAY = 4201
    TOO_SLOW = 4202
    RATE_LIMITED = 4203
    SILENT = 4204
    INTERNAL = 4205
    FULL = 4206
    HELLO_TIMEOUT = 4207

    HISTORY_REPLACED = 4300
    CLIENT_ID_TAKEN = 4301
    DIVERGED = 4302


class ComeBack(Enum):
    """What a client does after a close."""

    NO = auto()
    WITH_NEW_TOKEN = auto()
    LATER = auto()
    AFRESH = auto()


def come_back(code: int | None) -> ComeBack:
    """Read a close code; None and every code outside the ranges (a cut line, 1001, 1012) mean later."""
    match (code or 0) // 100:
        case 40:
            return ComeBack.NO
        case 41:
            return ComeBack.WITH_NEW_TOKEN
        case 43:
            return ComeBack.AFRESH
        case _:
            return ComeBack.LATER
