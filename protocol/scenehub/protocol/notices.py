"""Notices: which conflicts a client is told of, each once (O3). A hub tells one twice rather than never."""

from __future__ import annotations

from .document import Document
from .edits import EditId, FieldKey
from .happenings import Output, Overwritten
from .messages import CommitRow, Notice

NOTICES_REMEMBERED = 1024


class Notices:
    """The conflicts that were told already."""

    def __init__(self) -> None:
        self._told: dict[tuple[EditId, EditId, FieldKey], None] = {}

    def of_commit(self, row: CommitRow, client: str, confirmed: Document, user: str, seq: int) -> list[Output]:
        """Own values that a commit of `user` overwrote, and others' that it overwrote in this client's name.

        `confirmed` is the state before the commit: it still has the lost values.
        """
        outputs: list[Output] = []
        for key, lost, lost_user, lost_seq in row.overwrote:
            if client not in (lost.client, row.id.client):
                continue
            cell = confirmed.cell(key)
            notice = Notice(
                key=key,
                lost=lost,
                lost_user=lost_user,
                lost_seq=lost_seq,
                lost_value=cell.value if cell is not None and cell.id == lost else None,
                by=row.id,
                by_user=user,
                by_seq=seq,
            )
            outputs += self.tell(notice, client)
        return outputs

    def tell(self, notice: Notice, client: str) -> list[Output]:
        """Tell a conflict, unless it was told before."""
        known = (notice.by, notice.lost, notice.key)
        if known in self._told:
            return []
        self._told[known] = None
        if len(self._told) > NOTICES_REMEMBERED:
            del self._told[next(iter(self._told))]
        return [Overwritten(notice, mine=notice.lost.client == client)]
