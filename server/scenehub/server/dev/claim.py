"""The claim of one supervisor on the directory of one part.

What stands in it::

    lock          held as long as the supervisor lives; names it and its server
    data/         the server's own, mode 0700
    *.log         what the server wrote, this run's and the one before
    binaries-*/   only for root, and only where the server's user cannot read the installed ones

Root never runs a database: the server runs as the owner of ``data``, or as ``nobody`` when it is made. Everything else
here stays the supervisor's own, so that a server cannot make root write elsewhere through a link.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pwd
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import Signals

from scenehub.server.dev.child import Account, Process, end
from scenehub.server.dev.unavailable import PartUnavailable

__all__ = ["Claim", "claim"]

_ELSEWHERE = "give another directory"


class Claim:
    """A directory that belongs to this supervisor until it is released."""

    def __init__(self, part: str, directory: Path, lock: int, account: Account | None) -> None:
        self.part = part
        self.directory = directory
        self.account = account
        self._lock = lock
        self._left_behind = _server_in(_read(lock))
        self._write(None)

    @property
    def data(self) -> Path:
        """The server's own directory."""
        return self.directory / "data"

    def record(self, server: Process) -> None:
        """Note which server runs here, so that whoever comes after a kill -9 of this process knows what is left."""
        self._write(server)

    async def end_what_was_left(self, steps: Sequence[tuple[Signals, float]]) -> None:
        """End the server of a supervisor that was killed, unless the kernel has already."""
        server = self._left_behind
        if server is not None and not await end(server, steps):
            raise PartUnavailable(
                self.part,
                f"{self.directory} is still used by process {server.pid}, whose supervisor is gone",
                f"Stop it (kill -9 {server.pid}), or {_ELSEWHERE}",
            )
        self._left_behind = None

    def own(self, path: Path) -> None:
        """Give a file or tree to the server's user."""
        if self.account is None:
            return
        for root, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(Path(root) / name, self.account.uid, self.account.gid, follow_symlinks=False)
        os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    def reachable(self, path: Path) -> bool:
        """The server's user can read ``path`` and enter every folder above it."""
        return self.account is None or (
            _may(path, self.account, 0o5) and all(_may(folder, self.account, 0o1) for folder in path.parents)
        )

    def copied(self, roots: Sequence[Path], version: str) -> Path:
        """A folder with copies of ``roots`` (made once a version) that the server's user can read."""
        target = self.directory / f"binaries-{version}"
        if not target.exists():
            half = self.directory / "binaries.half"
            shutil.rmtree(half, ignore_errors=True)
            for root in roots:
                shutil.copytree(root, half / root.name, ignore=shutil.ignore_patterns("*.py", "__pycache__", "include"))
            half.rename(target)
        return target

    def _write(self, server: Process | None) -> None:
        text = json.dumps({"supervisor": os.getpid(), "server": server and [server.pid, server.started]}).encode()
        os.pwrite(self._lock, text, 0)
        os.ftruncate(self._lock, len(text))


@contextmanager
def claim(part: str, directory: Path) -> Iterator[Claim]:
    """Make ``directory`` where needed and hold it for one supervisor.

    Raises PartUnavailable when another one holds it, or it cannot be made, written, or reached by the server's user.
    """
    directory = directory.expanduser().absolute()
    try:
        _make(directory)
        directory = directory.resolve()
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _unwritable(part, directory, error) from error
    try:
        _hold(part, directory, lock)
        account = _account(part, directory / "data")
        mine = Claim(part, directory, lock, account)
        if account is not None:
            _prepare(mine, account)
        yield mine
    finally:
        os.close(lock)


def _make(directory: Path) -> None:
    """Make the folders that are missing; root's are for everybody to enter, whatever the umask."""
    for folder in reversed((directory, *directory.parents)):
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755 if os.geteuid() == 0 else 0o700)
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), directory)


def _hold(part: str, directory: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held = _read(lock)
        server = _server_in(held)
        supervisor = held.get("supervisor", "unknown")
        raise PartUnavailable(
            part,
            f"{directory} is in use by process {supervisor}" + (f" (its server: {server.pid})" if server else ""),
            f"Stop that process first (kill {supervisor}), or {_ELSEWHERE}",
        ) from None


def _prepare(mine: Claim, account: Account) -> None:
    """Root only: let the server's user in, or say which folder keeps it out."""
    for folder in (mine.directory, *mine.directory.parents):
        if not _may(folder, account, 0o1):
            raise PartUnavailable(
                mine.part,
                f"as root the server runs as user {account.name}, who cannot enter {folder} on the way to {mine.data}",
                "Give a directory that everybody can reach, such as /var/lib/scenehub, or run as an ordinary user",
            )
    if mine.data.exists() and mine.data.stat().st_uid == 0:
        mine.own(mine.data)


def _account(part: str, data: Path) -> Account | None:
    """As whom the server runs; None: as the user of this process."""
    owner = data.stat() if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise PartUnavailable(
                part, f"{data} belongs to user {_name(owner.st_uid)}", f"Run as that user or as root, or {_ELSEWHERE}"
            )
        return None
    if owner is not None and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, _name(owner.st_uid))
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise PartUnavailable(part, "there is no user nobody to run it as", "Run as an ordinary user") from None
    return Account(nobody.pw_uid, nobody.pw_gid, nobody.pw_name)


def _unwritable(part: str, directory: Path, error: OSError) -> PartUnavailable:
    existing = next((folder for folder in (directory, *directory.parents) if folder.exists()), directory)
    return PartUnavailable(
        part,
        f"cannot write in {directory} ({error.strerror}; {existing} belongs to user {_name(existing.stat().st_uid)})",
        f"Make it writable for user {_name(os.geteuid())}, or {_ELSEWHERE}",
    )


def _may(path: Path, account: Account, bits: int) -> bool:
    """The mode of ``path`` grants the account these bits (4 read, 2 write, 1 execute or enter)."""
    status = path.stat()
    if status.st_uid == account.uid:
        granted = stat.S_IMODE(status.st_mode) >> 6
    elif status.st_gid == account.gid:
        granted = stat.S_IMODE(status.st_mode) >> 3
    else:
        granted = stat.S_IMODE(status.st_mode)
    return granted & bits == bits


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _read(lock: int) -> dict[str, object]:
    try:
        content = json.loads(os.pread(lock, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _server_in(content: dict[str, object]) -> Process | None:
    match content.get("server"):
        case [int(pid), int(started)]:
            return Process(pid, started)
        case _:
            return None
