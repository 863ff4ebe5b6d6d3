"""Pending edits on disk: they survive the end of their program, also by `kill -9` (E4), and nothing is doubled (E1)."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import pytest

from scenehub.client import connect, connect_sync
from scenehub.client.address import address
from scenehub.client.keep import open_keep
from scenehub.protocol import keeping
from scenehub.protocol.closing import Close
from scenehub.protocol.edits import digest_of
from scenehub.protocol.ops import ProjectFields, ProjectSet, SceneFields, SceneSet
from scenehub.protocol.replica import Replica
from tests.client.hub import Cluster

SOON = 5.0
NODE = address("http://127.0.0.1:1/p/launch")


def replica() -> Replica:
    made = Replica("token", iter(["first", "second"]))
    made.edit([SceneSet(id="s", set=SceneFields(duration=30.0, props={"x": 1.0, "y": 1.5, "z": None}))], 100.0)
    made.edit([SceneSet(id="s", set=SceneFields(tsx_code="a\n")), ProjectSet(set=ProjectFields(fps=25))], 160.0)
    return made


def test_an_edit_comes_back_under_its_id_with_its_body_unchanged() -> None:
    """E1: the digest is what a hub compares."""
    made = replica()
    kept = keeping.read(json.loads(json.dumps(keeping.dump(made, 200.0, 1_000_000))))
    back = Replica("token", iter(["other"]))
    keeping.load(back, kept, 7.0, 1_010_000)
    assert (back.client, back.counter) == ("first", 2)
    assert [digest_of(one.edit) for one in back.pending] == [digest_of(one.edit) for one in made.pending]
    assert [one.texts for one in back.pending] == [one.texts for one in made.pending]
    assert [round(7.0 - one.made) for one in back.pending] == [110, 50]


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"client": "another"},
        {"counter": 1},
        {"unknown": 1},
        {"pending": [{"edit": {}, "made": 0}]},
    ],
)
def test_what_does_not_fit_together_is_not_loaded(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        keeping.read({**keeping.dump(replica(), 200.0, 1_000_000), **change})


def test_two_programs_at_once_use_two_files(tmp_path: Path) -> None:
    one, two = open_keep(tmp_path, NODE, "ada"), open_keep(tmp_path, NODE, "ada")
    other = open_keep(tmp_path, NODE, "lin")
    assert one is not None
    assert two is not None
    assert other is not None
    assert len({one.path, two.path, other.path}) == 3
    one.close()
    again = open_keep(tmp_path, NODE, "ada")
    assert again is not None
    assert again.path == one.path
    for keep in (again, two, other):
        keep.close()


def test_a_file_with_waiting_edits_is_taken_first_and_a_second_one_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeps = [open_keep(tmp_path, NODE, "ada") for _ in range(3)]
    for keep in keeps[1:]:
        assert keep is not None
        keep.write(keeping.dump(replica(), 200.0, 1_000_000))
    for keep in keeps:
        assert keep is not None
        keep.close()
    with caplog.at_level(logging.WARNING):
        chosen = open_keep(tmp_path, NODE, "ada")
    assert chosen is not None
    assert keeps[1] is not None
    assert chosen.path == keeps[1].path
    assert "2 more edits wait" in caplog.text
    chosen.close()


@pytest.mark.parametrize("damage", ["", "no head", "scenehub-keep 00000000\n{}\n", "valid sum"])
def test_a_damaged_file_is_moved_aside_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    keep = open_keep(tmp_path, NODE, "ada")
    assert keep is not None
    keep.close()
    if damage == "valid sum":
        damage = f"scenehub-keep {crc32(b'[1]'):08x}\n[1]\n"
    keep.path.write_text(damage)
    with caplog.at_level(logging.WARNING):
        again = open_keep(tmp_path, NODE, "ada")
    assert again is not None
    assert again.kept is None
    assert "cannot be read" in caplog.text
    [aside] = tmp_path.glob("*.damaged-*")
    assert aside.read_text() == damage
    again.close()


async def test_edits_that_were_never_sent_are_sent_by_the_next_program(
    hub: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """E4."""
    node = hub.nodes[0]
    async with connect(node.url, "ada", keep=tmp_path, drain=0.0) as ada:
        await ada.say("one").saved(SOON)
        client = ada.client
        node.refuse = (Close.STORE_AWAY, "not now")
        node.cut()
        await ada.until(lambda project: project.status.state == "offline", SOON)
        ada.say("two")
        ada.set_memory("tone", "dry")
        await ada.kept()
    assert "2 edits have no outcome yet" in caplog.text
    node.refuse = None
    async with connect(node.url, "ada", keep=tmp_path) as again:
        assert again.client == client
        assert [await handle.saved(SOON) for handle in again.restored] == [2, 3]
        assert again.memory == {"tone": "dry"}
        await again.say("three").saved(SOON)
    assert hub.committed() == [f"{client}.{n}" for n in (1, 2, 3, 4)]
    async with connect(node.url, "ada", keep=tmp_path) as last:
        assert last.restored == []
        assert last.client == client


CHILD = """
import asyncio, sys
from scenehub.client import connect

async def main(url, folder):
    async with connect(url, "ada", keep=folder) as project:
        project.say("saved")
        await project.until(lambda project: not project.pending)
        print("cut me", flush=True)
        await project.until(lambda project: project.status.state == "offline")
        for number in range(50):
            project.say(f"offline {number}")
        await project.kept()
        print("kill me", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_edits_survive_kill_9(hub: Cluster, tmp_path: Path) -> None:
    """E4, with a real process."""
    node = hub.nodes[0]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, node.url, str(tmp_path), stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert await asyncio.wait_for(child.stdout.readline(), 20) == b"cut me\n"
        node.refuse = (Close.STORE_AWAY, "not now")
        node.cut()
        assert await asyncio.wait_for(child.stdout.readline(), 20) == b"kill me\n"
    finally:
        child.kill()
        await child.communicate()
    node.refuse = None
    async with connect(node.url, "ada", keep=tmp_path) as project:
        assert len(project.restored) == 50
        for handle in project.restored:
            await handle.saved(SOON)
        assert [message.text for message in project.messages][:2] == ["saved", "offline 0"]
    assert len(hub.committed()) == len(set(hub.committed())) == 51


def only_file(folder: Path) -> tuple[Path, bytes]:
    [path] = folder.glob("*.json")
    return path, path.read_bytes()


async def test_an_edit_that_was_saved_but_never_heard_of_is_not_sent_again_as_another(
    hub: Cluster, tmp_path: Path
) -> None:
    """E1: the file is older than what the hub knows."""
    node = hub.nodes[0]
    async with connect(node.url, "ada", keep=tmp_path) as ada:
        client = ada.client
        ada.say("one")
        await ada.kept()
        path, before = only_file(tmp_path)
        await ada.until(lambda project: not project.pending, SOON)
    path.write_bytes(before)
    async with connect(node.url, "ada", keep=tmp_path) as again:
        for handle in again.restored:
            await handle.saved(SOON)
        await again.say("two").saved(SOON)
        assert again.client == client
    assert hub.committed() == [f"{client}.1", f"{client}.2"]


async def test_a_script_keeps_its_edits_too(hub: Cluster, tmp_path: Path) -> None:
    node = hub.nodes[0]

    def first() -> None:
        with connect_sync(node.url, "ada", keep=tmp_path, drain=0.0) as project:
            project.say("one").wait_saved(SOON)
            hub.saving = False
            project.say("two")
            project.wait_kept(SOON)

    def second() -> int:
        with connect_sync(node.url, "ada", keep=tmp_path) as project:
            [handle] = project.restored
            return handle.wait_saved(SOON)

    await asyncio.to_thread(first)
    hub.saving = True
    assert await asyncio.to_thread(second) == 2


async def test_without_keep_nothing_is_kept(hub: Cluster, tmp_path: Path) -> None:
    async with connect(hub.nodes[0].url, "ada") as project:
        with pytest.raises(RuntimeError, match="keep=True"):
            await project.kept()
    with pytest.raises(ValueError, match="client_id or keep"):
        async with connect(hub.nodes[0].url, "ada", keep=tmp_path, client_id="x"):
            pass


async def test_a_disk_that_refuses_is_told_of_and_harms_no_edit(
    hub: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "kept"
    async with connect(hub.nodes[0].url, "ada", keep=folder) as ada:
        folder.rename(tmp_path / "elsewhere")
        await ada.say("hello").saved(SOON)
    assert "could not be kept" in caplog.text
