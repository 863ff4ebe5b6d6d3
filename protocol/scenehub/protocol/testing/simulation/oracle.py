"""The oracle: hears everything that members are told, and says which promise was broken (rules of design §4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scenehub.protocol.edits import EditId, FieldKey, Position
from scenehub.protocol.errors import ErrorCode
from scenehub.protocol.happenings import (
    ErrorHeard,
    Happening,
    Merged,
    Overwritten,
    Rejected,
    Replaced,
    Saved,
)
from scenehub.protocol.ledger import Committed
from scenehub.protocol.messages import Commit, HubFrame, Relay

from .clock import Clock
from .store import SimulatedStore

if TYPE_CHECKING:
    from .member import Member

START = Position("e1", 0, None)


class Broken(Exception):
    """A promise was broken."""

    def __init__(self, rule: str, words: str) -> None:
        super().__init__(f"{rule}: {words}")
        self.rule = rule


@dataclass(slots=True)
class Made:
    """An edit that a member made, and what the member was told of it."""

    member: str
    at: float
    saved: int = 0
    rejected: int = 0
    into: list[EditId | None] = field(default_factory=list)
    forgotten: bool = False
    """Its member ended without keeping it."""

    @property
    def final(self) -> int:
        """How many last words there were."""
        return self.saved + self.rejected + len(self.into)


class Oracle:
    """What members made and heard."""

    def __init__(self, clock: Clock, store: SimulatedStore) -> None:
        self.clock = clock
        self.store = store
        self.made_edits: dict[EditId, Made] = {}
        self.notices: set[tuple[str, bool, EditId, FieldKey]] = set()
        """(client, whether it was the loser, by, field): what was told."""
        self.positions: dict[str, tuple[str, int]] = {}
        self.lost_sight: set[str] = set()
        """Clients whose program ended or took another id: what is said to them is said to nobody."""
        self.tokens: set[str] = set()
        self.removed: dict[str, set[str]] = {}
        self.intents: dict[EditId, tuple[str, str]] = {}
        """Per code edit its member and the token it brings in."""
        self.last_there: dict[str, float] = {}
        """When a client last had a session."""
        self.last_held: dict[EditId, float] = {}
        """When a node last had an edit without an outcome."""
        self.announced: set[str] = set()
        """Members who were told that history was lost."""

    @property
    def failed_over(self) -> bool:
        """Whether history was lost in this run: then some promises are narrower."""
        return self.store.failed_over is not None

    def broken(self, rule: str, words: str) -> None:
        """Stop the run."""
        raise Broken(rule, f"at {self.clock.now:.3f}: {words}")

    def log(self) -> list[Committed]:
        """The store's log."""
        return self.store.ledger.log("p")

    def find(self, id: EditId) -> Committed | None:
        """An edit in the log."""
        return next((commit for commit in self.log() if commit.edit.id == id), None)

    def held(self, id: EditId) -> None:
        """A node has been sent an edit."""
        self.last_held[id] = self.clock.now

    def there(self, client: str) -> None:
        """A client has a session."""
        self.last_there[client] = self.clock.now

    # What members do.

    def started(self, member: Member) -> None:
        """A program begins: its confirmed state is empty."""
        self.positions.pop(member.name, None)

    def forgot(self, member: Member) -> None:
        """A program ended and kept nothing."""
        self.lost_sight.add(member.replica.client)
        for pending in member.replica.pending:
            self.made_edits[pending.edit.id].forgotten = True

    def made(self, member: Member, id: EditId) -> None:
        """An edit was made."""
        if id in self.made_edits:
            self.broken("E1", f"{id} was made twice")
        self.made_edits[id] = Made(member.name, self.clock.now)

    def wrote_tokens(self, tokens: Iterable[str]) -> None:
        """Lines that a new scene begins with."""
        self.tokens.update(tokens)

    def code_edit(self, member: Member, id: EditId, token: str, removed: Iterable[str]) -> None:
        """A member means to bring in one line of code, and to take others out."""
        self.intents[id] = (member.name, token)
        self.removed.setdefault(member.name, set()).update(removed)

    # What members hear.

    def told(self, member: Member, output: Happening) -> None:
        """A replica says something to its program."""
        match output:
            case Saved(id, _):
                self._made(id).saved += 1
                self._check_one_word(id)
                if self.find(id) is None and not self.failed_over:
                    self.broken("S2", f"{member.name} was told that {id} is saved, and it is not in the store")
            case Rejected(id, code):
                self._made(id).rejected += 1
                self._check_one_word(id)
                self._check_rejected(member, id, code)
            case Merged(id, into):
                self._made(id).into.append(into)
                self._check_one_word(id)
                if into is not None and into not in self.made_edits:
                    self.made_edits[into] = Made(member.name, self.clock.now)
            case Overwritten(notice, mine):
                client = notice.lost.client if mine else notice.by.client
                self.notices.add((client, mine, notice.by, notice.key))
            case _:
                self._told_of_itself(member, output)

    def _told_of_itself(self, member: Member, output: Happening) -> None:
        match output:
            case Replaced("diverged"):
                self.broken("E3", f"{member.name}'s state differed from its room's")
            case Replaced("history", why):
                self.announced.add(member.name)
                if not self.failed_over:
                    self.broken("E1", f"{member.name} believes that history was lost: {why}")
            case ErrorHeard(error) if error.code == ErrorCode.CLIENT_ID_TAKEN and not self.failed_over:
                self.broken("E1", f"{member.name} was told that its client id is taken")
            case _:
                pass

    def _made(self, id: EditId) -> Made:
        made = self.made_edits.get(id)
        if made is None:
            self.broken("E1", f"somebody was told of {id}, which nobody made")
            raise AssertionError
        return made

    def _check_one_word(self, id: EditId) -> None:
        made = self.made_edits[id]
        if made.final > 1 and not (self.failed_over and made.saved == 1 and len(made.into) == 1):
            self.broken("E1", f"the author of {id} was told more than one outcome: {made}")

    def _check_rejected(self, member: Member, id: EditId, code: str) -> None:
        if self.failed_over:
            return
        if self.find(id) is not None:
            self.broken("S3", f"{member.name} was told that {id} is rejected ({code}), and it is in the store")
        row = self.store.ledger.client("p", id.client)
        if row is None or row.counter < id.n:
            self.broken("E1", f"{member.name} was told that {id} is rejected ({code}) before that was durable")

    def before_frame(self, member: Member, frame: HubFrame | None) -> None:
        """A frame comes in: commits must follow without a gap and be the store's (S2)."""
        position = member.replica.position
        if position is None or self.failed_over or not member.replica.connected:
            return
        if isinstance(frame, Relay):
            self._check_relay(member, frame.edit.id, position)
        if not isinstance(frame, Commit):
            return
        if frame.seq > position.seq + 1:
            self.broken("S2", f"{member.name} is at {position.seq} and got a commit of {frame.seq}")
        log = self.log()
        for seq, row in enumerate(frame.edits, frame.seq):
            if seq > len(log) or log[seq - 1].edit.id != row.id:
                self.broken("N3", f"{member.name} was told that {row.id} is {seq}, which the store does not say")

    def _check_relay(self, member: Member, id: EditId, position: Position) -> None:
        """Nobody is shown as unsaved what the room has seen saved (S5)."""
        live = None if member.wire is None else member.wire.node.live
        commit = self.find(id)
        if live is not None and commit is not None and live.loaded_at < commit.seq <= position.seq:
            self.broken(
                "S5", f"{member.name} is at {position.seq} and was shown {id}, which is {commit.seq}, as unsaved"
            )

    def after_frame(self, member: Member) -> None:
        """A frame was taken: nobody's time runs backwards (S6)."""
        position = member.replica.position
        if position is None:
            return
        before = self.positions.get(member.name)
        if before is not None and before[0] == position.epoch and position.seq < before[1] and not self.failed_over:
            self.broken("S6", f"{member.name} went back from {before[1]} to {position.seq}")
        self.positions[member.name] = (position.epoch, position.seq)
