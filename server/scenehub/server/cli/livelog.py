"""Live log: what happens in a hub, one aligned line an event, bursts folded, for whoever started it.

An observer may not wait, so it only takes notes; `turn`, called about ten times a second, makes lines of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.text import Text

from scenehub.protocol.edits import Edit, EditId
from scenehub.protocol.presence import Member

from .summary import one_line, summary

UNSAVED_AFTER = 1.0
"""Seconds after which an edit that is only relayed gets its line."""
AT_ONCE = 4
WINDOW = 1.0
"""Edits of one member that are told one by one within a window of seconds; more are counted."""
FOLD_PAUSE = 0.6
FOLD_AT_MOST = 2.5
"""Seconds of silence that end a burst, and the longest that one is counted before it is told."""
MOST_WAITING = 10_000

NameOf = Callable[[str, str], str | None]
"""The name of a scene by project and id."""
Present = Callable[[str], set[str]]
"""The clients that are in a project here."""
Write = Callable[[Text], None]


@dataclass(slots=True)
class _Relayed:
    """An edit that was shown and is not saved yet; `at` in seconds."""

    id: EditId
    user: str
    what: str
    at: float
    told: bool = False


@dataclass(slots=True)
class _Burst:
    """One member's edits in quick succession: `told` of this window have their line, `count` more wait for one."""

    since: float
    told: int = 0
    begun: float = 0.0
    latest: float = 0.0
    count: int = 0
    what: str = ""
    mark: str = ""


@dataclass(slots=True)
class LiveLog:
    """An `Observer` for a terminal. `now` in seconds; `clock` gives the time of day as text."""

    write: Write
    now: Callable[[], float]
    clock: Callable[[], str]
    name_of: NameOf = field(default=lambda _project, _id: None)
    present: Present | None = None
    muted: bool = False
    """Take notes of who is here, and write nothing."""
    _members: dict[str, dict[str, Member]] = field(default_factory=dict)
    _users: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name and colour of users that were seen."""
    _relayed: dict[str, deque[_Relayed]] = field(default_factory=dict)
    _bursts: dict[tuple[str, str], _Burst] = field(default_factory=dict)
    _left: set[str] = field(default_factory=set)

    # The observer.

    def joined(self, project: str, member: Member) -> None:
        """A member has been welcomed."""
        members = self._members.setdefault(project, {})
        self._users[member.user] = (member.name, member.colour)
        back = member.client in members
        members[member.client] = member
        if not back:
            self._line(project, member.user, f"joined as {member.role.value}", "", "dim")

    def left(self, project: str, client: str) -> None:  # noqa: ARG002 - the port names it
        """A session ended; who it was shows when the room has heard of it too."""
        self._left.add(project)

    def relayed(self, project: str, edit: Edit, user: str) -> None:
        """An edit was taken and shown to the others."""
        waiting = self._relayed.setdefault(project, deque(maxlen=MOST_WAITING))
        what = summary(edit.ops, lambda id: self.name_of(project, id))
        waiting.append(_Relayed(edit.id, user, what, self.now()))

    def saved(self, project: str, seq: int, edits: int, seconds: float) -> None:  # noqa: ARG002 - told from its relay on
        """Edits became durable."""
        waiting = self._relayed.get(project, deque())
        late = 0
        for number in range(edits):
            if not waiting:
                break
            relayed = waiting.popleft()
            late += relayed.told
            if not relayed.told:
                took = self.now() - relayed.at
                self._edit(project, relayed, f"● saved {milliseconds(took)}", seq - edits + 1 + number)
        if late:
            self._line(
                project, None, f"{late} unsaved {'edits are' if late > 1 else 'edit is'} saved now", "●", "green"
            )

    def rejected(self, project: str, id: EditId, code: str, words: str) -> None:
        """An edit was rejected: it is not the one that the next saving is about."""
        waiting = self._relayed.get(project, deque())
        user = next((relayed.user for relayed in waiting if relayed.id == id), None)
        if user is not None:
            kept = [relayed for relayed in waiting if relayed.id != id]
            self._relayed[project] = deque(kept, maxlen=MOST_WAITING)
        self._line(project, user, f"rejected ({code}): {one_line(words, 100)}", "✗", "red")

    def store(self, *, away: bool) -> None:
        """The store is away, or back."""
        words = "the database is away: edits are shown, not saved" if away else "the database is back"
        self._line("", None, words, "○" if away else "●", "bold red" if away else "bold green")

    def room(self, project: str, *, opened: bool) -> None:
        """A room was loaded, or dropped."""
        if not opened:
            self._members.pop(project, None)
            self._relayed.pop(project, None)
            self._left.discard(project)

    # Lines.

    def turn(self) -> None:
        """Tell what is due: members who left, edits that wait to be saved, bursts that are over."""
        for project in list(self._left):
            self._tell_who_left(project)
        now = self.now()
        for project, waiting in self._relayed.items():
            for relayed in waiting:
                if now - relayed.at < UNSAVED_AFTER:
                    break
                if not relayed.told:
                    relayed.told = True
                    self._edit(project, relayed, "○ not saved", None)
        for key, burst in list(self._bursts.items()):
            over = now - burst.latest >= FOLD_PAUSE
            if burst.count and (over or now - burst.begun >= FOLD_AT_MOST):
                self._tell_burst(*key, burst)
            elif over and not burst.count and now - burst.since >= WINDOW:
                del self._bursts[key]

    def words(self, words: str, style: str = "dim") -> None:
        """A line of the hub's own, also while it is muted."""
        muted, self.muted = self.muted, False
        self._line("", None, words, "", style)
        self.muted = muted

    def finish(self) -> None:
        """Tell what still waits."""
        for key, burst in self._bursts.items():
            if burst.count:
                self._tell_burst(*key, burst)

    def _tell_who_left(self, project: str) -> None:
        self._left.discard(project)
        members = self._members.get(project, {})
        here = self.present(project) if self.present is not None else set()
        for client in [client for client in members if client not in here]:
            self._line(project, members.pop(client).user, "left", "", "dim")

    def _edit(self, project: str, relayed: _Relayed, mark: str, seq: int | None) -> None:
        now = self.now()
        burst = self._bursts.setdefault((project, relayed.user), _Burst(since=now))
        if not burst.count and now - burst.since >= WINDOW:
            burst.since, burst.told = now, 0
        burst.latest = now
        mark = mark if seq is None else f"{mark}  #{seq}"
        if burst.told < AT_ONCE and not burst.count:
            burst.told += 1
            self._line(project, relayed.user, relayed.what, mark, "yellow" if seq is None else "green")
            return
        if not burst.count:
            burst.begun = now
        burst.count += 1
        burst.what, burst.mark = relayed.what, mark

    def _tell_burst(self, project: str, user: str, burst: _Burst) -> None:
        words = burst.what
        if burst.count > 1:
            words = f"{burst.count} edits in {max(0.1, burst.latest - burst.begun):.1f} s, the last: {burst.what}"
        self._line(project, user, words, burst.mark, "green" if "●" in burst.mark else "yellow")
        burst.since, burst.told, burst.count = burst.latest, AT_ONCE - 1, 0

    def _line(self, project: str, user: str | None, what: str, mark: str, style: str) -> None:
        if self.muted:
            return
        name, colour = self._users.get(user, (user, "")) if user is not None else ("", "")
        line = Text(f"{self.clock()}  ", style="dim", end="")
        line.append(f"{one_line(project, 16):<16}", style="dim not bold")
        line.append(f" {one_line(name or '', 14):<14} ", style=colour or "")
        line.append(f"{one_line(what, 100):<52}", style=style if not mark and not user else "not dim")
        line.append(f"  {mark}".rstrip(), style=style)
        self.write(line)


def milliseconds(seconds: float) -> str:
    """A short time for people."""
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"
