"""Which texts of a scene's code are kept as versions: a text that mattered to somebody is never lost."""

from __future__ import annotations

from typing import Any

import asyncpg

from scenehub.protocol.edits import ActorKind
from scenehub.protocol.ledger import Verdict
from scenehub.protocol.ops import SceneDelete, SceneRestore
from scenehub.server.store.postgres import PostgresStore
from tests.store.author import Author, made, recoded, renamed, scene

SECONDS = 1_000


async def versions(beside: asyncpg.Connection) -> list[tuple[Any, ...]]:
    rows = await beside.fetch("SELECT version, tsx_code, user_id, seq FROM scene_iterations ORDER BY version")
    return [tuple(row) for row in rows]


async def saved(author: Author, store: PostgresStore) -> None:
    assert await author.save(store) is Verdict.SAVED


async def test_one_author_within_30_seconds_has_one_version(store: PostgresStore, beside: asyncpg.Connection) -> None:
    author = await made(store)
    author.edit("c1", scene("s1", code="one"))
    author.edit("c1", recoded("s1", "two"), later=10 * SECONDS)
    await saved(author, store)
    author.edit("c1", recoded("s1", "three"), later=19 * SECONDS)
    await saved(author, store)
    assert await versions(beside) == [(1, "three", "user-of-c1", 3)]


async def test_after_30_seconds_a_new_version_begins(store: PostgresStore, beside: asyncpg.Connection) -> None:
    """Counted from the version's first text: who types without a pause leaves one every half minute."""
    author = await made(store)
    author.edit("c1", scene("s1", code="0"))
    for step in range(1, 10):
        author.edit("c1", recoded("s1", str(step)), later=10 * SECONDS)
        if step % 2:
            await saved(author, store)
    assert [text for _, text, _, _ in await versions(beside)] == ["2", "5", "8", "9"]


async def test_another_author_begins_a_new_version(store: PostgresStore, beside: asyncpg.Connection) -> None:
    author = await made(store)
    author.edit("c1", scene("s1", code="ann's"))
    author.edit("c2", recoded("s1", "bob's"))
    author.edit("c1", recoded("s1", "ann's again"))
    await saved(author, store)
    assert [(version, text) for version, text, _, _ in await versions(beside)] == [
        (1, "ann's"),
        (2, "bob's"),
        (3, "ann's again"),
    ]


async def test_the_brain_and_each_of_its_runs_are_other_authors(
    store: PostgresStore, beside: asyncpg.Connection
) -> None:
    author = await made(store)
    author.edit("c1", scene("s1", code="typed"), user="ann")
    author.edit("c2", recoded("s1", "run 1"), user="ann", actor=ActorKind.BRAIN, run="r1")
    author.edit("c2", recoded("s1", "run 1, better"), user="ann", actor=ActorKind.BRAIN, run="r1")
    author.edit("c2", recoded("s1", "run 2"), user="ann", actor=ActorKind.BRAIN, run="r2")
    await saved(author, store)
    assert [text for _, text, _, _ in await versions(beside)] == ["typed", "run 1, better", "run 2"]


async def test_a_text_that_was_overwritten_stays_a_version(store: PostgresStore, beside: asyncpg.Connection) -> None:
    """O4: also when both tabs are the same person's."""
    author = await made(store)
    author.edit("c1", scene("s1", code="start"), user="ann")
    author.edit("c1", recoded("s1", "tab one"))
    author.edit("c2", recoded("s1", "tab two"), user="ann")
    await saved(author, store)
    assert [text for _, text, _, _ in await versions(beside)] == ["tab one", "tab two"]


async def test_what_leaves_the_code_as_it_is_makes_no_version(store: PostgresStore, beside: asyncpg.Connection) -> None:
    author = await made(store)
    author.edit("c1", scene("s1"))
    author.edit("c2", renamed("s1", "Other"))
    author.edit("c2", SceneDelete(id="s1"))
    author.edit("c1", SceneRestore(id="s1"))
    await saved(author, store)
    assert await versions(beside) == []
    author.edit("c1", recoded("s1", "first text"))
    await saved(author, store)
    author.edit("c2", recoded("s1", ""))
    await saved(author, store)
    assert await versions(beside) == [(1, "first text", "user-of-c1", 5), (2, "", "user-of-c2", 6)]
