"""Scenes of several nodes and of members (N3, M1, M2, M5), each with its rule."""

from __future__ import annotations

from scenehub.protocol.closing import Close
from scenehub.protocol.edits import Edit, EditId
from scenehub.protocol.happenings import Overwritten, Rejected
from scenehub.protocol.limits import Limits
from scenehub.protocol.ops import (
    SceneMove,
)
from scenehub.protocol.presence import Presence

from .stage import Stage, name, scene, two


def test_a_lost_tail_is_found_by_the_check_of_heads() -> None:
    """N3."""
    stage = Stage("A", "B")
    ann, ben = stage.client("ann", "A"), stage.client("ben", "B")
    ann.edit(scene())
    stage.save("A")
    stage.tell("B", lose=True)
    assert ben.scenes == []
    stage.check_head("B")
    assert ben.scenes == ["s1"]


def test_a_hole_in_what_the_bus_says_is_read_from_the_store() -> None:
    """N3."""
    stage = Stage("A", "B")
    ann, ben = stage.client("ann", "A"), stage.client("ben", "B")
    ann.edit(scene())
    stage.save("A")
    stage.tell("B", lose=True)
    ann.edit(name("new"))
    stage.save("A")
    stage.tell("B")
    assert ben.value("name") == "new"
    assert ben.replica.position == ann.replica.position


def test_a_room_whose_history_is_not_the_stores_lets_everybody_start_afresh() -> None:
    """O1, N3."""
    stage, ann, ben = two()
    copy = stage.ledger.copy()
    ann.edit(name("lost"))
    stage.save()
    stage.ledger.restore(copy)
    stage.check_head("A")
    assert stage.condemned
    assert ann.closed_with == ben.closed_with == Close.HISTORY_REPLACED


def test_a_closed_socket_is_gone_at_once_and_a_dead_node_in_ten_seconds() -> None:
    """M1."""
    stage = Stage("A", "B")
    stage.client("ann", "A")
    ben, cid = stage.client("ben", "A"), stage.client("cid", "B")
    stage.tell("B")
    assert set(cid.replica.members) == {"ann1", "ben1", "cid1"}
    ben.cut()
    stage.tell("B")
    assert set(cid.replica.members) == {"ann1", "cid1"}
    stage.wait(10, "B")
    assert set(cid.replica.members) == {"cid1"}


def test_presence_is_coalesced_and_the_latest_wins() -> None:
    """M1: at most 30 a second."""
    stage, ann, ben = two()
    ben.frames.clear()
    for playhead in range(20):
        ann.do(ann.replica.presence(Presence(playhead=playhead), stage.now))
    stage.wait(0.25)
    (news,) = ben.got("presence")
    assert news.moved["ann1"].playhead == 19


def test_a_silent_peer_is_idle_after_ten_seconds_and_gone_after_twenty_five() -> None:
    """M1."""
    stage, ann, ben = two()
    room = stage.rooms["A"]
    for second in range(1, 26):
        stage.now += 1
        stage.perform("A", room.ping(ben.session, 0, stage.now))
        stage.perform("A", room.tick(stage.now))
        if second == 11:
            assert ben.replica.members["ann1"].idle
    assert "ann1" not in ben.replica.members
    assert ann.closed_with == Close.SILENT


def test_who_left_while_a_reader_was_slow_is_gone_for_it_too() -> None:
    """M1, M2."""
    stage, ann, ben = two()
    room = stage.rooms["A"]
    stage.perform("A", room.lagging(ben.session, room.head.seq, stage.now))
    ben.deaf = True
    ann.cut()
    ben.deaf = False
    stage.perform("A", room.drained(ben.session, stage.now))
    assert set(ben.replica.members) == {"ben1"}


def test_a_conflict_that_a_slow_reader_missed_is_told_when_it_drains() -> None:
    """M2, O3."""
    stage, ann, ben = two()
    cid = stage.client("cid")
    cid.cut()
    cid.edit(name("Cid's"))
    ben.edit(name("Ben's"))
    stage.save()
    room = stage.rooms["A"]
    stage.perform("A", room.lagging(ben.session, room.head.seq, stage.now))
    ben.deaf = True
    cid.join()
    stage.save()
    ben.deaf = False
    stage.perform("A", room.drained(ben.session, stage.now))
    assert [one.mine for one in ben.told(Overwritten)] == [True]
    assert ann.value("name") == "Cid's"


def test_a_reader_that_does_not_drain_in_thirty_seconds_is_closed_resumable() -> None:
    """M2."""
    stage, _, ben = two()
    room = stage.rooms["A"]
    stage.perform("A", room.lagging(ben.session, room.head.seq, stage.now))
    for _ in range(31):
        stage.now += 1
        stage.perform("A", room.ping(ben.session, 0, stage.now))
        stage.perform("A", room.tick(stage.now))
    assert ben.closed_with == Close.TOO_SLOW


def test_a_newer_socket_supersedes_the_older_whose_late_events_are_ignored() -> None:
    """M5."""
    stage, ann, ben = two()
    older = ann.session
    ann.cut(told=False)
    ann.join()
    stage.perform("A", stage.rooms["A"].leave(older))
    stage.perform("A", stage.rooms["A"].edit(older, Edit(id=EditId("ann1", 2), epoch="e1", base=1, ops=(name("late"),)),
                                             age_ms=0, size=9, now=stage.now))  # fmt: skip
    assert "ann1" in ben.replica.members
    assert ben.value("name") == "s1"
    ann.edit(name("living"))
    assert ben.value("name") == "living"


def test_an_older_socket_that_the_store_admits_late_does_not_end_the_newer_one() -> None:
    """M5: the client's own count of its connections decides, not the order in which the store let them in."""
    stage = Stage("A", "B")
    ann = stage.client("ann", "A")
    late = ann.sent[0]
    ann.cut(told=False)
    ann.join("B")
    admission = stage.ledger.admit("p", "ann1", "user-ann", None)
    identity = next(iter(stage.rooms["B"].attendance.sessions.values())).identity
    stage.perform("A", stage.rooms["A"].leave(1))
    stage.perform("A", stage.rooms["A"].join(77, late, identity, admission, stage.now))
    stage.tell("B")
    assert ann.closed_with is None
    assert ann.session in stage.rooms["B"].attendance.sessions


def test_a_project_has_a_limit_of_scenes() -> None:
    """O7: quotas are refused by name."""
    stage = Stage(limits=Limits(scenes=2))
    ann = stage.client("ann")
    for turn in range(3):
        ann.edit(scene(f"s{turn}"))
    stage.save()
    assert [one.code for one in ann.told(Rejected)] == ["quota"]


def test_scenes_stand_in_the_order_of_their_keys_and_then_of_their_ids() -> None:
    """O6."""
    stage, ann, ben = two()
    ann.edit(scene("s0", position="a1"))
    ann.edit(scene("sz", position="Zz"))
    ann.edit(SceneMove(id="s1", position="a2"))
    stage.save()
    assert ann.scenes == ben.scenes == ["sz", "s0", "s1"]
