"""Keep: pending edits in a file, so that they survive the end of the program, also by `kill -9` (E4).

Each client of a (hub, project, user) has a file of its own, locked while the client lives: two programs at once use
two files and so two client ids. A file is replaced as a whole and synced before it takes its name.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from time import time
from typing import Any
from zlib import crc32

from platformdirs import user_state_path

from scenehub.protocol import keeping
from scenehub.protocol.keeping import Kept

from .address import Address
from .errors import ClientError

try:
    import fcntl
except ImportError:  # not POSIX
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("scenehub.client")

MOST_AT_ONCE = 1000
"""Programs of one user that may keep edits of one project at the same time."""

Folder = Path | str | bool | None
"""Where to keep: True for this user's state directory, a directory, or None and False for nowhere."""


@dataclass(slots=True, eq=False)
class Keep:
    """A locked file of kept edits."""

    path: Path
    lock: int
    kept: Kept | None
    """What an earlier program left here."""

    def write(self, plain: dict[str, Any]) -> None:
        """Replace what is kept; durable when this returns. Blocks. Raises OSError."""
        body = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
        text = f"scenehub-keep {crc32(body.encode()):08x}\n{body}\n"
        draft = self.path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        _sync_folder(self.path.parent)

    def close(self) -> None:
        """Let another program have the file."""
        os.close(self.lock)


def open_keep(folder: Folder, node: Address, user: str | None) -> Keep | None:
    """Lock the first free file of this hub, project and user, one with waiting edits before an empty one. Blocks."""
    if folder is None or folder is False:
        return None
    if fcntl is None:
        raise ClientError("pending edits cannot be kept here: this system has no POSIX file locks")
    root = user_state_path("scenehub") / "clients" if folder is True else Path(folder)
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    return _chosen(list(_free(root, _stem(node, user))))


def _stem(node: Address, user: str | None) -> str:
    origin = node.url.split("/v1/projects/")[0]
    owner = blake2b(f"{origin}\n{user or ''}".encode(), digest_size=6).hexdigest()
    return f"{node.project}-{owner}"


def _free(root: Path, stem: str) -> Iterator[Keep]:
    """Locks on all files that nobody uses: those that exist, and one that is new."""
    for slot in range(MOST_AT_ONCE):
        path = root / f"{stem}-{slot}.json"
        known = path.exists() or path.with_suffix(".lock").exists()
        lock = _locked(path.with_suffix(".lock"))
        if lock is not None:
            yield Keep(path, lock, _read(path))
            if not known:
                return


def _chosen(free: list[Keep]) -> Keep:
    if not free:
        raise ClientError("no file for pending edits is free: too many programs keep edits of this project")
    chosen = next((keep for keep in free if keep.kept is not None and keep.kept.pending), free[0])
    for keep in free:
        if keep is not chosen:
            keep.close()
            if keep.kept is not None and keep.kept.pending:
                log.warning("%d more edits wait in %s: start once more to send them", len(keep.kept.pending), keep.path)
    return chosen


def _locked(path: Path) -> int | None:
    """A lock that ends with this process, however it ends; None when another one has it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _read(path: Path) -> Kept | None:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        _put_aside(path, error)
        return None
    try:
        head, body = text.split("\n", 1)
        body = body.removesuffix("\n")
        if head != f"scenehub-keep {crc32(body.encode()):08x}":
            raise ValueError("its checksum is another one")
        return keeping.read(json.loads(body))
    except (ValueError, RecursionError) as error:
        _put_aside(path, error)
        return None


def _put_aside(path: Path, error: Exception) -> None:
    aside = path.with_suffix(f".damaged-{int(time() * 1000)}")
    path.replace(aside)
    log.warning("kept edits in %s cannot be read (%s): moved to %s", path, str(error).split("\n", 1)[0], aside)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
