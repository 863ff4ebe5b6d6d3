"""The data directory of a PostgreSQL server: made once, in one step; looked at before every start."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL

from scenehub.server.dev.child import Process, spawn
from scenehub.server.dev.claim import Claim
from scenehub.server.dev.unavailable import PartUnavailable
from scenehub.server.dev.wheels import major_version, postgres_binaries

__all__ = ["DATABASE", "USER", "PostmasterFile", "check_data", "make_data", "password_of"]

DATABASE = "scenehub"
USER = "scenehub"
_EXPORT = "Export the projects with the Scenehub that made it and import them into a new directory"


async def make_data(claim: Claim, *, durable: bool) -> None:
    """Make the data directory with its user, password and database, unless there is one.

    It is made under another name and moved into place at the end: a start that is killed half-way leaves nothing that
    could be taken for a database.
    """
    for left in claim.directory.glob("fresh-*"):
        shutil.rmtree(left, ignore_errors=True)
    if (claim.data / "PG_VERSION").exists():
        return
    if claim.data.exists() and any(claim.data.iterdir()):
        raise PartUnavailable(
            claim.part, f"{claim.data} holds something that is no database", "Move that away, or give another directory"
        )
    fresh, password = _prepare(claim)
    binaries = postgres_binaries(claim)
    await _run(claim, _initdb(binaries, fresh, durable=durable))
    await _run(claim, _single(binaries, fresh, durable=durable), given=fresh / "create.sql")
    _put_in_place(claim, fresh, password)


def check_data(claim: Claim) -> None:
    """Raise PartUnavailable when this PostgreSQL cannot run on the data there."""
    theirs, ours = (claim.data / "PG_VERSION").read_text().strip(), major_version()
    if theirs != ours:
        raise PartUnavailable(
            claim.part, f"{claim.data} was made by PostgreSQL {theirs}, and PostgreSQL {ours} is installed", _EXPORT
        )
    postmaster = PostmasterFile(claim.data)
    pid = postmaster.pid
    if pid is None or not Process.of(pid).alive:
        return  # PostgreSQL itself clears the file of a dead server
    if _works_in(pid, claim.data):
        raise PartUnavailable(
            claim.part,
            f"{claim.data} is in use by process {pid}, a PostgreSQL that somebody else started",
            f"Stop that one first (kill -INT {pid}), or give another directory",
        )
    # The pid of a crashed server now belongs to a process that has nothing to do with it; PostgreSQL could not tell
    # and would refuse to start. What is left of the crashed server it still finds by the directory's shared memory.
    postmaster.path.unlink()


def password_of(claim: Claim) -> str:
    """The generated password of the data directory."""
    path = claim.directory / "password"
    try:
        return path.read_text().strip()
    except OSError as error:
        raise PartUnavailable(
            claim.part, f"the password of the database cannot be read from {path} ({error.strerror})", "Put it back"
        ) from error


class PostmasterFile:
    """``postmaster.pid``: what a server says of itself, also after it was killed."""

    def __init__(self, data: Path) -> None:
        self.path = data / "postmaster.pid"

    @property
    def pid(self) -> int | None:
        lines = self._lines()
        return int(lines[0]) if lines and lines[0].strip().isdigit() else None

    @property
    def version(self) -> tuple[int, int] | None:
        """What changes when another server writes the file anew."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def says_ready(self, pid: int) -> bool:
        lines = self._lines()
        return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text().splitlines()
        except OSError:
            return []


def _prepare(claim: Claim) -> tuple[Path, str]:
    fresh, password = Path(tempfile.mkdtemp(prefix="fresh-", dir=claim.directory)), secrets.token_urlsafe(24)
    _write_private(fresh / "password", password)
    (fresh / "create.sql").write_text(f"CREATE DATABASE {DATABASE}\n")
    claim.own(fresh)
    return fresh, password


def _single(binaries: Path, fresh: Path, *, durable: bool) -> list[str | Path]:
    return [binaries / "postgres", "--single", "-D", fresh / "data", *(() if durable else ("-F",)), "postgres"]


def _initdb(binaries: Path, fresh: Path, *, durable: bool) -> list[str | Path]:
    return [
        binaries / "initdb",
        *("-D", fresh / "data", "-U", USER, "--pwfile", fresh / "password", "--auth", "scram-sha-256"),
        *("--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
        # 192 random bits need no stretching, and a connection is 10 ms faster without.
        *("--set", "scram_iterations=1", "--no-instructions"),
        *(() if durable else ("--no-sync",)),
    ]


async def _run(claim: Claim, command: Sequence[str | Path], given: Path = Path(os.devnull)) -> None:
    child = spawn(
        command,
        log=claim.directory / "initdb.log",
        directory=claim.directory,
        account=claim.account,
        when_orphaned=SIGKILL,
        given=given,
    )
    try:
        await child.ended()
    finally:
        await child.stop([])
    if child.returncode != 0:
        raise PartUnavailable(
            claim.part, f"the database could not be made: {' '.join(child.log_tail(3))}", f"Read {child.log}"
        )


def _put_in_place(claim: Claim, fresh: Path, password: str) -> None:
    _write_private(claim.directory / "password", password)
    (fresh / "data").rename(claim.data)
    folder = os.open(claim.directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    shutil.rmtree(fresh)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, text.encode() + b"\n")
        os.fsync(file)
    finally:
        os.close(file)


def _works_in(pid: int, data: Path) -> bool:
    """The process works in ``data``, as every PostgreSQL does in its own; also true where the system does not tell."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data
    except PermissionError:
        return False  # another user's, and PostgreSQL insists on owning its data
    except OSError:
        return True
