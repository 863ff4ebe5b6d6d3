"""Authoring: the edits that both clients offer. Each shows at once and gives a handle that tells what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from secrets import token_urlsafe
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from pydantic import BaseModel, ValidationError

from scenehub.protocol.codec import refusal_of
from scenehub.protocol.document import SCENE, Scene
from scenehub.protocol.edits import EditId
from scenehub.protocol.happenings import Choice
from scenehub.protocol.ops import (
    MemorySet,
    MessageAdd,
    Op,
    ProjectFields,
    ProjectSet,
    SceneAdd,
    SceneDelete,
    SceneFields,
    SceneMove,
    SceneRestore,
    SceneSet,
)
from scenehub.protocol.presence import Presence

from .errors import Rejected
from .handles import H
from .mine import Lost, ops_again
from .ordering import place
from .reading import Reading

M = TypeVar("M", bound=BaseModel)

SceneRef = str | Scene
"""A scene, its id, or the name of the only scene that is called so."""

chance = Random()


class SceneChanges(TypedDict, total=False):
    """What `set_scene` may change; duration and trim_start in frames, null removes a property."""

    name: str
    duration: int
    trim_start: int
    tsx_code: str
    props: Mapping[str, Any]


class ProjectChanges(TypedDict, total=False):
    """What `set_project` may change; fps in frames a second, width and height in pixels."""

    name: str
    fps: int
    width: int
    height: int
    props: Mapping[str, Any]


class Whereabouts(TypedDict, total=False):
    """What `presence` may say; selection in UTF-16 units, playhead in frames."""

    scene: str | None
    field: str | None
    selection: tuple[int, int] | None
    cursor: tuple[float, float] | None
    playhead: int | None
    activity: str | None


class Authoring(Reading[H], Generic[H]):
    """The write half of a project. Methods raise `Rejected` at once when the hub is sure to refuse."""

    _where = Presence()

    def edit(self, *ops: Op, guarded: bool = False, undoes: EditId | None = None, run: str | None = None) -> H:
        """Make one edit of several ops: they are saved together or not at all.

        `guarded` has it rejected rather than overwrite what somebody else wrote meanwhile (O4).
        """
        with self._still:
            return self._desk.edit(ops, guarded=guarded, undoes=undoes, run=run)

    def set_scene(self, scene: SceneRef, *, guarded: bool = False, **changes: Unpack[SceneChanges]) -> H:
        """Change fields of a scene: `set_scene(id, duration=90, props={"accent": "#ff7a66"})`."""
        fields = valid(SceneFields, **changes)
        return self.edit(valid(SceneSet, id=self._id(scene), set=fields), guarded=guarded)

    def rename(self, scene: SceneRef, name: str) -> H:
        """Give a scene another name."""
        return self.set_scene(scene, name=name)

    def set_code(self, scene: SceneRef, code: str) -> H:
        """Write a scene's code; it is merged with what somebody else writes meanwhile, or a person decides (O4)."""
        return self.set_scene(scene, tsx_code=code)

    def add_scene(
        self,
        name: str,
        code: str = "",
        duration: int = 90,
        *,
        index: int | None = None,
        props: Mapping[str, Any] | None = None,
        trim_start: int = 0,
        id: str | None = None,
    ) -> H:
        """Add a scene of `duration` frames at `index` (the end without one); `handle.entity` is its id."""
        with self._still:
            position, moves = place(self.scenes, index, chance)
            added = valid(
                SceneAdd,
                id=id or token_urlsafe(16),
                position=position,
                name=name,
                duration=duration,
                trim_start=trim_start,
                tsx_code=code,
                props=dict(props or {}),
            )
            return self.edit(added, *moves)

    def move_scene(self, scene: SceneRef, index: int) -> H:
        """Put a scene at an index among the others; -1 is the end."""
        with self._still:
            moved = self._id(scene)
            others = [other for other in self.scenes if other.id != moved]
            position, moves = place(others, index, chance)
            return self.edit(valid(SceneMove, id=moved, position=position), *moves)

    def delete_scene(self, scene: SceneRef) -> H:
        """Delete a scene; it can be restored by its id, with its history (O5)."""
        return self.edit(valid(SceneDelete, id=self._id(scene)))

    def restore_scene(self, id: str) -> H:
        """Bring a deleted scene back."""
        return self.edit(valid(SceneRestore, id=id))

    def set_project(self, **changes: Unpack[ProjectChanges]) -> H:
        """Change fields of the project."""
        return self.edit(valid(ProjectSet, set=valid(ProjectFields, **changes)))

    def set_memory(self, key: str, value: Any) -> H:
        """Write a preference of the project; None removes it."""
        return self.edit(valid(MemorySet, key=key, value=value))

    def say(self, text: str, *, scene: SceneRef | None = None, asks: bool = False) -> H:
        """Write into the chat; `scene` is what it is about, `asks` asks the brain for a run."""
        about = None if scene is None else self._id(scene)
        return self.edit(valid(MessageAdd, id=token_urlsafe(16), text=text, scene=about, asks=asks))

    def take_mine(self, lost: Lost) -> H:
        """Write again what somebody else's write replaced: for a choice, a notice, or a reject.

        A scene that was deleted meanwhile is restored in the same edit. Raises LookupError when nobody knows the lost
        value any more.
        """
        with self._still:
            handle = self.edit(*ops_again(lost))
            if isinstance(lost, Choice):
                self.take_theirs(lost)
            return handle

    def take_theirs(self, choice: Choice) -> None:
        """Leave what stands: the choice is made."""
        with self._still:
            self._desk.replica.choices.pop(choice.id, None)

    def presence(self, **where: Unpack[Whereabouts]) -> None:
        """Say where this member is. What is not named stays as it was said before; None clears it.

        May be called at any rate: the latest wins, and it is said again after a reconnect (M1).
        """
        with self._still:
            self._where = valid(Presence, **{**self._where.model_dump(), **where})
            self._desk.where(self._where)

    def _id(self, scene: SceneRef) -> str:
        """The id of a scene; a text that fits no living scene is taken for an id, which the hub judges."""
        if isinstance(scene, Scene):
            return scene.id
        if self._desk.replica.confirmed.cells(SCENE, scene):
            return scene  # without a view, which costs as much as there is pending
        scenes = self.scenes
        if any(one.id == scene for one in scenes):
            return scene
        named = [one.id for one in scenes if one.name == scene]
        if len(named) > 1:
            raise LookupError(f"{len(named)} scenes are called {scene!r}: use an id")
        return named[0] if named else scene


def valid(model: type[M], **values: Any) -> M:
    """Make a value of the wire. Raises Rejected (`invalid`, `too_large`) naming the culprit."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        refusal = refusal_of(error)
        where = error.errors(include_url=False, include_input=False)[0]["loc"]
        culprit = ".".join(str(step) for step in where if not str(step).endswith("."))  # a dot at the end: a label
        raise Rejected(refusal.code, refusal.words.strip(), culprit or None) from None
