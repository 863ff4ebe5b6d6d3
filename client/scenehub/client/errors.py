"""Errors of the client: what a program that uses it can catch, each with words that name the culprit and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scenehub.protocol.edits import Edit
from scenehub.protocol.errors import Refusal

Current = tuple[str, str, str, Any, int]
"""Kind, id, field, value and seq of what stands at the hub."""


class ClientError(Exception):
    """Everything that this client raises on purpose."""


class NotReached(ClientError):
    """No hub answered at any of the addresses in time."""

    def __init__(self, urls: Sequence[str], seconds: float, why: str) -> None:
        at = " or ".join(urls)
        super().__init__(
            f"no project state from {at} within {seconds:g} s ({why}): is the hub running there (`scenehub dev`), "
            "and is the address right?"
        )
        self.urls = tuple(urls)
        self.why = why


class Refused(ClientError):
    """The hub ended the session for good; `code` is its close code (40xx, or 41xx without a way to a new token)."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"the hub refused this client ({code}): {words}")
        self.code = code
        self.words = words


class Rejected(ClientError):
    """An edit can never be saved; what was typed is in `edit` (None when it was refused before it was made)."""

    def __init__(
        self,
        code: str,
        words: str,
        culprit: str | None = None,
        current: Sequence[Current] = (),
        edit: Edit | None = None,
    ) -> None:
        at = f" (at {culprit})" if culprit else ""
        super().__init__(f"{code}: {words}{at}")
        self.code = code
        self.words = words
        self.culprit = culprit
        self.current = tuple(current)
        self.edit = edit

    @classmethod
    def of(cls, refusal: Refusal) -> Rejected:
        """Of an edit that is refused before it is made."""
        return cls(refusal.code, refusal.words, refusal.culprit, refusal.current)


class Unsaved(ClientError):
    """The project was left while edits had no outcome: they may be saved or not."""

    def __init__(self, count: int, why: str) -> None:
        edits = "1 edit" if count == 1 else f"{count} edits"
        super().__init__(
            f"{edits} had no outcome when the project was left ({why}): wait for `saved()`, "
            "allow more time with `drain`, or let `keep` carry them over to the next start"
        )
        self.count = count


class Left(ClientError):
    """The project was left: nothing can be asked of it any more."""

    def __init__(self) -> None:
        super().__init__("this project was left: use it within its `with` block")
