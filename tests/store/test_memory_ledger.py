"""What the memory ledger adds for simulations: going back, thinning its log, replacing history."""

from __future__ import annotations

from scenehub.protocol.edits import EditId, Position
from scenehub.protocol.ledger import Verdict
from scenehub.server.store.memory import MemoryStore
from tests.store.author import Author, cells, made, renamed, scene


async def test_a_copy_is_untouched_by_what_follows_and_can_be_gone_back_to_twice() -> None:
    """O1: a store that fails over to an older state lost its latest edits and does not know it."""
    store = MemoryStore()
    author = await made(store)
    author.edit("c1", scene("s1"))
    await author.save(store)
    before = await store.load("launch")
    copy = store.ledger.copy()
    for turn in range(2):
        later = Author("launch", await store.load("launch"))
        later.counters["c1"] = 1
        later.edit("c1", renamed("s1", f"lost {turn}"))
        later.edit("c2", scene("s2"))
        later.reject("c3")
        assert await later.save(store) is Verdict.SAVED
        store.ledger.restore(copy)
        after = await store.load("launch")
        assert after.head == before.head
        assert cells(after.document) == cells(before.document)
        assert (await store.catch_up("launch", later.head.position, [])).replaced
        assert (await store.catch_up("launch", before.head.position, ["c1", "c2", "c3"])).clients.keys() == {"c1"}


async def test_a_thinned_log_answers_only_for_what_it_has() -> None:
    store = MemoryStore()
    store.ledger = type(store.ledger)(log_kept=3)
    author = await made(store)
    for index in range(5):
        author.edit("c1", scene(f"s{index}"))
    await author.save(store)
    epoch = author.head.epoch
    assert (await store.catch_up("launch", Position(epoch, 0, None), [])).replaced
    assert (await store.catch_up("launch", Position(epoch, 2, EditId("c1", 2)), [])).replaced
    caught = await store.catch_up("launch", Position(epoch, 3, EditId("c1", 3)), [])
    assert [commit.seq for commit in caught.edits] == [4, 5]
    assert (await store.admit("launch", "c2", "bob", Position(epoch, 0, None))).known


async def test_replaced_history_has_another_epoch() -> None:
    """O1."""
    store = MemoryStore()
    author = await made(store)
    author.edit("c1", scene("s1"))
    await author.save(store)
    store.ledger.change_epoch("launch", "epoch2")
    assert not (await store.admit("launch", "c1", "user-of-c1", author.head.position)).known
    author.edit("c1", renamed("s1", "x"))
    assert await author.save(store) is Verdict.MISSED


async def test_a_store_that_is_away_comes_back_with_everything() -> None:
    """N4."""
    store = MemoryStore()
    author = await made(store)
    author.edit("c1", scene("s1"))
    batch = author.batch()
    store.away = True
    assert await store.commit([batch]) == [Verdict.FAILED]
    store.away = False
    assert await store.commit([batch]) == [Verdict.SAVED]
