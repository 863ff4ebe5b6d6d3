"""The tables themselves: the queries people type, and wrong states that are refused whoever writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest

from scenehub.protocol.ledger import Verdict
from scenehub.protocol.ops import MessageAdd, SceneDelete, SceneFields, SceneSet
from scenehub.server.store.postgres import PostgresStore
from tests.store.author import START, Author, made, recoded, renamed, scene

SCENE_VERSIONS = """SELECT * FROM scene_iterations
WHERE scene_id = 'scene_001'
ORDER BY version DESC;"""

MESSAGE_FLOW = """SELECT * FROM messages
WHERE project_id = 'proj_123'
ORDER BY created_at DESC;"""


async def test_the_queries_of_the_founding_document_run_as_they_stand(
    store: PostgresStore, beside: asyncpg.Connection
) -> None:
    author = await made(store, "proj_123")
    author.edit("c1", scene("scene_001", code="one"), MessageAdd(id="m1", text="first"))
    author.edit("c2", recoded("scene_001", "two"), MessageAdd(id="m2", text="second"))
    assert await author.save(store) is Verdict.SAVED
    versions = await beside.fetch(SCENE_VERSIONS)
    assert [(row["version"], row["tsx_code"]) for row in versions] == [(2, "two"), (1, "one")]
    assert [row["text"] for row in await beside.fetch(MESSAGE_FLOW)] == ["second", "first"]


async def test_times_are_those_of_the_commits_and_increase_strictly(
    store: PostgresStore, beside: asyncpg.Connection
) -> None:
    author = await made(store)
    author.edit("c1", scene("s1"))
    for _ in range(20):
        author.edit("c1", renamed("s1", "x"))
    assert await author.save(store) is Verdict.SAVED
    rows = await beside.fetch("SELECT created_at, ms_of(created_at) AS ms FROM edits ORDER BY seq")
    assert [row["ms"] for row in rows] == [START + 1 + index for index in range(21)]
    assert rows[0]["created_at"] == datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=START + 1)


async def test_a_change_of_members_stops_what_was_fenced_before(
    store: PostgresStore, beside: asyncpg.Connection
) -> None:
    """M3."""
    author = await made(store)
    for turn, statement in enumerate(
        (
            "INSERT INTO members VALUES ('launch', 'ann', 'editor')",
            "UPDATE members SET role = 'viewer' WHERE user_id = 'ann'",
            "DELETE FROM members WHERE user_id = 'ann'",
        )
    ):
        author.edit("c1", scene(f"s{turn}"))
        await beside.execute(statement)
        assert await author.save(store) is Verdict.MISSED
        author = await Author.of(store, "launch")
        assert author.head.access == turn + 1


async def test_a_deleted_project_is_gone_for_everybody(store: PostgresStore, beside: asyncpg.Connection) -> None:
    author = await made(store)
    await beside.execute("UPDATE projects SET deleted_at = now()")
    author.edit("c1", scene("s1"))
    assert await author.save(store) is Verdict.MISSED
    assert await store.heads(["launch"]) == {}
    assert await store.projects() == []
    assert not await store.create("launch", name="Again", fps=30, width=16, height=16)


async def test_code_that_is_not_changed_is_not_written_again(store: PostgresStore, beside: asyncpg.Connection) -> None:
    author = await made(store)
    code = "".join(f"const a{index} = {index * 7919};\n" for index in range(2_000))
    author.edit("c1", scene("s1", code=code))
    await author.save(store)
    relation = await beside.fetchval("SELECT reltoastrelid::regclass::text FROM pg_class WHERE relname = 'scenes'")
    pages = f"SELECT array_agg((ctid, chunk_id)::text ORDER BY chunk_seq) FROM {relation}"
    before = await beside.fetchval(pages)
    assert before
    for op in (renamed("s1", "Other"), SceneSet(id="s1", set=SceneFields(props={"a": 1})), SceneDelete(id="s1")):
        author.edit("c1", op)
        assert await author.save(store) is Verdict.SAVED
    assert await beside.fetchval(pages) == before


async def test_commits_are_durable_whatever_the_database_prefers(
    store: PostgresStore, beside: asyncpg.Connection, database_url: str
) -> None:
    """S2."""
    await beside.execute(
        f"""ALTER DATABASE {urlsplit(database_url).path[1:]} SET synchronous_commit = off;
            CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                ASSERT current_setting('synchronous_commit') = 'on'; RETURN NULL; END $$;
            CREATE TRIGGER looks AFTER INSERT ON edits FOR EACH ROW EXECUTE FUNCTION look()"""
    )
    author = await made(store)
    author.edit("c1", scene("s1"))
    assert await author.save(store) is Verdict.SAVED


async def test_a_log_may_be_thinned_from_its_old_end(store: PostgresStore, beside: asyncpg.Connection) -> None:
    author = await made(store)
    author.edit("c1", scene("s1"))
    position = author.head.position
    for name in ("a", "b", "c"):
        author.edit("c1", renamed("s1", name))
    author.edit("c2", renamed("s1", "d"), base=2)
    await author.save(store)
    await beside.execute("DELETE FROM edits WHERE seq < 5; UPDATE projects SET log_start = 5")
    assert (await store.catch_up("launch", position, [])).replaced
    assert (await store.catch_up("launch", position._replace(seq=0, id=None), [])).replaced
    assert not (await store.catch_up("launch", author.head.position, [])).replaced
    admission = await store.admit("launch", "c1", "user-of-c1", position._replace(seq=0, id=None))
    assert admission.known
    [conflict] = admission.conflicts
    assert conflict.lost_value is None


WRONG = {
    "an id that is not one": "UPDATE scenes SET id = 'a b'",
    "an id that is too long": "UPDATE scenes SET id = repeat('a', 65)",
    "a scene of no project": "UPDATE scenes SET project_id = 'nowhere'",
    "two scenes of one id": "INSERT INTO scenes SELECT * FROM scenes",
    "a position that is no key": "UPDATE scenes SET position = 'ä'",
    "an empty position": "UPDATE scenes SET position = ''",
    "a position too long": "UPDATE scenes SET position = repeat('a', 201)",
    "a scene that lasts no time": "UPDATE scenes SET duration = 0",
    "a negative trim": "UPDATE scenes SET trim_start = -1",
    "a scene without a name": "UPDATE scenes SET name = ''",
    "properties that are a list": "UPDATE scenes SET props = '[]'",
    "a field of nobody": "UPDATE scenes SET writers = writers - 'name'",
    "a scene deleted before it was made": "UPDATE scenes SET deleted_at = created_at - interval '1 day'",
    "a rate of nothing": "UPDATE projects SET fps = 0",
    "a picture too wide": "UPDATE projects SET width = 20000",
    "a head without its edit's id": "UPDATE projects SET head_client = NULL",
    "a head before the first edit": "UPDATE projects SET seq = 0",
    "a negative seq": "UPDATE projects SET seq = -1",
    "a log that starts beyond its end": "UPDATE projects SET log_start = seq + 2",
    "an epoch that is no id": "UPDATE projects SET epoch = ''",
    "two edits at one seq": "INSERT INTO edits SELECT * FROM edits",
    "an edit with two places": "UPDATE edits SET n = 1 WHERE n = 2",
    "an edit at no place": "UPDATE edits SET seq = 0 WHERE seq = 1",
    "an edit of no counter": "UPDATE edits SET n = 0 WHERE n = 1",
    "an edit without ops": "UPDATE edits SET ops = '[]'",
    "a digest cut short": "UPDATE edits SET digest = '\\x00'",
    "an actor of no sort": "UPDATE edits SET actor = 'ghost'",
    "half of what is undone": "UPDATE edits SET undoes_n = 1",
    "nothing overwritten, said at length": "UPDATE edits SET overwrote = '[]'",
    "an edit of no project": "UPDATE edits SET project_id = 'nowhere'",
    "a version of no scene": "UPDATE scene_iterations SET scene_id = 'nowhere'",
    "a version twice": "INSERT INTO scene_iterations SELECT * FROM scene_iterations",
    "a version zero": "UPDATE scene_iterations SET version = 0",
    "a negative counter": "UPDATE clients SET counter = -1",
    "more rejects than are kept": "UPDATE clients SET rejects = (SELECT jsonb_agg(n) FROM generate_series(1, 129) n)",
    "a member with no role": "INSERT INTO members VALUES ('launch', 'ann', 'king')",
    "a member twice": "INSERT INTO members VALUES ('launch', 'ann', 'owner'), ('launch', 'ann', 'viewer')",
    "a memory without a key": "INSERT INTO project_memory VALUES ('launch', '', '1', '{\"value\": 1}')",
    "a component without a hash": "INSERT INTO components VALUES ('xyz', 1)",
    "a run that is over and goes on": "INSERT INTO runs (id, project_id, requested_by, status, ended_at)"
    " VALUES ('r1', 'launch', 'ann', 'running', now())",
    "a proposal in no state": "INSERT INTO proposals (id, project_id, status, writers, created_at)"
    " VALUES ('p1', 'launch', 'lost', '{\"status\": 1}', now())",
    "a share link for owners": "INSERT INTO share_links (id, project_id, token_digest, role, created_by)"
    " VALUES ('l1', 'launch', decode(repeat('00', 32), 'hex'), 'owner', 'ann')",
    "a message of no seq": "UPDATE messages SET seq = 0",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_the_database_refuses(store: PostgresStore, beside: asyncpg.Connection, wrong: str) -> None:
    author = await made(store)
    author.edit("c1", scene("s1", code="x"), MessageAdd(id="m1", text="hello"))
    author.edit("c1", renamed("s1", "y"))
    assert await author.save(store) is Verdict.SAVED
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await beside.execute(wrong)
