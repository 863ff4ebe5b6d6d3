"""Where a Redis is: the forms of URL that the bus takes, and the way from one to a connection.

- ``redis://[user:password@]host:port``, ``rediss://…`` (TLS), ``unix:///path``, with redis-py's options (``?ssl_…``)
- ``redis+sentinel://[user:password@]host:port,host:port/master``; the Sentinels' own credentials are
  ``?sentinel_username=…&sentinel_password=…``
- ``redis+cluster://[user:password@]host:port,host:port``: any node that answers. The cluster passes what is published
  on to all its nodes, so this is correct, but does not spread the load as sharded channels would.

``rediss+…`` is the same over TLS.
"""

from __future__ import annotations

import asyncio
import random
import re
import ssl
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError

__all__ = ["Address"]

ProtocolT = TypeVar("ProtocolT", bound=asyncio.Protocol)

_FORMS = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
_SENTINEL_OPTIONS = {"sentinel_username": "username", "sentinel_password": "password"}
_PATIENCE = 0.5  # seconds for one of several servers to answer before the next is asked


class Address:
    """One Redis by its URL. Raises ValueError for a URL that means none; its words hold no password."""

    def __init__(self, url: str) -> None:
        self._parts = _split(url)
        self._hosts = [_host(word) for word in self._parts.netloc.rpartition("@")[2].split(",")]
        self._secure, _, self._kind = self._parts.scheme.partition("+")
        self._master = self._parts.path.strip("/") if self._kind == "sentinel" else ""
        if self._kind == "sentinel" and not self._master:
            raise ValueError("the URL names no master: redis+sentinel://HOST:PORT,HOST:PORT/MASTER")
        # What redis-py makes of the URL, never connected: it knows what each option means.
        self._template: Any = _template(self._plain())

    def __str__(self) -> str:
        """For logs: without credentials and options."""
        hosts = ",".join(f"{_bracketed(host)}:{port}" for host, port in self._hosts)
        place = self._parts.path if self._kind != "cluster" else ""
        return f"{self._parts.scheme}://{hosts if self._secure != 'unix' else ''}{place}"

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password."""
        password = self._template.password
        return (self._template.username or "default", password) if password else None

    async def connect(self, make: Callable[[], ProtocolT]) -> ProtocolT:
        """A connection that was just opened, nothing said yet. Raises OSError, TimeoutError or RedisError."""
        loop = asyncio.get_running_loop()
        if self._secure == "unix":
            return (await loop.create_unix_connection(make, self._template.path))[1]
        servers = await self._servers()
        for host, port in servers[:-1]:
            try:
                async with asyncio.timeout(_PATIENCE):
                    return (await loop.create_connection(make, host, port, ssl=self._tls()))[1]
            except OSError:  # TimeoutError is one
                continue
        host, port = servers[-1]
        return (await loop.create_connection(make, host, port, ssl=self._tls()))[1]

    async def _servers(self) -> list[tuple[str, int]]:
        """The servers of which any will do, in the order in which they shall be tried."""
        match self._kind:
            case "sentinel":
                return [await self._ask_for_master()]
            case "cluster":
                return random.sample(self._hosts, len(self._hosts))  # not all nodes of a hub on one of the cluster
            case _:
                return [(self._template.host, self._template.port)]

    async def _ask_for_master(self) -> tuple[str, int]:
        problem: Exception = RedisError(f"no Sentinel knows a master called {self._master}")
        for number, (host, port) in enumerate(self._hosts):
            url = self._plain(f"{_bracketed(host)}:{port}", sentinel=True)
            try:
                found = await _master_by(url, self._master)
            except (RedisError, OSError) as error:
                problem = error
                continue
            if found:
                self._hosts.insert(0, self._hosts.pop(number))
                return found
        raise problem

    def _tls(self) -> ssl.SSLContext | None:
        context: ssl.SSLContext | None = self._template.ssl_context.get() if self._secure == "rediss" else None
        return context

    def _plain(self, host: str | None = None, *, sentinel: bool = False) -> str:
        """The URL in a form that redis-py reads, for one host."""
        if not self._kind:
            return self._parts.geturl()
        query = {name: values[0] for name, values in parse_qs(self._parts.query).items()}
        own = {_SENTINEL_OPTIONS[name]: query.pop(name) for name in _SENTINEL_OPTIONS if name in query}
        user, at, hosts = self._parts.netloc.rpartition("@")
        netloc = host or hosts.split(",")[0]
        if not sentinel:
            own, netloc = {}, f"{user}{at}{netloc}"
        return self._parts._replace(
            scheme=self._secure, netloc=netloc, path="", query=urlencode(query | own), fragment=""
        ).geturl()


def _split(url: str) -> SplitResult:
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in _FORMS:
        raise ValueError(f"a Redis URL begins with one of {', '.join(f'{form}://' for form in _FORMS)}")
    # Some releases of urlsplit take a list of hosts with an IPv6 address in it for a broken one: it gets to see none.
    netloc = re.split("[/?#]", rest, maxsplit=1)[0]
    return urlsplit(f"{scheme}://{rest.removeprefix(netloc)}")._replace(netloc=netloc)


def _host(word: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{word}")
        return parts.hostname or "localhost", parts.port or 6379
    except ValueError as error:
        raise ValueError(f"{word!r} in the Redis URL is no HOST:PORT: {error}") from None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _master_by(sentinel_url: str, master: str) -> tuple[str, int] | None:
    """Host and port of the master, as one Sentinel has it; None when it knows none of that name."""
    async with Redis.from_url(
        sentinel_url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE, decode_responses=True
    ) as sentinel:
        found = await sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", master)  # type: ignore[no-untyped-call]
    return (str(found[0]), int(found[1])) if found else None


def _template(url: str) -> Any:
    try:
        return ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, RedisError) as error:
        raise ValueError(f"an option of the Redis URL is not known: {error}") from None
