"""Algebra of documents, by hypothesis: whatever way a state came about, it is the same (O1, O2, O5, E3)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scenehub.protocol.document import SCENE, Cell, Document, apply_edit, is_same
from scenehub.protocol.edits import Actor, Edit, EditId, FieldKey, Role
from scenehub.protocol.errors import Refusal
from scenehub.protocol.limits import Limits
from scenehub.protocol.ops import (
    MemorySet,
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
from scenehub.protocol.planning import Draft, Plan, allowed, plan
from scenehub.protocol.states import cell_of, delta_rows, snapshot_rows

IDS = st.sampled_from(["s1", "s2", "s3"])
WORDS = st.sampled_from(["x", "y", "z"])
OPS: st.SearchStrategy[Op] = st.one_of(
    st.builds(lambda id, word: SceneAdd(id=id, position="a1", name=word, duration=1, tsx_code=word), IDS, WORDS),
    st.builds(lambda id, word: SceneSet(id=id, set=SceneFields(name=word)), IDS, WORDS),
    st.builds(lambda id, word: SceneSet(id=id, set=SceneFields(props={word: None, "k": word})), IDS, WORDS),
    st.builds(lambda id, word: SceneMove(id=id, position="a" + word), IDS, WORDS),
    st.builds(lambda id: SceneDelete(id=id), IDS),
    st.builds(lambda id: SceneRestore(id=id), IDS),
    st.builds(lambda word: ProjectSet(set=ProjectFields(name=word)), WORDS),
    st.builds(lambda key, word: MemorySet(key=key, value=word), WORDS, WORDS | st.none()),
)
EDITS = st.lists(
    st.tuples(st.sampled_from("ab"), st.lists(OPS, min_size=1, max_size=3), st.integers(0, 20), st.booleans()),
    max_size=25,
)
LOG = list[tuple[int, Edit, Plan]]


def history(wanted: Any) -> tuple[Document, LOG]:
    """The edits of which the hub would commit, and the document they make."""
    document, log, counters = Document(), LOG(), {"a": 0, "b": 0}
    for client, ops, back, guarded in wanted:
        counters[client] += 1
        seq = len(log) + 1
        base = max(0, len(log) - back)
        edit = Edit(id=EditId(client, counters[client]), epoch="e", base=base, ops=tuple(ops), guarded=guarded)
        decided = plan(
            Draft(document), edit, Actor(user=client), seq=seq, at=seq, base=base, guarded=False, limits=Limits()
        )
        if isinstance(decided, Plan):
            for key, value in decided.writes:
                document.put(key, Cell(value, seq, edit.id, client))
            log.append((seq, edit, decided))
    return document, log


def apply_all(document: Document, log: LOG) -> Document:
    """What a replica does with commits."""
    for seq, edit, decided in log:
        apply_edit(document, edit.ops, edit.id, edit.id.client, seq, seq)
        for id, cells in decided.restored.items():
            document.take(SCENE, id, cells)
    return document


def with_rows(document: Document, rows: Any) -> Document:
    for kind, id, cells in rows:
        document.take(kind, id, {name: cell_of(cell) for name, cell in cells.items()})
    return document


@given(EDITS)
def test_a_replica_that_applies_the_ops_has_what_the_hub_planned(wanted: Any) -> None:
    """O1: one order, one state."""
    document, log = history(wanted)
    replica = apply_all(Document(), log)
    assert replica.entities == document.entities
    assert replica.checksum() == document.checksum()


@given(EDITS, st.integers(0, 25))
def test_a_delta_is_as_good_as_the_commits(wanted: Any, since: int) -> None:
    """E3."""
    document, log = history(wanted)
    replica = with_rows(apply_all(Document(), log[:since]), delta_rows(document, min(since, len(log))))
    assert replica.checksum() == document.checksum()
    assert dict(replica.living(SCENE)) == dict(document.living(SCENE))


@given(EDITS, st.integers(0, 25))
def test_a_snapshot_and_what_follows_is_as_good_as_everything(wanted: Any, cut: int) -> None:
    """E3, O5: also when a scene was met only as a tombstone and is restored later."""
    document, log = history(wanted)
    earlier = Document()
    for seq, edit, decided in log[:cut]:
        for key, value in decided.writes:
            earlier.put(key, Cell(value, seq, edit.id, edit.id.client))
    replica = apply_all(with_rows(Document(), snapshot_rows(earlier)), log[cut:])
    assert replica.checksum() == document.checksum()
    assert dict(replica.living(SCENE)) == dict(document.living(SCENE))


@given(EDITS)
def test_the_checksum_does_not_depend_on_the_order_in_which_cells_were_put(wanted: Any) -> None:
    document, _ = history(wanted)
    other = Document()
    for (kind, id), cells in reversed(document.entities.items()):
        for name, cell in reversed(cells.items()):
            other.put(FieldKey(kind, id, name), cell)
    assert other.checksum() == document.checksum()


@given(EDITS)
def test_each_field_holds_its_last_write(wanted: Any) -> None:
    """O2."""
    document, log = history(wanted)
    last = {key: (value, seq) for seq, _, decided in log for key, value in decided.writes}
    for key, (value, seq) in last.items():
        cell = document.cell(key)
        assert cell is not None
        assert (cell.value, cell.seq) == (value, seq)


@given(EDITS)
def test_a_plan_tells_exactly_what_was_overwritten_unseen(wanted: Any) -> None:
    """O3, O4."""
    _, log = history(wanted)
    last: dict[FieldKey, tuple[int, str, Any]] = {}
    for seq, edit, decided in log:
        deleted = {key[:2] for key, value in decided.writes if key.field == "deleted" and value is True}
        met = {key for key, _ in decided.writes} | {key for key in last if key[:2] in deleted}
        final = dict(decided.writes)
        unseen = {
            key
            for key in met
            if key in last
            and last[key][0] > edit.base
            and last[key][1] != edit.id.client
            and (key not in final or key[:2] in deleted or not is_same(last[key][2], final[key]))
        }
        assert {row.key for row in decided.overwrote} == unseen
        assert not (edit.guarded and unseen)
        last |= {key: (seq, edit.id.client, value) for key, value in decided.writes}


@settings(max_examples=50)
@given(EDITS, st.lists(OPS, min_size=1, max_size=4))
def test_an_edit_that_is_refused_leaves_nothing_behind(wanted: Any, ops: list[Op]) -> None:
    """O7."""
    document, _ = history(wanted)
    draft = Draft(document)
    edit = Edit(id=EditId("c", 1), epoch="e", base=0, ops=(*ops, SceneSet(id="nowhere", set=SceneFields(name="x"))))
    decided = plan(draft, edit, Actor(user="c"), seq=99, at=99, base=0, guarded=False, limits=Limits())
    assert isinstance(decided, Refusal)
    assert not draft.written


def test_true_is_not_one() -> None:
    """O3: for Python they are equal, on the wire they are not."""
    assert not is_same({"a": [1]}, {"a": [True]})
    assert is_same({"a": [1, None]}, {"a": [1, None]})


def test_a_commenter_may_do_nothing_but_chat() -> None:
    """M3."""
    refusal = allowed([SceneDelete(id="s")], Role.COMMENTER, Actor(user="u"))
    assert refusal is not None
    assert refusal.culprit == "ops.0"
