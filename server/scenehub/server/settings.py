"""Settings: one frozen value, read once from `SCENEHUB_*` and passed down.

A URL given for a part switches its embedded twin off; nothing else in the code knows which is running.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from scenehub.protocol.limits import Limits

SYSTEM_DIRECTORY = Path("/var/lib/scenehub")


def default_directory() -> Path:
    """The platform's user data directory; for root one that the database's own account can reach."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return SYSTEM_DIRECTORY
    return user_data_path("scenehub", appauthor=False)


def default_node() -> str:
    """A name for this process among the nodes: host and process id."""
    host = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in socket.gethostname())
    return f"{host[:40] or 'node'}-{os.getpid()}"


class Settings(BaseSettings):
    """What a hub is told. Times in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="SCENEHUB_", env_nested_delimiter="__", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=8787, ge=0, le=65535)
    data: Path = Field(default_factory=default_directory)
    """Where the embedded parts keep what is theirs."""
    database_url: str | None = None
    """postgresql://…; without it `dev` starts its own PostgreSQL."""
    redis_url: str | None = None
    """redis://…; without it `dev` starts its own Valkey, and `serve` runs as a single node."""
    secret: SecretStr | None = None
    """What tokens are signed with (HS256), at least 32 characters; `dev` makes and keeps its own."""
    node: str = Field(default_factory=default_node, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    limits: Limits = Limits()
    writers: int = Field(default=4, ge=1, le=16)
    idle_grace: float = Field(default=30.0, ge=0)
    drain_grace: float = Field(default=8.0, ge=0)
    log: str = Field(default="info", pattern="^(debug|info|warning|error)$")
