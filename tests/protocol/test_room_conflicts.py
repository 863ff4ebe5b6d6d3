"""Scenes of order and conflicts in a room (O1–O8), each with its rule."""

from __future__ import annotations

import pytest

from scenehub.protocol.edits import Actor, ActorKind, Edit, EditId, Role, digest_of_raw
from scenehub.protocol.errors import ErrorCode, ProtocolError, Refusal
from scenehub.protocol.happenings import Choice, Merged, Overwritten, Rejected, Saved
from scenehub.protocol.ops import (
    ComponentSet,
    SceneAdd,
    SceneDelete,
    SceneFields,
    SceneRestore,
    SceneSet,
)

from .stage import Stage, code, name, scene, two


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
