"""Tokens: a fixed one or a source of fresh ones; and guest tokens from a development hub."""

from __future__ import annotations

import asyncio
import inspect
import json
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from scenehub.protocol.replica import Replica

from .address import address, http_url
from .errors import ClientError

Token = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A token, or a function that gives a fresh one: it is asked at every connect and before the token expires."""

REFRESH_AT = 0.8
"""Which part of a token's time is used before the next one is fetched."""

RETRY = 1.0
"""Seconds between two tries to bring a newer token."""


@dataclass(slots=True)
class TokenLife:
    """When the token in use was fetched, and when the next one is wanted (M4); times in seconds."""

    fetched: float = 0.0
    not_before: float = 0.0

    def renewed(self, now: float) -> None:
        """A newer token was fetched, or there was none to be had: not again for a moment."""
        self.fetched = now
        self.not_before = now + RETRY

    def left(self, replica: Replica, lasts: float | None, now: float) -> float | None:
        """Seconds until a newer token is wanted, None for never; `lasts` is how long one lasts."""
        if not replica.connected:
            return None
        if replica.read_only:
            return max(0.0, self.not_before - now)
        if lasts is None:
            return None
        return max(0.0, self.fetched + REFRESH_AT * lasts - now, self.not_before - now)


SLOWEST_GUEST = 10.0
"""Seconds that the hub has to hand out a guest token."""


async def fresh(token: Token) -> str:
    """A token to use now; a synchronous source runs in a thread, so it may block."""
    if isinstance(token, str):
        return token
    if inspect.iscoroutinefunction(token):
        given = await token()
    else:
        given = await asyncio.to_thread(token)
        if inspect.isawaitable(given):
            given = await given
    return _checked(given)


def fresh_sync(token: Token) -> str:
    """A token to use now, for the synchronous client. Raises TypeError for an asynchronous source."""
    if isinstance(token, str):
        return token
    if inspect.iscoroutinefunction(token):
        raise TypeError("connect_sync() needs a token or a plain function that returns one, not an async function")
    return _checked(token())


def _checked(given: object) -> str:
    if not isinstance(given, str) or not given:
        raise TypeError(f"the function for tokens gave {type(given).__name__}, expected a text that is not empty")
    return given


def user_of(token: str) -> str | None:
    """The user whom a JWT is about, unverified: good for naming a file and for nothing else."""
    try:
        body = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        subject = claims["sub"]
    except (IndexError, ValueError, KeyError, TypeError):
        return None
    return subject if isinstance(subject, str) else None


def guest_token(url: str, name: str | None = None) -> str:
    """Ask a development hub (`scenehub dev`) for the token of a new guest. Blocks; raises ClientError."""
    endpoint = http_url(url, "/v1/dev/token")
    body = json.dumps({} if name is None else {"name": name}).encode()
    request = Request(endpoint, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310 - http_url checks
    opener = build_opener(ProxyHandler({})) if _is_local(url) else build_opener()
    try:
        with opener.open(request, timeout=SLOWEST_GUEST) as answer:
            token = json.load(answer)["token"]
    except HTTPError as error:
        with error:
            words = "only `scenehub dev` on a private address gives guest tokens"
        raise ClientError(f"{endpoint} answered {error.code}: {words}") from None
    except (URLError, TimeoutError, OSError) as error:
        raise ClientError(f"{endpoint} was not reached ({error}): is `scenehub dev` running there?") from None
    except (ValueError, KeyError, TypeError):
        raise ClientError(f"{endpoint} gave no token: is it a hub?") from None
    return _checked(token)


def _is_local(url: str) -> bool:
    return address(http_url(url, ""), "any").is_local
