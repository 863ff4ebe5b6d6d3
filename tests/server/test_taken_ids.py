"""Ids are unique in the installation; an edit that brings a taken one is rejected alone, its neighbours commit (N2)."""

from __future__ import annotations

import asyncio

from scenehub.server.app import opened_store
from tests.server.raw import bare, member, running, scene_add, settings_for, token_for


async def test_an_id_of_another_project_is_taken_and_the_neighbours_commit(database_url: str) -> None:
    """N2, O7: the batch is halved until the culprit is alone."""
    async with opened_store(settings_for(database_url=database_url)) as store, running(store) as node:
        await store.create("other", name="Other", fps=30, width=100, height=100)
        async with member(node) as author, bare(node, "other") as elsewhere:
            await elsewhere.hello(token_for(node))
            await elsewhere.edit(scene_add("taken"))
            await elsewhere.next("commit")
            for number in range(10):
                await author.edit(scene_add("taken" if number == 4 else f"s{number}"))
            outcomes: list[list[object]] = []
            async with asyncio.timeout(10):
                while len(outcomes) < 10:
                    frame = await author.next()
                    if frame["t"] == "reject":
                        assert frame["code"] == "id_taken"
                        assert frame["culprit"] == "ops.0.id"
                        outcomes.append(frame["id"])
                    if frame["t"] == "commit":
                        outcomes.extend(row["id"] for row in frame["edits"])
            assert sorted(outcomes) == [[author.client, n] for n in range(1, 11)]
