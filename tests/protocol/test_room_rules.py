"""Scenes in a room, one or two to a rule of design §4."""

from __future__ import annotations

import pytest

from scenehub.protocol.closing import Close
from scenehub.protocol.edits import Actor, ActorKind, Edit, EditId, Role, digest_of_raw
from scenehub.protocol.errors import ErrorCode, ProtocolError, Refusal
from scenehub.protocol.happenings import Choice, ErrorHeard, Merged, Overwritten, Rejected, Replaced, Saved
from scenehub.protocol.ledger import Verdict
from scenehub.protocol.limits import Limits
from scenehub.protocol.messages import SendEdit
from scenehub.protocol.ops import (
    ComponentSet,
    SceneAdd,
    SceneDelete,
    SceneFields,
    SceneMove,
    SceneRestore,
    SceneSet,
)
from scenehub.protocol.presence import Presence

from .stage import Client, Stage, code, name, scene


def two(stage: Stage | None = None) -> tuple[Stage, Client, Client]:
    """Ann and Ben in one room with a saved scene."""
    stage = stage or Stage()
    ann, ben = stage.client("ann"), stage.client("ben")
    ann.edit(scene())
    stage.save()
    return stage, ann, ben


# Order and conflicts.


def test_edits_get_contiguous_seqs_from_one() -> None:
    """O1."""
    stage, ann, ben = two()
    for turn in range(3):
        ann.edit(name(f"a{turn}"))
        ben.edit(name(f"b{turn}"))
    stage.save()
    assert [commit.seq for commit in stage.ledger.log("p")] == list(range(1, 8))
    assert ann.replica.position == ben.replica.position == stage.ledger.heads(["p"])["p"].position


def test_a_client_of_another_epoch_starts_from_a_snapshot() -> None:
    """O1: the epoch is compared for equality only."""
    stage, ann, _ = two()
    ann.cut()
    stage.ledger.change_epoch("p", "e2")
    stage.load("A")
    ann.join()
    assert ann.got("state")[-1].why == "epoch_changed"
    assert ann.replica.position is not None
    assert ann.replica.position.epoch == "e2"


def test_different_fields_never_conflict() -> None:
    """O2."""
    stage, ann, ben = two()
    ann.edit(name("Ann's"))
    ben.edit(SceneSet(id="s1", set=SceneFields(duration=99)))
    stage.save()
    assert (ben.value("name"), ann.value("duration")) == ("Ann's", 99)
    assert not ann.told(Overwritten)
    assert not ben.told(Overwritten)


def test_both_sides_are_told_of_an_overwritten_value() -> None:
    """O3."""
    stage, ann, ben = two()
    ben.deaf = True
    ann.edit(name("Ann's"))
    stage.save()
    ben.edit(name("Ben's"))
    ben.deaf = False
    ben.replica.connected = True
    stage.save()
    (notice,) = ann.told(Overwritten)
    assert notice.mine
    assert notice.notice.lost_value == "Ann's"
    assert notice.notice.by_user == "user-ben"


def test_who_saw_the_relay_overwrites_without_a_notice() -> None:
    """O3: the author names the relay that was in view."""
    stage, ann, ben = two()
    ann.edit(name("Ann's"))
    ben.edit(name("Ben's"))
    stage.save()
    assert ann.value("name") == "Ben's"
    assert not ann.told(Overwritten)
    assert not ben.told(Overwritten)


def test_a_conflict_is_told_on_resume_to_who_was_away() -> None:
    """O3: also later."""
    stage, ann, ben = two()
    ben.cut()
    ben.edit(name("Ben's"))
    ann.edit(name("Ann's"))
    stage.save()
    ann.cut()
    ben.join()
    stage.save()
    ann.join()
    assert [notice.mine for notice in ann.told(Overwritten)] == [True]
    assert [notice.mine for notice in ben.told(Overwritten)] == [False]


def test_deleting_counts_as_writing_every_field() -> None:
    """O3."""
    stage, ann, ben = two()
    ben.cut()
    ben.edit(SceneDelete(id="s1"))
    ann.edit(name("Ann's"))
    stage.save()
    ben.join()
    stage.save()
    assert {(told.notice.key.field, told.mine) for told in ann.told(Overwritten)} == {("name", True)}


def test_code_is_never_overwritten_blindly() -> None:
    """O4: what does not overlap is merged by its author."""
    stage, ann, ben = two()
    ben.cut()
    ben.edit(code("a\nb\nBEN"))
    ann.edit(code("ANN\nb\nc"))
    stage.save()
    ben.join()
    stage.save()
    stage.save()
    assert ann.value("tsx_code") == ben.value("tsx_code") == "ANN\nb\nBEN"
    assert ben.told(Merged)
    assert not ben.told(Choice)


def test_where_changes_overlap_a_person_chooses() -> None:
    """O4: nothing that was typed is lost."""
    stage, ann, ben = two()
    ben.cut()
    ben.edit(code("BEN\nb\nc"))
    ann.edit(code("ANN\nb\nc"))
    stage.save()
    ben.join()
    stage.save()
    (choice,) = ben.told(Choice)
    assert choice.edit.ops[0].set.tsx_code == "BEN\nb\nc"
    assert ben.value("tsx_code") == "ANN\nb\nc"


def test_what_was_typed_on_top_of_a_stale_edit_is_merged_with_it() -> None:
    """O4: one merge for the whole chain, from the text that the chain began with."""
    stage, ann, ben = two()
    ben.cut()
    ben.edit(code("a\nb\nc1"))
    ben.edit(code("a\nb\nc1\nd"))
    ann.edit(code("ANN\nb\nc"))
    stage.save()
    ben.join()
    for _ in range(3):
        stage.save()
    assert ann.value("tsx_code") == "ANN\nb\nc1\nd"


def test_code_that_was_written_on_top_of_a_relay_is_stale_when_that_is_rejected() -> None:
    """O4: Ben's text holds what Ann's relay did, and Ann's edit never came to be."""
    stage = Stage("A", "B")
    ann, ben, cid = stage.client("ann", "A"), stage.client("ben", "B"), stage.client("cid", "B")
    ann.edit(scene())
    stage.save("A")
    stage.tell("B")
    cid.edit(code("a\nCID\nc"))
    stage.save("B")
    ann.edit(code("a\nc"))
    stage.tell("B", "relay")
    assert ben.value("tsx_code") == "a\nc"
    ben.edit(code("a\nc\nBEN"))
    stage.save("A")
    stage.tell("B", "reject")
    stage.save("B")
    stage.save("B")
    assert "CID" in ben.value("tsx_code")
    assert "BEN" in ben.value("tsx_code")


def test_an_edit_that_is_a_minute_old_is_guarded() -> None:
    """O4."""
    stage, ann, ben = two()
    ben.cut()
    ben.edit(name("Ben's"))
    ann.edit(name("Ann's"))
    stage.save()
    stage.now += 61
    ben.join()
    stage.save()
    assert [rejected.code for rejected in ben.told(Rejected)] == ["stale"]
    assert ben.value("name") == "Ann's"


@pytest.mark.parametrize("guard", ["guarded", "undoes", "brain"])
def test_undo_brain_and_guarded_edits_do_not_overwrite(guard: str) -> None:
    """O4."""
    stage, ann, _ = two()
    ann.edit(name("Ann's"))
    stage.save()
    edit = Edit(id=EditId("x", 1), epoch="e1", base=1, ops=(name("X's"),), guarded=guard == "guarded",
                undoes=EditId("x", 9) if guard == "undoes" else None)  # fmt: skip
    kind = ActorKind.BRAIN if guard == "brain" else ActorKind.PERSON
    stage.perform("A", stage.rooms["A"].act(edit, Actor(user="x", kind=kind), stage.now))
    stage.save()
    assert ann.value("name") == "Ann's"


def test_an_op_on_a_deleted_scene_is_rejected() -> None:
    """O5."""
    stage, ann, ben = two()
    ben.cut()
    ben.edit(name("Ben's"))
    ann.edit(SceneDelete(id="s1"))
    stage.save()
    ben.join()
    stage.save()
    assert [rejected.code for rejected in ben.told(Rejected)] == ["scene_deleted"]
    assert ben.scenes == []
    assert ben.replica.view.deleted_scenes == ["s1"]


def test_a_restore_brings_the_whole_scene_to_who_met_it_only_as_a_tombstone() -> None:
    """O5."""
    stage, ann, _ = two()
    ann.edit(SceneDelete(id="s1"))
    stage.save()
    cid = stage.client("cid")
    ann.edit(SceneRestore(id="s1"))
    stage.save()
    assert cid.value("tsx_code") == "a\nb\nc"
    assert cid.replica.confirmed.checksum() == ann.replica.confirmed.checksum()


def test_what_was_known_of_a_scene_before_it_was_deleted_does_not_come_back() -> None:
    """O5, E3: a client that missed changes and the delete restores what is there, not what it remembers."""
    stage, ann, ben = two()
    ben.cut()
    ann.edit(code("new"))
    ann.edit(SceneDelete(id="s1"))
    stage.save()
    ben.join()
    ben.edit(SceneRestore(id="s1"))
    assert ben.value("tsx_code") is None
    stage.save()
    assert ben.value("tsx_code") == "new"


def test_deleting_and_restoring_twice_commits_and_does_nothing() -> None:
    """O5."""
    stage, ann, _ = two()
    for op in (SceneDelete(id="s1"), SceneDelete(id="s1"), SceneRestore(id="s1"), SceneRestore(id="s1")):
        ann.edit(op)
        stage.save()
    assert len(ann.told(Saved)) == 5
    assert ann.scenes == ["s1"]


def test_restore_and_apply_mine_is_one_edit() -> None:
    """O5."""
    stage, ann, ben = two()
    ann.edit(SceneDelete(id="s1"))
    stage.save()
    ben.edit(SceneRestore(id="s1"), code("mine"))
    stage.save()
    assert ann.value("tsx_code") == ben.value("tsx_code") == "mine"


def test_long_keys_are_rebalanced_by_an_edit_of_the_system() -> None:
    """O6."""
    stage, ann, ben = two()
    ann.edit(scene("s2", position="a1" + "V" * 101))
    ann.edit(scene("s0", position="a0"))
    stage.save()
    stage.wait(1.5)
    stage.save()
    assert ann.scenes == ben.scenes == ["s0", "s1", "s2"]
    assert max(len(one.position) for one in ann.replica.view.scenes) < 10
    assert stage.ledger.log("p")[-1].actor.kind is ActorKind.SYSTEM


@pytest.mark.parametrize(
    ("ops", "code_word"),
    [
        ([name("x", "nowhere")], "not_found"),
        ([SceneAdd(id="s1", position="a2", name="again", duration=1)], "id_taken"),
    ],
)
def test_a_bad_edit_is_rejected_once_and_disturbs_nobody(ops: list[SceneAdd], code_word: str) -> None:
    """O7: never relayed, the connection stays, the neighbours' edits commit."""
    stage, ann, ben = two()
    ben.frames.clear()
    ann.edit(*ops)
    good = ben.edit(name("fine"))
    stage.save()
    assert [rejected.code for rejected in ann.told(Rejected)] == [code_word]
    assert ann.closed_with is None
    assert not ben.got("relay")
    assert [saved.id for saved in ben.told(Saved)] == [good]


def test_an_edit_whose_body_cannot_be_read_is_rejected_in_its_turn() -> None:
    """O7, E1: it uses up its counter, so that what follows is not out of order."""
    stage, ann, _ = two()
    ann.mute = True
    id = ann.edit(name("garbled"))
    ann.mute = False
    refusal = Refusal(ErrorCode.UNKNOWN_OP, "unknown kind of op", "edit.ops.0")
    digest = digest_of_raw({"t": "edit", "age": 3, "edit": {"id": list(id)}})
    stage.perform("A", stage.rooms["A"].bad_edit(ann.session, id, digest, refusal, stage.now))
    ann.edit(name("fine"))
    stage.save()
    assert [(one.id, one.code) for one in ann.told(Rejected)] == [(id, "unknown_op")]
    assert ann.value("name") == "fine"


def test_the_digest_of_a_bad_edit_does_not_depend_on_when_it_was_sent() -> None:
    """E1: the frame around it tells its age."""
    edit = {"id": ["c", 1], "ops": [{"kind": "scene.zap"}]}
    assert digest_of_raw({"t": "edit", "edit": edit, "age": 1}) == digest_of_raw({"t": "edit", "edit": edit, "age": 9})


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER])
def test_roles_are_enforced_at_the_hub_and_known_to_the_replica(role: Role) -> None:
    """O7, M3."""
    stage, ann, _ = two()
    eve = stage.client("eve", role=role)
    with pytest.raises(ProtocolError):
        eve.edit(name("Eve's"))
    eve.replica.role = Role.OWNER
    eve.edit(name("Eve's"))
    stage.save()
    assert [one.code for one in eve.told(Rejected)] == ["forbidden"]
    assert ann.value("name") == "s1"


def test_what_a_snapshot_shows_of_builds_changes_by_edits_of_the_system() -> None:
    """O8."""
    stage, ann, _ = two()
    edit = Edit(id=EditId("builder", 1), epoch="e1", base=1, ops=(ComponentSet(id="s1", component="abc"),))
    system = Actor(user="system", kind=ActorKind.SYSTEM)
    stage.perform("A", stage.rooms["A"].act(edit, system, stage.now))
    stage.save()
    assert ann.replica.view.scenes[0].component == "abc"
    with pytest.raises(ProtocolError):
        ann.edit(ComponentSet(id="s1", component="mine"))


# Two stages.


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


# Nodes and members.


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
