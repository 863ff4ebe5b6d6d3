"""The client's half alone: what it sends when, and that much offline work stays cheap."""

from __future__ import annotations

from itertools import count
from time import perf_counter

import pytest

from scenehub.protocol import keeping
from scenehub.protocol.closing import Close
from scenehub.protocol.errors import ProtocolError
from scenehub.protocol.happenings import Overwritten, SendFrame
from scenehub.protocol.limits import Limits
from scenehub.protocol.messages import Error, SendEdit, Unsaved
from scenehub.protocol.replica import Replica

from .stage import Client, Stage, code, name, scene


def test_no_more_edits_are_under_way_than_the_hub_allows() -> None:
    """Design §6: clients obey `welcome.limits`."""
    stage = Stage(limits=Limits(in_flight=3))
    ann = stage.client("ann")
    for turn in range(10):
        ann.edit(scene(f"s{turn}"))
    assert len([frame for frame in ann.sent if frame.t == "edit"]) == 3
    while ann.replica.pending:
        stage.save()
    assert [frame.edit.id.n for frame in ann.sent if frame.t == "edit"] == list(range(1, 11))


def test_no_more_edits_a_second_are_sent_than_the_hub_allows() -> None:
    """Design §6: nothing is refused for its rate."""
    stage = Stage(limits=Limits(edits_per_second=10, edit_burst=10))
    ann = stage.client("ann")
    for turn in range(25):
        ann.edit(name(f"n{turn}", "nowhere"))
    assert len([frame for frame in ann.sent if frame.t == "edit"]) == 9
    for _ in range(12):
        stage.wait(0.5)
        stage.save()
    assert not ann.replica.pending
    assert not ann.got("error")


def test_a_storm_of_gap_errors_is_answered_once() -> None:
    """E1: of many edits that came out of order each is sent again once."""
    stage = Stage()
    ann = stage.client("ann")
    ann.mute = True
    for turn in range(50):
        ann.edit(scene(f"s{turn}"))
    ann.sent.clear()
    for pending in list(ann.replica.pending)[1:]:
        error = Error(code="counter_gap", words="w", id=pending.edit.id, expected=1)
        ann.do(ann.replica.received(error, stage.now))
    ann.mute = False
    stage.now += 0.1
    ann.do(ann.replica.tick(stage.now))
    assert [frame.edit.id.n for frame in ann.sent] == list(range(1, 51))


def test_edits_that_came_back_are_sent_again_in_order_when_it_is_time() -> None:
    """E2."""
    stage = Stage()
    ann = stage.client("ann")
    ids = [ann.edit(scene(f"s{turn}")) for turn in range(3)]
    stage.rooms["A"].queue.remove(ids)
    stage.rooms["A"].clients["ann1"].taken = 0
    ann.sent.clear()
    ann.do(ann.replica.received(Unsaved(ids=tuple(reversed(ids)), why="store_away", retry_ms=2000), stage.now))
    assert ann.replica.status == "not saved"
    stage.wait(1.75)
    assert not ann.sent
    stage.wait(0.5)
    assert [frame.edit.id for frame in ann.sent] == ids


def test_an_edit_names_what_its_author_had_not_seen_under_an_own_pending_edit() -> None:
    """O3, O4, S4: an own pending edit hides what came meanwhile, so what is typed over it builds upon its ground."""
    stage = Stage()
    ann, ben = stage.client("ann"), stage.client("ben")
    ann.edit(scene())
    stage.save()
    ann.mute = True
    ann.edit(code("a\nb\nANN"))
    ben.edit(code("BEN\nb\nc"))
    stage.save()
    ann.edit(code("a\nb\nANN\nd"))
    first, second = ann.replica.pending
    assert first.edit.base == second.edit.base == 1
    assert second.edit.saw == ()


def test_ten_thousand_edits_made_offline_cost_no_more_each_than_ten_do() -> None:
    """E4: no step goes through all that waits. Compared with itself, so that a slow machine does not make it fail."""

    def seconds_for(edits: int) -> float:
        replica = Replica("token", (f"c{number}" for number in count(1)), keep_at_most=20_000)
        replica.edit([scene()], 0.0)
        began = perf_counter()
        for turn in range(edits):
            replica.edit([name(f"n{turn}")], 0.0)
            if turn % 10 == 0:
                replica.edit([code(f"line {turn}")], 0.0)
        return (perf_counter() - began) / edits

    seconds_for(100)
    assert seconds_for(8000) < 8 * min(seconds_for(400) for _ in range(3))


def test_ten_thousand_pending_edits_are_sent_and_settled_in_order() -> None:
    """E4."""
    stage = Stage(limits=Limits(edits_per_second=100_000, edit_burst=100_000))
    ann = Client(stage, "ann")
    ann.edit(scene())
    for turn in range(9_000):
        ann.edit(name(f"n{turn}"))
    ann.join()
    while ann.replica.pending:
        stage.save()
    assert len(stage.ledger.log("p")) == 9_001
    assert ann.value("name") == "n8999"


def test_more_pending_edits_than_are_kept_are_refused() -> None:
    replica = Replica("token", iter(["c"]), keep_at_most=2)
    replica.edit([scene("s1")], 0.0)
    replica.edit([scene("s2")], 0.0)
    with pytest.raises(ProtocolError):
        replica.edit([scene("s3")], 0.0)
    assert replica.counter == 2


def test_a_program_that_ends_takes_up_its_edits_and_its_conflicts_again() -> None:
    """E4, O3: the edits under their ids, and what was overwritten while it was not there."""
    stage = Stage()
    ann, ben = stage.client("ann"), stage.client("ben")
    ann.edit(scene())
    stage.save()
    ben.cut()
    ben.edit(name("Ben's"))
    ann.edit(name("Ann's"))
    stage.save()
    ann.cut()
    waiting = ann.edit(scene("s2"))
    kept = keeping.read(keeping.dump(ann.replica, stage.now, 5_000))
    again = Client(stage, "ann")
    keeping.load(again.replica, kept, stage.now, 6_000)
    ben.join()
    stage.save()
    again.join()
    assert again.got("state")[-1].reason == "snapshot"
    stage.save()
    assert again.scenes == ["s1", "s2"]
    assert waiting in [commit.edit.id for commit in stage.ledger.log("p")]
    assert [told.mine for told in again.told(Overwritten)] == [True]


def test_a_client_whose_id_is_taken_becomes_another_one() -> None:
    """E1."""
    stage = Stage()
    ann = stage.client("ann")
    ann.mute = True
    ann.edit(scene())
    ann.cut()
    ann.do(ann.replica.closed(Close.CLIENT_ID_TAKEN))
    ann.mute = False
    assert [pending.edit.id for pending in ann.replica.pending] == [("ann2", 1)]
    assert ann.replica.pending[0].edit.guarded
    ann.join()
    stage.save()
    assert ann.scenes == ["s1"]


def test_frames_of_a_connection_before_its_state_mean_nothing() -> None:
    """E3: the state will bring what they say."""
    replica = Replica("token", iter(["c"]))
    outputs = replica.open(0.0)
    assert [type(output) for output in outputs] == [SendFrame]
    assert replica.received(Unsaved(held=True, why="store_away"), 0.0) == []
    assert replica.saving


def test_an_old_edit_says_how_old_it_is() -> None:
    """O4."""
    stage = Stage()
    ann = Client(stage, "ann")
    ann.edit(scene())
    stage.now += 90
    ann.join()
    (frame,) = [frame for frame in ann.sent if isinstance(frame, SendEdit)]
    assert frame.age == 90_000
