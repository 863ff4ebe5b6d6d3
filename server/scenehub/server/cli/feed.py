"""Feed: the edits of a project as they come, shown (○) and then saved (●), with who made them; and who comes and goes.

It looks at a client's replica after every happening: others' relays are what is not saved yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from scenehub.client import Project
from scenehub.protocol.document import MEMORY, MESSAGE, PROJECT, PROPS, SCENE, Cell, writes_of
from scenehub.protocol.edits import Edit, EditId, FieldKey
from scenehub.protocol.messages import Relay
from scenehub.protocol.presence import Member
from scenehub.protocol.replica import Replica

from .summary import one_line, quoted, shown, summary

FOLD_WITHIN = 2.5
"""Seconds in which a member's further edits of the same thing go into the same line."""
MOST_LINES = 400
MANY = 8
"""Edits that came in one piece without having been shown before (after a reconnect): above this they are counted."""

Mark = Literal["unsaved", "saved", "gone", "told"]


@dataclass(slots=True)
class Line:
    """One line of the feed; `at` in seconds of the feed's clock, `time` as a person reads it."""

    time: str
    at: float
    user: str
    words: str
    mark: Mark
    count: int = 1
    seq: int = 0
    conflict: str = ""
    """Whose write it was not made upon."""
    subject: frozenset[FieldKey] = frozenset()
    waiting: set[EditId] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Who:
    """A user as the feed shows them, also after they left."""

    name: str
    colour: str


Told = Callable[[Line, EditId | None], None]
"""Hears of a line that is new, or whose edit of this id has its outcome."""


@dataclass(slots=True)
class Feed:
    """What has happened in a project since somebody looks."""

    project: Project
    now: Callable[[], float]
    clock: Callable[[], str]
    told: Told | None = None
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    touched: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Scenes with the time and the user of the latest edit."""
    users: dict[str, Who] = field(default_factory=dict)
    _open: dict[EditId, tuple[Line, Edit]] = field(default_factory=dict)
    _seen_to: int | None = None
    _connected: bool = False
    _members: dict[str, Member] | None = None

    @property
    def replica(self) -> Replica:
        """The client's copy: relays are no part of what a project shows, but are what this is about."""
        return self.project._desk.replica  # noqa: SLF001

    @property
    def unsaved(self) -> int:
        """Edits that are shown and not saved yet."""
        return len(self.replica.relays) + len(self.replica.pending)

    def name(self, user: str) -> str:
        """A user's name as far as it was ever seen."""
        who = self.users.get(user)
        if who is not None:
            return who.name
        return f"guest {user[6:10]}" if user.startswith("guest-") else user

    def colour(self, user: str) -> str:
        """A user's colour, empty when it is not known."""
        who = self.users.get(user)
        return "" if who is None else who.colour

    def scene_name(self, id: str) -> str | None:
        """The saved name of a scene, deleted or not; of one that is not saved yet, the one it shows."""
        key = FieldKey(SCENE, id, "name")
        cell = self.replica.confirmed.cell(key)
        value = self.project.view.value(key) if cell is None else cell.value
        return None if value is None else str(value)

    # Looking.

    def look(self) -> None:
        """See what is new."""
        replica = self.replica
        if replica.connected != self._connected:
            self._connected = replica.connected
            if self._seen_to is not None and self.told is None:
                self.say("connected again" if replica.connected else "the connection was lost: trying again")
        if not replica.connected or replica.position is None:
            return
        self._look_at_members()
        for relay in self._new_relays():
            self._show(relay.edit, relay.actor.user)
        if replica.position.seq != self._seen_to:
            if self._seen_to is not None:
                self._meet_unseen(self._seen_to)
            self._seen_to = replica.position.seq
        self._settle()

    def say(self, words: str) -> None:
        """A line that is no edit."""
        line = Line(self.clock(), self.now(), "", words, "told")
        self.lines.append(line)
        self._tell(line, None)

    def _new_relays(self) -> list[Relay]:
        fresh = []
        for relay in reversed(self.replica.relays.values()):
            if relay.edit.id in self._open:
                break
            fresh.append(relay)
        return fresh[::-1]

    def _look_at_members(self) -> None:
        members = {member.client: member for member in self.project.members}
        for member in members.values():
            self.users[member.user] = Who(member.name, member.colour)
        before, self._members = self._members, members
        if before is None:
            return
        own = self.project.client
        for client, member in members.items():
            if client not in before and client != own:
                self._attended(member, "joined")
        for client, member in before.items():
            if client not in members and client != own:
                self._attended(member, "left")

    def _attended(self, member: Member, words: str) -> None:
        line = Line(self.clock(), self.now(), member.user, words, "told")
        self.lines.append(line)
        self._tell(line, None)

    # Shown.

    def _show(self, edit: Edit, user: str) -> None:
        keys = frozenset(_keys(edit))
        words = summary(edit.ops, self.scene_name)
        line = self._foldable(user, keys)
        if line is None:
            line = Line(self.clock(), self.now(), user, words, "unsaved", subject=keys)
            self.lines.append(line)
        else:
            line.words, line.count, line.mark, line.at = words, line.count + 1, "unsaved", self.now()
        line.waiting.add(edit.id)
        line.conflict = self._conflict(edit, keys) or line.conflict
        self._open[edit.id] = (line, edit)
        self._touch(keys, user)
        self._tell(line, None)

    def _foldable(self, user: str, keys: frozenset[FieldKey]) -> Line | None:
        """The line that another edit of the same by the same goes into."""
        if self.told is not None:
            return None  # lines that were told already cannot change
        for line in reversed(self.lines):
            if self.now() - line.at > FOLD_WITHIN:
                return None
            if line.user == user and line.subject == keys and line.mark != "gone" and keys:
                return line
        return None

    def _conflict(self, edit: Edit, keys: Iterable[FieldKey]) -> str:
        """The names of those whose later writes this edit does not know of (O3)."""
        names = set()
        for key in keys:
            cell = self.replica.confirmed.cell(key)
            if (
                cell is not None
                and cell.seq > edit.base
                and cell.id.client != edit.id.client
                and cell.id not in edit.saw
            ):
                names.add(self.name(cell.user))
        return ", ".join(sorted(names))

    def _touch(self, keys: Iterable[FieldKey], user: str) -> None:
        for key in keys:
            if key.kind == SCENE:
                self.touched[key.id] = (self.now(), user)

    # Saved.

    def _settle(self) -> None:
        relays = self.replica.relays
        for id in [id for id in self._open if id not in relays]:
            line, edit = self._open.pop(id)
            line.waiting.discard(id)
            cell = self._written_by(edit)
            if cell is None:
                line.mark = "gone"
            elif not line.waiting:
                line.mark, line.seq = "saved", cell.seq
            self._tell(line, id)

    def _written_by(self, edit: Edit) -> Cell | None:
        """A confirmed cell which shows that an edit, or a later one of its client, is saved; None: it is not."""
        found: Cell | None = None
        for key in _keys(edit):
            cell = self.replica.confirmed.cell(key)
            if cell is not None and cell.id.client == edit.id.client and cell.id.n >= edit.id.n:
                return cell
            if cell is not None and cell.seq > edit.base:
                found = cell  # somebody wrote over it since
        return found

    def _meet_unseen(self, since: int) -> None:
        """Edits that were saved without having been shown here: the system's, or while this client was away."""
        unseen: dict[EditId, list[tuple[FieldKey, Cell]]] = {}
        for (kind, id), cells in self.replica.confirmed.entities.items():
            for name, cell in cells.items():
                if cell.seq > since and cell.id not in self._open and cell.id.client != self.project.client:
                    unseen.setdefault(cell.id, []).append((FieldKey(kind, id, name), cell))
        if len(unseen) > MANY:
            self.say(f"{len(unseen)} edits were saved meanwhile")
            return
        for written in sorted(unseen.values(), key=lambda rows: rows[0][1].seq):
            cell = written[0][1]
            words = self._words(written)
            line = Line(self.clock(), self.now(), cell.user, words, "saved", seq=cell.seq)
            self.lines.append(line)
            self._touch((key for key, _ in written), cell.user)
            self._tell(line, cell.id)

    def _words(self, written: list[tuple[FieldKey, Cell]]) -> str:
        key, cell = written[0]
        if key.kind == MESSAGE:
            text = self.project.view.value(FieldKey(MESSAGE, key.id, "text"))
            return f"says {quoted(str(text), 80)}"
        if key.kind == MEMORY:
            return f"remembers {key.id} = {shown(cell.value)}"
        of = "the project" if key.kind == PROJECT else f'"{self.scene_name(key.id) or key.id}"'
        names = [key.field.removeprefix(PROPS) for key, _ in written]
        if len(written) == 1:
            return f"{names[0]} of {of} → {shown(cell.value)}" if names != ["tsx_code"] else f"code of {of}"
        return one_line(f"{', '.join(names[:3])}{' …' if len(names) > 3 else ''} of {of}", 80)

    def _tell(self, line: Line, id: EditId | None) -> None:
        if self.told is not None:
            self.told(line, id)


def _keys(edit: Edit) -> Iterator[FieldKey]:
    for op in edit.ops:
        for key, _ in writes_of(op, "", 0):
            yield key
