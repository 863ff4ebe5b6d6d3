"""Addresses: the ways to name a project on a hub, and the one that a WebSocket needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from re import fullmatch
from urllib.parse import urlsplit

SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


@dataclass(frozen=True, slots=True)
class Address:
    """One project on one node of a hub."""

    url: str
    """`ws://host:port/v1/projects/ID/ws`, or wss."""
    project: str
    host: str

    @property
    def is_local(self) -> bool:
        """Whether the node is on this machine: no proxy leads there."""
        return self.host == "localhost" or self.host.startswith("127.") or self.host == "::1"


def addresses(url: str | Sequence[str], project: str | None = None) -> tuple[Address, ...]:
    """Read one URL, or several of nodes that serve the same project. Raises ValueError."""
    urls = [url] if isinstance(url, str) else list(url)
    if not urls:
        raise ValueError("connect() needs at least one URL")
    found = tuple(address(one, project) for one in urls)
    if len({one.project for one in found}) > 1:
        raise ValueError("the URLs name different projects: several URLs mean several nodes of one hub")
    return found


def address(url: str, project: str | None = None) -> Address:
    """Read `ws://host/v1/projects/ID/ws`, `http://host/p/ID`, or `http://host` with `project`. Raises ValueError."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ValueError(
            f"{url!r} is no address of a hub: expected http://host:port or ws://host:port/v1/projects/ID/ws"
        )
    named = fullmatch(r"(.*?)/(?:v1/projects/([^/]+)/ws|v1/projects/([^/]+)|p/([^/]+))/?", parts.path)
    prefix = named[1] if named else parts.path.rstrip("/")
    in_path = next((group for group in named.groups()[1:] if group), None) if named else None
    chosen = project or in_path
    if chosen is None:
        raise ValueError(f"{url!r} names no project: add /p/ID to it, or give project=ID")
    if in_path is not None and project is not None and in_path != project:
        raise ValueError(f"{url!r} names the project {in_path}, and project= names {project}")
    if not fullmatch(r"[A-Za-z0-9_-]{1,64}", chosen):
        raise ValueError(f"{chosen!r} is no project id: 1–64 characters of A–Z a–z 0–9 _ -")
    base = f"{SCHEMES[parts.scheme]}://{parts.netloc}{prefix}"
    return Address(f"{base}/v1/projects/{chosen}/ws", chosen, parts.hostname)


def http_url(url: str, path: str) -> str:
    """The URL of `path` on the hub that any of the forms of `url` names."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no address of a hub: expected http://host:port")
    return f"{scheme}://{parts.netloc}{path}"
