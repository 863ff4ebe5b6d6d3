"""Three-way merge of text by lines (O4), through `merge3`, the merge of Breezy."""

from __future__ import annotations

from merge3 import Merge3


def merge_text(base: str, mine: str, theirs: str) -> str | None:
    """Bring two versions of one text together; None where they changed the same lines in different ways."""
    if mine == theirs or theirs == base:
        return mine
    if mine == base:
        return theirs
    merged: list[str] = []
    for group in Merge3(base.split("\n"), mine.split("\n"), theirs.split("\n")).merge_groups():
        if group[0] == "conflict":
            return None
        merged.extend(group[1])
    return "\n".join(merged)
