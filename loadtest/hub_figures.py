"""What a join, a resume and a room cost inside the hub (design §9), without network: time and bytes, beside the goals.

python loadtest/hub_figures.py            # prints a table
python loadtest/hub_figures.py --json FILE
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import shutil
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median

from scenehub.protocol.attendance import Identity
from scenehub.protocol.codec import pack_frame
from scenehub.protocol.edits import Edit, EditId, Position, Role
from scenehub.protocol.effects import Effect, Send
from scenehub.protocol.ledger import Loaded, Verdict
from scenehub.protocol.limits import Limits
from scenehub.protocol.messages import Hello
from scenehub.protocol.ops import Op, SceneAdd, SceneFields, SceneSet
from scenehub.protocol.room import Room
from scenehub.server.dev import postgres
from scenehub.server.store.port import Store
from scenehub.server.store.postgres import migrate, open_store

ROUNDS = 30
WHO = Identity("ada", "Ada", "#0090ff", Role.EDITOR)


def scene(project: str, number: int, code: int) -> SceneAdd:
    """A scene with `code` characters of code."""
    return SceneAdd(
        kind="scene.add",
        id=f"{project}-{number:03}",
        position=f"a{number:03}",
        name=f"Scene {number}",
        duration=90,
        tsx_code="const x = 1; // forty characters of code\n" * (code // 41),
        props={"title": f"Scene number {number}", "accent": "#ff7a66"},
    )


class Rig:
    """A room on a store, whose batches are stored at once."""

    def __init__(self, store: Store, project: str, loaded: Loaded) -> None:
        self.store = store
        self.project = project
        self.room = Room(project, loaded, node="n", generation="g", limits=Limits(), wall=lambda now: int(now * 1000))
        self.sessions = 0
        self.sent = 0

    async def join(self, client: str, position: Position | None = None) -> float:
        """Seconds in the hub for a client to get everything it needs."""
        admission = await self.store.admit(self.project, client, "ada", position)
        self.sessions += 1
        hello = Hello(t="hello", token="-", client=client, position=position)
        return self.timed(lambda: self.room.join(self.sessions, hello, WHO, admission, time.monotonic()))

    def timed(self, call: Callable[[], list[Effect]]) -> float:
        """Seconds for a call and the encoding of what it sends; `sent` is how many bytes that is."""
        began = time.perf_counter()
        frames = [pack_frame(effect.frame) for effect in call() if isinstance(effect, Send)]
        seconds = time.perf_counter() - began
        self.sent = sum(map(len, frames))
        return seconds

    async def edit(self, client: str, n: int, *ops: Op) -> None:
        """An edit that is saved at once."""
        edit = Edit(id=EditId(client, n), epoch=self.room.head.epoch, base=self.room.head.seq, ops=ops)
        self.room.edit(self.sessions, edit, age_ms=0, size=100, now=time.monotonic())
        while (batch := self.room.take(time.monotonic())) is not None:
            [verdict] = await self.store.commit([batch])
            assert verdict is Verdict.SAVED
            self.room.verdict(verdict, time.monotonic())


async def filled(store: Store, project: str, scenes: int, code: int) -> Rig:
    """A room with so many scenes."""
    await store.create(project, name="Figures", fps=30, width=1920, height=1080)
    rig = Rig(store, project, await store.load(project))
    await rig.join("author")
    for number in range(scenes):
        await rig.edit("author", number + 1, scene(project, number, code))
    return rig


async def joins(store: Store) -> list[tuple[str, float, str]]:
    """Joining and resuming a project of 50 scenes."""
    rig = await filled(store, "fifty", 50, 4_900)
    warm = median([await rig.join(f"warm{number}") for number in range(ROUNDS)]) * 1000
    size = rig.sent
    cold: list[float] = []
    for number in range(10):
        began = time.perf_counter()
        again = Rig(store, "fifty", await store.load("fifty"))
        load = time.perf_counter() - began
        cold.append((load + await again.join(f"cold{number}")) * 1000)
    position = rig.room.head.position
    await rig.join("author", position)
    for number in range(5):
        name = SceneFields(name=f"Changed {number}")
        await rig.edit("author", 51 + number, SceneSet(kind="scene.set", id=f"fifty-{number:03}", set=name))
    resumed = median([await rig.join(f"back{number}", position) for number in range(ROUNDS)]) * 1000
    return [
        (f"join of 50 scenes ({size / 1000:.0f} KB), warm, ms", warm, "≤ 10"),
        ("the same, cold (read from Postgres), ms", median(cold), "≤ 100"),
        (f"resume with 5 changed fields ({rig.sent / 1000:.1f} KB), ms", resumed, "≤ 5"),
    ]


async def room_memory(store: Store) -> tuple[str, float, str]:
    """KB of a live room of 20 scenes, without the characters of their code."""
    await filled(store, "twenty", 20, 5_000)
    await store.load("twenty")
    gc.collect()
    tracemalloc.start()
    rig = Rig(store, "twenty", await store.load("twenty"))
    gc.collect()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    code = sum(
        len(cells["tsx_code"].value) for (kind, _), cells in rig.room.document.entities.items() if kind == "scene"
    )
    return ("a live room of 20 scenes without its code, KB", (used - code) / 1000, "≤ 50")


async def measured() -> list[tuple[str, float, str]]:
    """All figures, with the goal beside each."""
    folder = Path(tempfile.mkdtemp(prefix="scenehub-"))
    try:
        folder.chmod(0o755)  # noqa: ASYNC240 - nothing else runs here
        async with postgres(folder / "postgres") as server:
            await migrate(server.url)
            async with open_store(server.url, committers=1, readers=2) as store:
                return [*await joins(store), await room_memory(store)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    options = parser.parse_args()
    rows = asyncio.run(measured())
    for what, value, goal in rows:
        print(f"{what:60} {value:10.2f}   goal {goal}")
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
