"""The one error with which an embedded part says that it cannot run."""

from __future__ import annotations

__all__ = ["PartUnavailable", "PortTaken"]


class PartUnavailable(Exception):
    """A part (``PostgreSQL``, ``Valkey``) cannot run here.

    ``what`` says what is wrong and names the culprit (a port, a process, a directory); ``remedy`` says what the reader
    can do about it. Both are sentences without a full stop; ``str()`` joins them for a terminal.
    """

    def __init__(self, part: str, what: str, remedy: str) -> None:
        super().__init__(f"{part}: {what}. {remedy}.")
        self.part = part
        self.what = what
        self.remedy = remedy


class PortTaken(PartUnavailable):
    """Somebody else listens on the port, or this user may not."""
