"""The pure parts around the replica: backlog, order of scenes, taking mine, and what is public."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import pytest

import scenehub.client
from scenehub.client.backlog import Backlog
from scenehub.client.errors import Rejected
from scenehub.client.handles import Handle, Handles
from scenehub.client.mine import ops_again
from scenehub.client.ordering import place
from scenehub.client.tokens import user_of
from scenehub.protocol.document import Scene
from scenehub.protocol.edits import Edit, EditId, FieldKey
from scenehub.protocol.happenings import Changed, MembersChanged, Merged, Saved
from scenehub.protocol.messages import Notice
from scenehub.protocol.ops import MemorySet, SceneDelete, SceneFields, SceneRestore, SceneSet


def scene(id: str, position: str) -> Scene:
    return Scene(id, id, position, 0, 1, 0, "", {})


def test_a_slow_consumer_is_told_once_to_look_at_everything() -> None:
    backlog = Backlog(3)
    for _ in range(4):
        backlog.put(MembersChanged())
    assert len(backlog) == 1
    assert backlog.take() == Changed(None)


@pytest.mark.parametrize(("index", "expected"), [(0, "xabc"), (1, "axbc"), (None, "abcx"), (-1, "abcx"), (99, "abcx")])
def test_a_scene_goes_where_the_index_says(index: int | None, expected: str) -> None:
    scenes = [scene("a", "a0"), scene("b", "a1"), scene("c", "a2")]
    position, moves = place(scenes, index, Random(1))
    assert moves == ()
    ordered = sorted([*scenes, scene("x", position)], key=lambda one: (one.position, one.id))
    assert "".join(one.id for one in ordered) == expected


def test_between_equal_keys_the_neighbour_gets_another_key_in_the_same_edit() -> None:
    """O6."""
    scenes = [scene("a", "a1"), scene("b", "a1"), scene("c", "a1"), scene("d", "a2")]
    position, moves = place(scenes, 1, Random(1))
    keys = {one.id: one.position for one in scenes} | {"x": position} | {move.id: move.position for move in moves}
    assert sorted(keys, key=lambda id: (keys[id], id)) == ["a", "x", "b", "c", "d"]


def test_two_clients_that_insert_at_one_place_seldom_choose_one_key() -> None:
    """O6: jitter."""
    scenes = [scene("a", "a1"), scene("b", "a2")]
    assert len({place(scenes, 1, Random(seed))[0] for seed in range(20)}) > 5


def notice(key: FieldKey, value: object) -> Notice:
    return Notice(key=key, lost=EditId("c", 1), lost_user="ada", lost_seq=1, lost_value=value, by=EditId("d", 1),
                  by_user="lin", by_seq=2)  # fmt: skip


def test_taking_mine_writes_the_lost_value_again() -> None:
    """O3: the lost value stays reachable."""
    [op] = ops_again(notice(FieldKey("scene", "s", "props.colour"), None))
    assert op == SceneSet(id="s", set=SceneFields(props={"colour": None}))
    [op] = ops_again(notice(FieldKey("scene", "s", "duration"), 90))
    assert op == SceneSet(id="s", set=SceneFields(duration=90))
    assert list(ops_again(notice(FieldKey("scene", "s", "deleted"), True))) == [SceneDelete(id="s")]
    assert list(ops_again(notice(FieldKey("memory", "tone", "value"), "dry"))) == [MemorySet(key="tone", value="dry")]
    with pytest.raises(LookupError, match="does not know any more"):
        ops_again(notice(FieldKey("scene", "s", "duration"), None))


def test_taking_mine_of_a_deleted_scene_restores_it_in_the_same_edit() -> None:
    """O5."""
    op = SceneSet(id="s", set=SceneFields(duration=90))
    edit = Edit(id=EditId("c", 1), epoch="e", base=0, ops=(op,))
    assert list(ops_again(Rejected("scene_deleted", "gone", edit=edit))) == [SceneRestore(id="s"), op]
    with pytest.raises(LookupError):
        ops_again(Rejected("invalid", "bad"))


def test_a_token_names_its_user_only_if_it_is_a_jwt() -> None:
    assert user_of("x.eyJzdWIiOiJhZGEifQ.y") == "ada"
    for opaque in ("", "secret", "a.b.c", "a.e30.c", "a.WzFd.c"):
        assert user_of(opaque) is None


def test_public_names_are_sorted_and_exist() -> None:
    names = scenehub.client.__all__
    assert names == sorted(names)
    assert all(hasattr(scenehub.client, name) for name in names)


def test_importing_the_client_imports_nothing_of_the_server() -> None:
    heavy = ("scenehub.server", "starlette", "uvicorn", "asyncpg", "redis", "typer", "rich", "jwt", "structlog")
    program = f"import sys, scenehub.client; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert ran.stdout.strip() == "[]"


def test_edits_that_end_in_one_merge_share_its_outcome() -> None:
    """O4: a chain of stale writes is merged once; nobody who waits for one of them waits for ever."""
    handles = Handles(Handle)
    made = [
        Edit(id=EditId("c", n), epoch="e", base=0, ops=(SceneDelete(kind="scene.delete", id="s"),)) for n in (1, 2, 3)
    ]
    first, second, third = (handles.add(edit) for edit in made)
    handles.hear(Merged(first.id, second.id), 5)
    handles.hear(Merged(second.id, third.id), 5)
    assert len(handles) == 3
    handles.hear(Saved(EditId("c", 3), 9), 9)
    assert [handle.seq for handle in (first, second, third)] == [9, 9, 9]
    assert len(handles) == 0
