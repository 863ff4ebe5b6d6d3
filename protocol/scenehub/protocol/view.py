"""View: what a replica shows: confirmed state, under others' relays in order of arrival, under own pending edits (S4).

A view is computed, never patched: it is thrown away whenever one of the three changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .document import (
    MEMORY,
    MESSAGE,
    PROJECT,
    SCENE,
    Cells,
    Document,
    Entity,
    Message,
    Scene,
    apply_edit,
    is_tombstone,
    messages_of,
    props_of,
    scenes_of,
    writes_of,
)
from .edits import Edit, EditId, FieldKey
from .planning import Draft

UNSAVED_SEQ = 2**53 - 1
"""The seq that unsaved writes show: after everything."""


class View:
    """A project as its member sees it now."""

    def __init__(
        self,
        confirmed: Document,
        unsaved: Iterable[tuple[Edit, str]],
        at: int,
        written: dict[Entity, Cells] | None = None,
    ) -> None:
        """`unsaved` are edits with the user they are from, in the order in which they lie over each other.

        They lie over what others have `written` already, if that is given; the view keeps it.
        """
        self._draft = Draft(confirmed)
        self._draft.written = {} if written is None else written
        for edit, user in unsaved:
            apply_edit(self._draft, edit.ops, edit.id, user, UNSAVED_SEQ, at)

    def over(self, edit: Edit, user: str, at: int = 0) -> View:
        """This view with one more unsaved edit on top; this one stays as it is."""
        written = dict(self._draft.written)
        for entity in {(key.kind, key.id) for op in edit.ops for key, _ in writes_of(op, user, at)}:
            if entity in written:
                written[entity] = dict(written[entity])
        return View(self._draft.document, [(edit, user)], at, written)

    def value(self, key: FieldKey) -> Any:
        """The value of a field, None if it has none."""
        cell = self._draft.cell(key)
        return None if cell is None else cell.value

    def is_saved(self, key: FieldKey) -> bool:
        """Whether what a field shows is durable."""
        cell = self._draft.cell(key)
        return cell is None or cell.seq != UNSAVED_SEQ

    def unsaved_writer(self, key: FieldKey) -> EditId | None:
        """The unsaved edit whose value a field shows; None when what it shows is durable."""
        cell = self._draft.cell(key)
        return None if cell is None or cell.seq != UNSAVED_SEQ else cell.id

    def unsaved_fields(self, kind: str, id: str) -> list[str]:
        """The fields of an entity that show something unsaved."""
        return sorted(self._draft.written.get((kind, id), ()))

    def _living(self, kind: str) -> Iterator[tuple[str, Cells]]:
        entities = {entity for entity in self._draft.document.entities if entity[0] == kind}
        entities |= {entity for entity in self._draft.written if entity[0] == kind}
        for its_kind, id in entities:
            cells = self._draft.cells(its_kind, id)
            if not is_tombstone(cells):
                yield id, cells

    @property
    def project(self) -> dict[str, Any]:
        """The project's own fields, with `props`."""
        cells = self._draft.cells(PROJECT, PROJECT)
        fields = {name: cell.value for name, cell in cells.items() if "." not in name}
        return {**fields, "props": props_of(cells)}

    @property
    def scenes(self) -> list[Scene]:
        """Living scenes in order."""
        return scenes_of(self._living(SCENE))

    def scene(self, id: str) -> Scene | None:
        """A living scene."""
        return next((scene for scene in self.scenes if scene.id == id), None)

    @property
    def deleted_scenes(self) -> list[str]:
        """The ids of tombstones."""
        entities = {entity for entity in (*self._draft.document.entities, *self._draft.written) if entity[0] == SCENE}
        return sorted(id for kind, id in entities if is_tombstone(self._draft.cells(kind, id)))

    @property
    def messages(self) -> list[Message]:
        """Living chat messages that are known, oldest first."""
        return messages_of((id, cells) for id, cells in self._living(MESSAGE) if "author" in cells)

    @property
    def memory(self) -> dict[str, Any]:
        """The project's preferences."""
        return {id: cells["value"].value for id, cells in self._living(MEMORY) if cells["value"].value is not None}
