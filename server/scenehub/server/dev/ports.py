"""Ports of 127.0.0.1 for the parts: find a free one, or say why a given one cannot be had."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import closing
from pathlib import Path

from scenehub.server.dev.unavailable import PortTaken

__all__ = ["check_port", "free_port"]

_FIRST = 10_240
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_chance = random.SystemRandom()


def free_port() -> int:
    """A port on which nobody listens now, below the range from which the kernel takes ports for outgoing connections.

    A part keeps its port while it is stopped. From the kernel's range, a client that tries to reconnect meanwhile could
    be given that very port, connect to itself, and hold it against the part.
    """
    last = _first_ephemeral() - 1
    for _ in range(200):
        port = _chance.randint(_FIRST, last)
        if _obstacle(port) is None:
            return port
    raise PortTaken("This machine", f"no free port between {_FIRST} and {last} on 127.0.0.1", "Name one that is free")


def check_port(part: str, port: int) -> None:
    """Raise ``PortTaken`` if ``part`` could not listen on ``port`` of 127.0.0.1."""
    match _obstacle(port):
        case None:
            return
        case errno.EACCES | errno.EPERM:
            raise PortTaken(part, f"this user may not listen on port {port}", "Give a port of 1024 or above")
        case _:
            raise taken(part, port)


def taken(part: str, port: int) -> PortTaken:
    """The error for a port on which another process listens."""
    return PortTaken(
        part,
        f"port {port} on 127.0.0.1 is taken by another process",
        "Stop what listens there, or give another port",
    )


def _obstacle(port: int) -> int | None:
    """The error number with which a listener on the port fails; None when it would not."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As the parts do: connections that linger from a former run do not block a new listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError as error:
            return error.errno or errno.EADDRINUSE
    return None


def _first_ephemeral() -> int:
    try:
        first = int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768
    return first if first > _FIRST + 1_000 else 32_768
