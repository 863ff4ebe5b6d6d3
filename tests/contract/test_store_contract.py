"""What every store does, whatever it is made of: one suite judges the memory twin and Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from scenehub.protocol.edits import EditId, FieldKey, Position
from scenehub.protocol.ledger import Batch, ClientIdTaken, Committed, ProjectNotFound, Rejected, Verdict
from scenehub.protocol.limits import REJECTS_KEPT
from scenehub.protocol.ops import (
    MemorySet,
    MessageAdd,
    MessageFields,
    MessageSet,
    ProjectFields,
    ProjectSet,
    SceneDelete,
    SceneFields,
    SceneMove,
    SceneRestore,
    SceneSet,
)
from scenehub.server.store.memory import MemoryStore
from scenehub.server.store.port import Store
from scenehub.server.store.postgres import open_store
from tests.store.author import Author, cells, fence_with, made, recoded, renamed, scene, value


@pytest.fixture(params=["memory", "postgres"])
def place(request: pytest.FixtureRequest) -> str | None:
    """The database of the store; None for memory. Not async: the database's fixtures run a loop of their own."""
    return None if request.param == "memory" else str(request.getfixturevalue("database_url"))


@pytest.fixture
async def store(place: str | None) -> AsyncIterator[Store]:
    if place is None:
        yield MemoryStore()
        return
    async with open_store(place, committers=8) as opened:
        yield opened


async def test_a_new_project_shows_what_it_was_made_with(store: Store) -> None:
    author = await made(store)
    assert author.head.seq == 0
    assert author.head.id is None
    assert value(author.document, "project", "project", "name") == "Launch"
    assert value(author.document, "project", "project", "fps") == 30
    assert (await store.projects())[0][:7] == ("launch", "Launch", 30, 1920, 1080, 0, 0)


async def test_making_a_project_twice_leaves_the_first_as_it_is(store: Store) -> None:
    author = await made(store)
    author.edit("c1", ProjectSet(set=ProjectFields(name="Renamed")))
    assert await author.save(store) is Verdict.SAVED
    assert not await store.create("launch", name="Other", fps=25, width=16, height=16)
    assert (await store.load("launch")).head == author.head


async def test_an_unknown_project_is_said_to_be_unknown(store: Store) -> None:
    """N6: a failed load seeds nothing."""
    with pytest.raises(ProjectNotFound):
        await store.load("nowhere")
    with pytest.raises(ProjectNotFound):
        await store.admit("nowhere", "c1", "ann", None)
    with pytest.raises(ProjectNotFound):
        await store.catch_up("nowhere", Position("e", 0, None), [])
    assert await store.heads(["nowhere"]) == {}


async def test_what_was_saved_is_what_is_loaded(store: Store) -> None:
    author = await made(store)
    author.edit(
        "c1", scene("s1", code="export default () => null", props={"title": "Hi", "gone": 1, "deep": {"a": [1.5]}})
    )
    author.edit("c2", scene("s2", position="b"), MessageAdd(id="m1", text="hello", scene="s1", asks=True))
    author.edit("c1", SceneSet(id="s1", set=SceneFields(props={"gone": None, "title": "Ho"}, duration=90)))
    author.edit("c2", SceneMove(id="s2", position="A"), MemorySet(key="voice", value={"calm": True}))
    author.edit("c1", ProjectSet(set=ProjectFields(fps=60, props={"theme": "dark", "off": None})))
    author.edit("c1", SceneDelete(id="s2"), MessageSet(id="m1", set=MessageFields(text="hello there")), user=None)
    author.edit("c2", MessageSet(id="m1", set=MessageFields(deleted=True)), MemorySet(key="voice", value=None))
    assert await author.save(store) is Verdict.SAVED
    loaded = await store.load("launch")
    assert loaded.head == author.head
    assert loaded.at == author.now
    assert cells(loaded.document) == cells(author.document)
    assert loaded.document.checksum() == author.document.checksum()


async def test_batch_after_batch_changes_only_what_it_writes(store: Store) -> None:
    author = await made(store)
    author.edit("c1", scene("s1", code="one", props={"a": 1, "b": 2}))
    assert await author.save(store) is Verdict.SAVED
    for op in (
        renamed("s1", "Outro"),
        SceneSet(id="s1", set=SceneFields(props={"b": None, "c": [None, {"d": None}]})),
        SceneDelete(id="s1"),
        SceneRestore(id="s1"),
        recoded("s1", "two"),
        ProjectSet(set=ProjectFields(width=1080, props={"x": None, "y": 0.5})),
        SceneMove(id="s1", position="Zz"),
    ):
        author.edit("c2", op)
        assert await author.save(store) is Verdict.SAVED
        assert cells((await store.load("launch")).document) == cells(author.document)


async def test_an_edit_may_add_a_scene_and_delete_it_at_once(store: Store) -> None:
    author = await made(store)
    author.edit("c1", scene("s1"), SceneDelete(id="s1"))
    assert await author.save(store) is Verdict.SAVED
    author.edit("c1", SceneRestore(id="s1"), renamed("s1", "Back"), SceneDelete(id="s1"))
    assert await author.save(store) is Verdict.SAVED
    assert cells((await store.load("launch")).document) == cells(author.document)


async def test_a_loaded_document_is_the_callers_own(store: Store) -> None:
    author = await made(store)
    author.edit("c1", scene("s1"))
    await author.save(store)
    mine = await store.load("launch")
    mine.document.entities.clear()
    assert value((await store.load("launch")).document, "scene", "s1", "name") == "Intro"


@pytest.mark.parametrize(
    "changed",
    [{"epoch": "other"}, {"seq": 1}, {"seq": 3}, {"id": EditId("c1", 7)}, {"id": None}, {"access": 1}],
    ids=str,
)
async def test_a_batch_fenced_elsewhere_misses_and_stores_nothing(store: Store, changed: dict[str, Any]) -> None:
    """O1, M3, N2."""
    author = await made(store)
    author.edit("c1", scene("s1"))
    author.edit("c1", scene("s2"))
    await author.save(store)
    before = await store.load("launch")
    author.edit("c1", renamed("s1", "Other"))
    shift = changed.get("seq", 2) - 2
    batch = fence_with(author.batch(), **changed)
    moved = [replace(each, seq=each.seq + shift) if isinstance(each, Committed) else each for each in batch.outcomes]
    assert await store.commit([replace(batch, outcomes=moved)]) == [Verdict.MISSED]
    after = await store.load("launch")
    assert after.head == before.head
    assert cells(after.document) == cells(before.document)


async def test_an_edit_that_is_saved_already_misses_when_it_is_sent_again(store: Store) -> None:
    """E1."""
    author = await made(store)
    author.edit("c1", scene("s1"))
    batch = author.batch()
    assert await store.commit([batch]) == [Verdict.SAVED]
    assert await store.commit([batch]) == [Verdict.MISSED]
    at_head = Author("launch", await store.load("launch"))
    at_head.edit("c1", scene("s2"), n=1)
    assert await at_head.save(store) is Verdict.MISSED
    at_head = Author("launch", await store.load("launch"))
    at_head.edit("c1", scene("s2"), n=3)
    assert await at_head.save(store) is Verdict.MISSED


async def test_a_client_of_another_user_misses(store: Store) -> None:
    """E1: a client is bound to its user."""
    author = await made(store)
    await store.admit("launch", "c1", "ann", None)
    author.edit("c1", scene("s1"), user="bob")
    assert await author.save(store) is Verdict.MISSED


async def test_of_two_batches_of_rejects_with_the_same_counter_one_is_saved(store: Store) -> None:
    """E1: rejects do not move the project on, the counters are what tells."""
    author = await made(store)
    author.edit("c1", scene("s1"))
    await author.save(store)
    for n in range(2, 12):
        rivals = [Author("launch", await store.load("launch")) for _ in range(4)]
        for rival in rivals:
            rival.counters["c1"] = n - 1
            rival.reject("c1")
        verdicts = await asyncio.gather(*(rival.save(store) for rival in rivals))
        assert sorted(verdicts) == [Verdict.MISSED] * 3 + [Verdict.SAVED]
    admission = await store.admit("launch", "c1", "user-of-c1", None)
    assert admission.row.counter == 11
    assert [kept.n for kept in admission.row.rejects] == list(range(2, 12))


async def test_of_many_rivals_for_one_seq_one_is_saved(store: Store) -> None:
    """O1."""
    await made(store)
    for turn in range(5):
        rivals = [Author("launch", await store.load("launch")) for _ in range(6)]
        for index, rival in enumerate(rivals):
            rival.edit(f"c{turn}-{index}", scene(f"s{turn}-{index}"))
        verdicts = await asyncio.gather(*(rival.save(store) for rival in rivals))
        assert sorted(verdicts) == [Verdict.MISSED] * 5 + [Verdict.SAVED]
    loaded = await store.load("launch")
    assert loaded.head.seq == 5
    assert sum(1 for _ in loaded.document.living("scene")) == 5


async def test_batches_of_overlapping_projects_all_end(store: Store) -> None:
    """N2: rows are locked in one order, whatever the order of the batches."""
    names = [f"p{index}" for index in range(6)]
    authors = [await made(store, name) for name in names]
    rivals = [Author(author.project, await store.load(author.project)) for author in authors]
    for turn in range(8):
        for side, group in (("a", authors), ("b", rivals)):
            for author in group:
                author.edit(f"{side}{turn}", scene(f"{side}-{author.project}-{turn}"))
        verdicts = await asyncio.gather(
            store.commit([author.batch() for author in authors]),
            store.commit([rival.batch() for rival in reversed(rivals)]),
        )
        assert {verdict for group in verdicts for verdict in group} <= {Verdict.SAVED, Verdict.MISSED}
        for one, other in zip(verdicts[0], reversed(verdicts[1]), strict=True):
            assert (one is Verdict.SAVED) != (other is Verdict.SAVED)
        authors = [Author(name, await store.load(name)) for name in names]
        rivals = [Author(name, await store.load(name)) for name in names]


async def test_a_project_that_moved_on_does_not_hold_up_the_others(store: Store) -> None:
    """N2."""
    authors = [await made(store, f"p{index}") for index in range(5)]
    for author in authors:
        author.edit("c1", scene(f"s-{author.project}"))
    batches = [author.batch() for author in authors]
    batches[2] = fence_with(batches[2], access=9)
    verdicts = await store.commit(batches)
    assert verdicts == [Verdict.SAVED, Verdict.SAVED, Verdict.MISSED, Verdict.SAVED, Verdict.SAVED]
    heads = await store.heads([author.project for author in authors])
    assert [heads[author.project].seq for author in authors] == [1, 1, 0, 1, 1]


async def test_a_batch_that_cannot_be_stored_is_found_and_its_neighbours_commit(store: Store) -> None:
    """N2, O7: a scene's id is unique in the installation."""
    first = await made(store, "first")
    first.edit("c1", scene("taken"))
    await first.save(store)
    authors = [await made(store, f"p{index}") for index in range(7)]
    for index, author in enumerate(authors):
        author.edit("c1", scene("taken" if index == 4 else f"s{index}"))
        author.reject("c2")
    verdicts = await store.commit([author.batch() for author in authors])
    assert verdicts == [Verdict.SAVED] * 4 + [Verdict.POISON] + [Verdict.SAVED] * 2
    admission = await store.admit("p4", "c2", "user-of-c2", None)
    assert admission.row.counter == 0
    assert admission.head.seq == 0


async def test_a_batch_out_of_order_or_of_an_earlier_time_is_poison(store: Store) -> None:
    """O1: seq has no holes; times increase strictly."""
    author = await made(store)
    author.edit("c1", scene("s1"))
    await author.save(store)
    author.edit("c1", scene("s2"))
    batch = author.batch()
    [commit] = batch.commits
    assert await store.commit([replace(batch, outcomes=[replace(commit, seq=3)])]) == [Verdict.POISON]
    assert await store.commit([replace(batch, outcomes=[replace(commit, at=commit.at - 1)])]) == [Verdict.POISON]
    assert await store.commit([batch]) == [Verdict.SAVED]


async def test_several_batches_of_one_project_are_stored_in_turn(store: Store) -> None:
    author = await made(store)
    batches: list[Batch] = []
    for index in range(3):
        author.edit("c1", scene(f"s{index}"))
        batches.append(author.batch())
    assert await store.commit(batches) == [Verdict.SAVED] * 3
    assert (await store.load("launch")).head == author.head


async def test_rejects_use_up_counters_and_the_latest_are_kept(store: Store) -> None:
    """E1."""
    author = await made(store)
    author.edit("c1", scene("s1"))
    for _ in range(REJECTS_KEPT):
        author.reject("c1")
    assert await author.save(store) is Verdict.SAVED
    author.reject("c1")
    author.edit("c1", scene("s1"))
    assert await author.save(store) is Verdict.SAVED
    row = (await store.admit("launch", "c1", "user-of-c1", None)).row
    assert row.counter == REJECTS_KEPT + 3
    assert [kept.n for kept in row.rejects] == list(range(4, REJECTS_KEPT + 4))
    assert row.rejects[-1].code == "id_taken"
    assert row.rejects[0].words == "refused number 4"


async def test_a_row_has_the_digests_of_the_latest_commits(store: Store) -> None:
    """E1: what tells the same edit from another one under its id."""
    author = await made(store)
    first, _, third = author.edit("c1", scene("s1")), author.reject("c1"), author.edit("c1", renamed("s1", "x"))
    await author.save(store)
    row = (await store.admit("launch", "c1", "user-of-c1", None)).row
    assert row.digests == {1: first.digest, 3: third.digest}
    caught = await store.catch_up("launch", Position(author.head.epoch, 0, None), ["c1", "c9"])
    assert caught.clients == {"c1": row}


async def test_each_admission_is_a_new_generation(store: Store) -> None:
    """M5."""
    author = await made(store)
    generations = [(await store.admit("launch", "c1", "ann", None)).row.generation for _ in range(3)]
    assert generations == [1, 2, 3]
    author.edit("c1", scene("s1"), user="ann")
    assert await author.save(store) is Verdict.SAVED
    together = await asyncio.gather(*(store.admit("launch", "c1", "ann", None) for _ in range(5)))
    assert sorted(admission.row.generation for admission in together) == [4, 5, 6, 7, 8]
    assert {admission.row.counter for admission in together} == {1}


async def test_a_client_id_of_another_user_is_taken(store: Store) -> None:
    """E1."""
    await made(store)
    await store.admit("launch", "c1", "ann", None)
    with pytest.raises(ClientIdTaken):
        await store.admit("launch", "c1", "bob", None)
    assert (await store.admit("launch", "c1", "ann", None)).row.generation == 2


async def test_a_position_is_known_by_epoch_seq_and_the_id_at_seq(store: Store) -> None:
    """O1."""
    author = await made(store)
    epoch = author.head.epoch
    for index in range(3):
        author.edit("c1", scene(f"s{index}"))
    await author.save(store)

    async def is_known(position: Position | None) -> bool:
        admission = await store.admit("launch", "c2", "bob", position)
        if position is not None:
            caught = await store.catch_up("launch", position, [])
            assert caught.replaced is not admission.known
        return admission.known

    assert await is_known(author.head.position)
    assert await is_known(Position(epoch, 2, EditId("c1", 2)))
    assert await is_known(Position(epoch, 0, None))
    assert not await is_known(None)
    assert not await is_known(Position(epoch, 2, EditId("c1", 3)))
    assert not await is_known(Position(epoch, 2, None))
    assert not await is_known(Position(epoch, 0, EditId("c1", 1)))
    assert not await is_known(Position(epoch, 4, EditId("c1", 4)))
    assert not await is_known(Position("other", 3, EditId("c1", 3)))


async def test_a_catch_up_brings_the_edits_as_they_were_stored(store: Store) -> None:
    """N3."""
    author = await made(store)
    author.edit("c1", scene("s1", code="x", props={"b": 1, "a": {"z": 1, "y": [1e300, 0.1, -5]}}))
    await author.save(store)
    position = author.head.position
    edits = [
        author.edit("c2", renamed("s1", "mine"), base=0, saw=(EditId("c3", 4),)),
        author.edit("c1", SceneDelete(id="s1"), SceneDelete(id="s1"), base=1),
        author.edit("c1", SceneRestore(id="s1"), renamed("s1", "back"), undoes=EditId("c2", 1), guarded=True),
        author.edit("c2", MessageAdd(id="m1", text="é\U0001f600"), run="run1"),
    ]
    author.reject("c3")
    await author.save(store)
    caught = await store.catch_up("launch", position, [])
    assert caught.head == author.head
    assert not caught.replaced
    assert list(caught.edits) == edits
    assert caught.edits[2].restored["s1"]["tsx_code"].value == "x"
    assert (await store.catch_up("launch", author.head.position, [])).edits in ((), [])


async def test_heads_of_many_projects_come_together(store: Store) -> None:
    """N3."""
    authors = [await made(store, f"p{index}") for index in range(3)]
    authors[1].edit("c1", scene("s1"))
    await authors[1].save(store)
    heads = await store.heads(["p0", "p1", "p2", "p3"])
    assert heads == {author.project: author.head for author in authors}


async def test_both_sides_of_an_overwrite_are_told_on_resume(store: Store) -> None:
    """O3: with the lost value."""
    author = await made(store)
    author.edit("c1", scene("s1"))
    await author.save(store)
    position = author.head.position
    author.edit("c1", renamed("s1", "first"))
    await author.save(store)
    author.edit("c2", renamed("s1", "second"), base=1)
    author.edit("c3", SceneSet(id="s1", set=SceneFields(duration=5)), base=1)
    await author.save(store)
    for client in ("c1", "c2"):
        admission = await store.admit("launch", client, f"user-of-{client}", position)
        [conflict] = admission.conflicts
        assert conflict == (
            FieldKey("scene", "s1", "name"),
            EditId("c1", 2),
            "user-of-c1",
            2,
            "first",
            EditId("c2", 1),
            "user-of-c2",
            3,
        )
    assert (await store.admit("launch", "c3", "user-of-c3", position)).conflicts == ()
    assert (await store.admit("launch", "c1", "user-of-c1", author.head.position)).conflicts == ()


async def test_only_the_newest_messages_are_loaded(store: Store) -> None:
    author = await made(store)
    for index in range(1_003):
        author.edit("c1", MessageAdd(id=f"m{index}", text=str(index)))
    assert await author.save(store) is Verdict.SAVED
    loaded = await store.load("launch")
    ids = {id for kind, id in loaded.document.entities if kind == "message"}
    assert ids == {f"m{index}" for index in range(3, 1_003)}
    author.document.forget_messages(1_000)
    assert cells(loaded.document) == cells(author.document)


async def test_a_refused_edit_is_not_in_the_log(store: Store) -> None:
    author = await made(store)
    author.edit("c1", scene("s1"))
    refused = author.edit("c1", renamed("nowhere", "x"))
    assert isinstance(refused, Rejected)
    assert await author.save(store) is Verdict.SAVED
    caught = await store.catch_up("launch", Position(author.head.epoch, 0, None), ["c1"])
    assert [commit.seq for commit in caught.edits] == [1]
    assert caught.clients["c1"].rejects[0].code == "not_found"


async def test_nothing_to_commit_is_nothing_done(store: Store) -> None:
    assert await store.commit([]) == []
