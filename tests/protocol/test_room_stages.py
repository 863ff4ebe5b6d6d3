"""Scenes of the two stages, and of exactly once (S1–S6, E1–E4, N2, N4), each with its rule."""

from __future__ import annotations

import pytest

from scenehub.protocol.edits import Edit, EditId
from scenehub.protocol.happenings import Choice, ErrorHeard, Merged, Rejected, Replaced, Saved
from scenehub.protocol.ledger import Verdict
from scenehub.protocol.messages import SendEdit
from scenehub.protocol.ops import (
    SceneFields,
    SceneSet,
)

from .stage import Stage, code, name, scene, two


def test_an_edit_reaches_everyone_before_it_is_saved_marked_as_unsaved() -> None:
    """S1, S2."""
    stage, ann, ben = two()
    ann.edit(name("new"))
    assert ben.value("name") == "new"
    assert ben.replica.view.unsaved_fields("scene", "s1") == ["name"]
    assert len(ann.told(Saved)) == 1
    stage.save()
    assert ben.replica.view.unsaved_fields("scene", "s1") == []
    assert len(ann.told(Saved)) == 2


def test_every_view_returns_to_what_it_was_when_an_edit_is_rejected() -> None:
    """S3: Ben sees a relay of an edit that another node's commit has made stale."""
    stage = Stage("A", "B")
    ann, ben, cid = stage.client("ann", "A"), stage.client("ben", "A"), stage.client("cid", "B")
    ann.edit(scene())
    stage.save("A")
    stage.tell("B")
    cid.edit(code("X\nb\nc"))
    stage.save("B")
    id = ann.edit(code("Y\nb\nc"))
    assert ben.value("tsx_code") == "Y\nb\nc"
    stage.save("A")
    assert ben.value("tsx_code") == "X\nb\nc"
    assert ben.replica.relays.get(id) is None
    assert ann.told(Choice)


def test_a_field_with_an_own_pending_edit_does_not_flicker() -> None:
    """S4."""
    stage, ann, ben = two()
    ann.edit(name("mine"))
    ben.edit(name("theirs"))
    assert ann.value("name") == "mine"
    assert ben.value("name") == "theirs"
    stage.save()
    assert ann.value("name") == ben.value("name") == "theirs"


def test_a_relay_of_a_committed_edit_is_ignored() -> None:
    """S5."""
    stage = Stage("A", "B")
    ann, ben = stage.client("ann", "A"), stage.client("ben", "B")
    ann.edit(scene())
    (relay,) = [event for _, event in stage.events if event["e"] == "relay"]
    stage.save("A")
    stage.tell("B")
    stage.perform("B", stage.rooms["B"].hear(relay, stage.now))
    assert not ben.replica.relays


def test_a_holder_unheard_for_five_seconds_hides_its_relays() -> None:
    """S5."""
    stage = Stage("A", "B")
    ann, ben = stage.client("ann", "A"), stage.client("ben", "B")
    ann.edit(scene())
    stage.tell("B")
    stage.wait(4, "B")
    assert ben.scenes == ["s1"]
    stage.wait(2, "B")
    assert ben.scenes == []


def test_a_relay_that_its_holder_holds_no_more_goes_with_the_next_lease() -> None:
    """S5: the reject was lost on the bus."""
    stage = Stage("A", "B")
    ann, ben = stage.client("ann", "A"), stage.client("ben", "B")
    ann.edit(scene())
    stage.tell("B")
    stage.perform("A", stage.rooms["A"].leave(ann.session))
    stage.rooms["A"].queue.remove([EditId("ann1", 1)])
    stage.client("cid", "A")
    for _ in range(4):
        stage.wait(1)
        stage.tell("B", "lease")
    assert ben.scenes == []


def test_a_holder_that_restarts_owns_nothing_of_its_earlier_life() -> None:
    """S5."""
    stage = Stage("A", "B")
    ann, ben = stage.client("ann", "A"), stage.client("ben", "B")
    ann.edit(scene())
    stage.tell("B")
    stage.load("A", generation="2")
    stage.perform("A", stage.rooms["A"].introduce())
    stage.tell("B")
    assert ben.scenes == []


def test_a_client_is_not_welcomed_before_the_room_has_reached_what_the_store_showed_it() -> None:
    """S6."""
    stage = Stage("A", "B")
    ann = stage.client("ann", "A")
    ann.edit(scene())
    stage.save("A")
    ann.cut()
    assert stage.rooms["B"].head.seq == 0
    stage.store_away = True
    ann.join("B")
    assert not ann.replica.connected
    stage.store_away = False
    stage.wait(1, "B")
    assert ann.replica.connected
    assert ann.scenes == ["s1"]


# Exactly once.


def test_an_edit_that_is_sent_again_through_another_node_has_one_outcome() -> None:
    """E1."""
    stage = Stage("A", "B")
    ann = stage.client("ann", "A")
    ann.deaf = True
    id = ann.edit(scene())
    stage.save("A")
    ann.cut()
    ann.deaf = False
    ann.join("B")
    stage.save("B")
    assert [commit.edit.id for commit in stage.ledger.log("p")] == [id]
    assert [saved.id for saved in ann.told(Saved)] == [id]


def test_an_edit_that_two_nodes_hold_commits_once() -> None:
    """E1: both have it in their queues; the second finds the counter used."""
    stage = Stage("A", "B")
    ann, ben = stage.client("ann", "A"), stage.client("ben", "A")
    ann.edit(scene())
    ann.cut(told=False)
    ann.join("B")
    stage.save("B")
    stage.save("A")
    assert len(stage.ledger.log("p")) == 1
    assert ben.scenes == ann.scenes == ["s1"]
    assert not stage.rooms["A"].queue.entries


def test_a_gap_in_counters_is_refused_and_filled() -> None:
    """E1."""
    stage, ann, _ = two()
    ann.mute = True
    first = ann.edit(name("one"))
    ann.mute = False
    ann.edit(name("two"))
    assert [one.error.code for one in ann.told(ErrorHeard)] == ["counter_gap"]
    stage.wait(0.5)
    stage.save()
    assert first in [saved.id for saved in ann.told(Saved)]
    assert ann.value("name") == "two"


def test_the_same_id_with_another_body_is_another_client() -> None:
    """E1."""
    stage, ann, _ = two()
    id = ann.edit(name("one"))
    other = Edit(id=id, epoch="e1", base=1, ops=(name("two"),))
    stage.receive("A", ann, SendEdit(edit=other))
    assert [one.error.code for one in ann.told(ErrorHeard)] == ["client_id_taken"]
    assert ann.replica.client != id.client


def test_a_reject_elsewhere_is_not_taken_for_a_commit_when_a_later_edit_commits() -> None:
    """E1: node B rejects Ann's second edit and commits her third; A hears of the commit alone."""
    stage = Stage("A", "B")
    ann = stage.client("ann", "A")
    ann.edit(scene())
    stage.save("A")
    stage.check_head("B")
    bad = ann.edit(name("x", "nowhere"))
    good = ann.edit(name("good"))
    ann.cut(told=False)
    ann.join("B")
    ann.mute = True
    ann.cut(told=False)
    stage.save("B")
    ann.mute = False
    ann.join("A")
    stage.tell("A", "commit")
    stage.save("A")
    assert [one.id for one in ann.told(Rejected)] == [bad]
    assert good in [one.id for one in ann.told(Saved)]
    assert not ann.replica.pending


def test_without_the_store_there_is_no_reject_and_edits_go_back_after_thirty_seconds() -> None:
    """E2, N4."""
    stage, ann, ben = two()
    bad, good = ann.edit(name("x", "nowhere")), ann.edit(name("good"))
    stage.save(verdict=Verdict.FAILED)
    assert ann.replica.status == ben.replica.status == "not saved"
    assert ben.value("name") == "good"
    stage.store_away = True
    stage.wait(29)
    assert ben.value("name") == "good"
    stage.now += 2
    stage.perform("A", stage.rooms["A"].tick(stage.now))
    assert ben.value("name") == "s1"
    assert not ann.told(Rejected)
    assert len(ann.replica.pending) == 2
    stage.store_away = False
    stage.perform("A", stage.rooms["A"].caught_up(stage.ledger.catch_up("p", stage.rooms["A"].head.position, ()), 0.0))
    stage.wait(3)
    stage.save()
    assert [one.id for one in ann.told(Rejected)] == [bad]
    assert good in [one.id for one in ann.told(Saved)]


@pytest.mark.parametrize("happened", [True, False])
def test_an_unknown_outcome_is_resolved_from_the_clients_row(happened: bool) -> None:
    """E2: the connection was lost during COMMIT."""
    stage, ann, _ = two()
    id = ann.edit(name("new"))
    room = stage.rooms["A"]
    batch = room.take(stage.now)
    assert batch is not None
    if happened:
        assert stage.ledger.commit(batch) is Verdict.SAVED
    stage.perform("A", room.verdict(Verdict.UNKNOWN, stage.now))
    stage.save()
    assert [saved.id for saved in ann.told(Saved)].count(id) == 1
    assert len(stage.ledger.log("p")) == 2


def test_of_a_batch_that_cannot_be_stored_only_the_culprit_is_rejected() -> None:
    """N2."""
    stage, ann, ben = two()
    stage.ledger.create("q", epoch="e1", name="Other", fps=30, width=1920, height=1080)
    stage.ledger.claim("q", "scene", "taken")
    ids = [ann.edit(name(f"n{turn}")) for turn in range(5)]
    culprit = ben.edit(scene("taken"))
    ids += [ann.edit(name(f"m{turn}")) for turn in range(5)]
    stage.save()
    assert [one.id for one in ben.told(Rejected)] == [culprit]
    assert {saved.id for saved in ann.told(Saved)} >= set(ids)


def test_a_resume_brings_a_delta_that_replaces_and_the_whole_set_of_relays() -> None:
    """E3."""
    stage, ann, ben = two()
    gone = ben.edit(name("Ben's"))
    assert gone in ann.replica.relays
    ann.cut()
    stage.save()
    held = ben.edit(SceneSet(id="s1", set=SceneFields(duration=7)))
    ann.frames.clear()
    ann.join()
    (state,) = ann.got("state")
    assert state.reason == "delta"
    assert [(kind, id, sorted(cells)) for kind, id, cells in state.entities] == [("scene", "s1", ["name"])]
    assert list(ann.replica.relays) == [held]


def test_a_delta_that_builds_upon_what_the_client_has_not_is_not_used() -> None:
    """E3, M2: the shell was wrong about what reached a slow reader."""
    stage, ann, ben = two()
    ben.deaf = True
    ann.edit(name("new"))
    stage.save()
    stage.perform("A", stage.rooms["A"].lagging(ben.session, stage.rooms["A"].head.seq, stage.now))
    ben.deaf = False
    stage.perform("A", stage.rooms["A"].drained(ben.session, stage.now))
    assert ben.value("name") == "new"
    assert not [one for one in ben.told(Replaced) if one.reason == "diverged"]


def test_a_difference_of_checksums_is_repaired_by_a_snapshot() -> None:
    """E3, design §6 `pong`."""
    stage, ann, _ = two()
    key = next(iter(ann.replica.confirmed.entities))
    field, cell = next(iter(ann.replica.confirmed.entities[key].items()))
    ann.replica.confirmed.entities[key][field] = cell._replace(value="rotten")
    ann.replica.confirmed._sums.clear()
    stage.wait(9)
    assert [one.reason for one in ann.told(Replaced)][-2:] == ["diverged", "snapshot"]
    assert ann.replica.confirmed.checksum() == stage.rooms["A"].document.checksum()


def test_pending_edits_survive_a_change_of_epoch_as_guarded_ones() -> None:
    """E4."""
    stage, ann, ben = two()
    ann.cut()
    ann.edit(name("Ann's"))
    ben.edit(name("Ben's"))
    stage.save()
    stage.ledger.change_epoch("p", "e2")
    stage.load("A")
    ann.join()
    stage.save()
    assert [one.code for one in ann.told(Rejected)] == ["stale"]


def test_saved_edits_that_a_failover_lost_are_announced_and_sent_again() -> None:
    """E1, E4: the store goes back to an older copy."""
    stage, ann, _ = two()
    copy = stage.ledger.copy()
    lost = ann.edit(scene("s2", position="a2"))
    stage.save()
    stage.ledger.restore(copy)
    ann.cut()
    stage.load("A")
    ann.join()
    assert [one.reason for one in ann.told(Replaced)][-1] == "history"
    into = next(one.into for one in ann.told(Merged) if one.id == lost)
    ann.cut()
    ann.join()
    stage.save()
    assert into in [one.id for one in ann.told(Saved)]
    assert ann.scenes == ["s1", "s2"]
