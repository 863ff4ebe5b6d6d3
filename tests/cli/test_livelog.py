"""The live log: one aligned line an event, bursts folded, unsaved edits told as such."""

from __future__ import annotations

from scenehub.protocol.edits import Edit, EditId, Role
from scenehub.protocol.ops import MessageAdd, SceneFields, SceneSet
from scenehub.protocol.presence import Member
from scenehub.server.cli.livelog import LiveLog


class Watched:
    """A log on a clock of its own."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 100.0
        self.n = 0
        self.log = LiveLog(lambda line: self.lines.append(line.plain.rstrip()), lambda: self.now, lambda: "12:00:00")
        self.log.name_of = lambda project, id: "Cold open" if id == "s1" else None
        self.joined("ada", "Ada")

    def joined(self, user: str, name: str) -> None:
        self.log.joined("film", Member(client=f"c-{user}", user=user, name=name, colour="#ff7a66", role=Role.EDITOR))

    def relayed(self, duration: int = 120, user: str = "ada") -> None:
        self.n += 1
        ops = (SceneSet(id="s1", set=SceneFields(duration=duration)),)
        self.log.relayed("film", Edit(id=EditId("c", self.n), epoch="e", base=0, ops=ops), user)

    def saved(self, edits: int = 1) -> None:
        self.log.saved("film", self.n, edits, 0.002)

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.log.turn()


def test_a_saved_edit_is_one_line_with_who_what_and_seq() -> None:
    watched = Watched()
    watched.relayed()
    watched.now += 0.004
    watched.saved()
    assert watched.lines[0].split() == ["12:00:00", "film", "Ada", "joined", "as", "editor"]
    assert 'Ada            duration of "Cold open" → 120' in watched.lines[1]
    assert watched.lines[1].endswith("● saved 4 ms  #1")


def test_a_burst_is_counted_and_told_once_when_it_is_over() -> None:
    watched = Watched()
    for step in range(50):
        watched.relayed(duration=step + 1)
        watched.saved()
        watched.passes(0.02)
    told = len(watched.lines)
    assert told <= 6
    watched.passes(1.0)
    assert len(watched.lines) == told + 1
    assert "46 edits in 0.9 s" in watched.lines[-1]
    assert watched.lines[-1].endswith("#50")
    watched.passes(10.0)
    assert len(watched.lines) == told + 1


def test_an_edit_that_is_not_saved_in_a_second_is_told_and_its_saving_too() -> None:
    """S1, N4."""
    watched = Watched()
    watched.relayed()
    watched.passes(0.5)
    assert len(watched.lines) == 1
    watched.passes(0.6)
    assert watched.lines[-1].endswith("○ not saved")
    watched.saved()
    assert "1 unsaved edit is saved now" in watched.lines[-1]


def test_who_left_is_told_by_name() -> None:
    watched = Watched()
    watched.joined("lin", "Lin")
    watched.log.present = lambda project: {"c-ada"}
    watched.log.left("film", "")
    watched.passes(0.1)
    assert watched.lines[-1].split() == ["12:00:00", "film", "Lin", "left"]


def test_what_a_member_writes_cannot_steer_the_terminal() -> None:
    watched = Watched()
    op = MessageAdd(id="m1", text="\x1b[2Jgone\r\nsecond line")
    watched.n = 1
    watched.log.relayed("film", Edit(id=EditId("c", 1), epoch="e", base=0, ops=(op,)), "ada")
    watched.saved()
    assert "\x1b" not in watched.lines[-1]
    assert "gone second line" in watched.lines[-1]


def test_a_rejected_edit_is_told_by_name_and_not_taken_for_the_next_saved_one() -> None:
    """S3."""
    watched = Watched()
    watched.joined("lin", "Lin")
    watched.relayed(duration=1)
    watched.relayed(duration=2, user="lin")
    watched.log.rejected("film", EditId("c", 1), "stale", "somebody else was first")
    watched.saved()
    assert "Ada            rejected (stale)" in watched.lines[-2]
    assert 'Lin            duration of "Cold open" → 2' in watched.lines[-1]
    watched.saved()
    assert len(watched.lines) == 4


def test_the_store_going_away_and_coming_back_is_told_once_each() -> None:
    watched = Watched()
    watched.log.store(away=True)
    watched.passes(0.1)
    watched.log.store(away=False)
    watched.passes(0.1)
    assert ["away" in line for line in watched.lines[1:]] == [True, False]
