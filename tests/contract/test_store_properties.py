"""Random edits, planned as the hub plans them: every store ends with the document that its author computed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenehub.protocol.edits import ActorKind, Position
from scenehub.protocol.ledger import Verdict
from scenehub.protocol.ops import (
    ComponentSet,
    MemorySet,
    MessageAdd,
    MessageFields,
    MessageSet,
    Op,
    ProjectFields,
    ProjectSet,
    ProposalFields,
    ProposalSet,
    SceneDelete,
    SceneFields,
    SceneMove,
    SceneRestore,
    SceneSet,
)
from scenehub.protocol.scalars import MAX_INT, checked_value
from scenehub.server.store.memory import MemoryStore
from scenehub.server.store.port import Store
from scenehub.server.store.postgres import open_store
from tests.store.author import Author, cells, made, scene

TEXT = st.text(st.characters(exclude_characters="\x00_", exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.one_of(st.integers(-MAX_INT, MAX_INT), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
).map(checked_value)
CODE = TEXT.map(lambda text: text.replace("\r", ""))
KEYS = st.sampled_from(["a", "ключ", 'quo"te'])  # few, so that writes meet
PROPS = st.dictionaries(KEYS, st.one_of(st.none(), st.none(), VALUES), max_size=3)
POSITIONS = st.text("0123456789ABCXYZabcxyz", min_size=1, max_size=4)
NAMES = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=8)
NUMBER = st.integers(0, 2)


def _fields(model: type[Any], **strategies: Any) -> Any:
    some = st.fixed_dictionaries({}, optional=strategies).filter(bool)
    return some.map(lambda fields: model(**fields))


SCENE_FIELDS = _fields(
    SceneFields, name=NAMES, duration=st.integers(1, 500), trim_start=NUMBER, tsx_code=CODE, props=PROPS
)
PROJECT_FIELDS = _fields(ProjectFields, name=NAMES, fps=st.integers(1, 240), width=st.integers(16, 99), props=PROPS)
PROPOSAL_FIELDS = _fields(
    ProposalFields,
    scene=st.sampled_from(["s1", "s2"]),
    field=NAMES,
    text=CODE,
    base=NUMBER,
    run=st.sampled_from([None, "run1"]),
    status=st.sampled_from(["open", "accepted", "dismissed"]),
)


def _ops(project: str) -> st.SearchStrategy[Op]:
    ids = NUMBER.map(lambda n: f"{project}-{n}")
    return st.one_of(
        st.builds(scene, ids, NAMES, POSITIONS, CODE, props=PROPS),
        st.builds(lambda id, fields: SceneSet(id=id, set=fields), ids, SCENE_FIELDS),
        st.builds(lambda id, props: SceneSet(id=id, set=SceneFields(props=props)), ids, PROPS),
        st.builds(lambda id, position: SceneMove(id=id, position=position), ids, POSITIONS),
        ids.map(lambda id: SceneDelete(id=id)),
        ids.map(lambda id: SceneRestore(id=id)),
        st.builds(lambda id, text: MessageAdd(id=id, text=text, scene=None), ids, TEXT),
        st.builds(lambda id, text: MessageSet(id=id, set=MessageFields(text=text)), ids, TEXT),
        st.builds(lambda id, gone: MessageSet(id=id, set=MessageFields(deleted=gone)), ids, st.booleans()),
        st.builds(lambda key, value: MemorySet(key=key, value=value), KEYS, VALUES),
        PROJECT_FIELDS.map(lambda fields: ProjectSet(set=fields)),
        st.builds(lambda id, value: ComponentSet(id=id, component=value), ids, VALUES),
        st.builds(lambda id, value: ComponentSet(id=id, diagnostics=value), ids, VALUES),
        st.builds(lambda id, fields: ProposalSet(id=id, set=fields), ids, PROPOSAL_FIELDS),
    )


EDITS = st.tuples(
    st.sampled_from(["c1", "c2", "c3"]),
    st.sampled_from(list(ActorKind)),
    st.integers(0, 5),  # how far behind the head its author was
    st.booleans(),  # whether a batch ends with it
)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


_projects = count()


async def _both(postgres: Store, project: str) -> tuple[list[Store], Author]:
    """The same project in both stores, with two scenes and a message."""
    memory = MemoryStore()
    author = await made(postgres, project)
    memory.ledger.create(project, epoch=author.head.epoch, name="Launch", fps=30, width=1920, height=1080)
    author.edit("c1", scene(f"{project}-0", props={"a": 1, "ключ": 2}), MessageAdd(id=f"{project}-0", text="first"))
    author.edit("c2", scene(f"{project}-1", props={"a": 1, 'quo"te': 2}))
    stores: list[Store] = [memory, postgres]
    await _store(stores, author)
    return stores, author


async def _same(url: str, edits: list[Any], data: st.DataObject) -> None:
    async with open_store(url) as postgres:
        project = f"p{next(_projects)}"
        stores, author = await _both(postgres, project)
        for client, actor, behind, ends in edits:
            ops = data.draw(st.lists(_ops(project), min_size=1, max_size=3))
            author.edit(client, *ops, actor=actor, base=max(0, author.head.seq - behind))
            if ends:
                await _store(stores, author)
        await _store(stores, author)
        await _check(stores, author)


async def _store(stores: list[Store], author: Author) -> None:
    batch = author.batch()
    for store in stores:
        assert await store.commit([batch]) == [Verdict.SAVED]


async def _check(stores: list[Store], author: Author) -> None:
    start = Position(author.head.epoch, 0, None)
    answers = []
    for store in stores:
        loaded = await store.load(author.project)
        assert loaded.head == author.head
        assert cells(loaded.document) == cells(author.document)
        assert loaded.document.checksum() == author.document.checksum()
        caught = await store.catch_up(author.project, start, ["c1", "c2", "c3"])
        admissions = [
            await store.admit(author.project, client, f"user-of-{client}", start) for client in ("c1", "c2", "c3")
        ]
        answers.append((list(caught.edits), caught.clients, admissions))
    assert answers[0] == answers[1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(EDITS, min_size=1, max_size=25), data=st.data())
def test_both_stores_hold_what_was_planned(
    database_url: str, loop: asyncio.AbstractEventLoop, edits: list[Any], data: st.DataObject
) -> None:
    """O2, O3, O5: cells, checksums, the log, clients' rows and conflicts are the same in memory and in Postgres."""
    loop.run_until_complete(_same(database_url, edits, data))


LIKELY = ("set", "set", "set", "props", "props", "props", "move", "delete", "restore", "message", "memory", "project")


def _likely(chance: Random, project: str) -> Op:
    """An op that the state allows more often than not."""
    id = f"{project}-{chance.randrange(2)}"
    some: Any = chance.choice([None, 1, "text", 0.1, -1e300, [None, {"a": None}], {"": {"b": []}}])
    match chance.choice(LIKELY):
        case "set":
            return SceneSet(id=id, set=SceneFields(name=f"n{chance.random()}", tsx_code=f"c{chance.random()}"))
        case "props":
            return SceneSet(id=id, set=SceneFields(props={chance.choice("ab"): some}))
        case "move":
            return SceneMove(id=id, position=chance.choice(["A", "a", "a0", "z"]))
        case "delete":
            return SceneDelete(id=id)
        case "restore":
            return SceneRestore(id=id)
        case "message":
            return MessageAdd(id=f"{project}-m{chance.randrange(10_000)}", text=str(some))
        case "memory":
            return MemorySet(key=chance.choice("ab"), value=some)
        case _:
            return ProjectSet(set=ProjectFields(props={chance.choice("ab"): some}))


@pytest.mark.parametrize("seed", range(8))
def test_both_stores_agree_over_a_long_history(database_url: str, loop: asyncio.AbstractEventLoop, seed: int) -> None:
    """O2, O3, O5, E1: some hundred edits that mostly succeed, in batches of any length."""
    loop.run_until_complete(_long(database_url, Random(seed)))


async def _long(url: str, chance: Random) -> None:
    async with open_store(url) as postgres:
        stores, author = await _both(postgres, "long")
        for _ in range(150):
            client = chance.choice(["c1", "c2", "c3"])
            ops = [_likely(chance, "long") for _ in range(chance.choice([1, 1, 1, 2, 3]))]
            author.edit(client, *ops, base=max(0, author.head.seq - chance.choice([0, 0, 0, 1, 8])))
            if chance.random() < 0.4:
                await _store(stores, author)
        await _store(stores, author)
        await _check(stores, author)
