"""Draw docs/images/watch.svg: what `scenehub watch` shows while two members edit the sample on a real hub.

./run python docs/images/draw_watch.py
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from scenehub.client import EditHandle, Project, connect, guest_token
from scenehub.server.cli.feed import Feed
from scenehub.server.cli.screen import Frame, drawn

PICTURE = Path(__file__).with_name("watch.svg")
PROJECT = "launch-video"
CHANGED = "First shown, then saved"
WIDTH, HEIGHT = 150, 24
SCENEHUB = Path(sys.executable).with_name("scenehub")
INK, BONE, CORAL, MINT, AMBER, SKY, VIOLET, STONE, WHITE = (
    (int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16))
    for code in ("0c0f16", "e2e0d9", "ff7a66", "62e2a6", "ffc155", "5cbcff", "ae98ff", "62697a", "ffffff")
)
HUES = [CORAL, MINT, AMBER, SKY, VIOLET, SKY]
THEME = TerminalTheme(INK, BONE, [INK, *HUES, BONE], [STONE, *HUES, WHITE])


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="scenehub-picture-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the database runs as another user where this runs as root
        hub = await asyncio.create_subprocess_exec(
            SCENEHUB, "dev", "--port", "0", "--data", folder, stdout=asyncio.subprocess.PIPE
        )
        try:
            url = await told_address(hub)
            await film(url)
        finally:
            hub.send_signal(signal.SIGTERM)
            await hub.communicate()


async def told_address(hub: asyncio.subprocess.Process) -> str:
    assert hub.stdout is not None
    async for line in hub.stdout:
        found = re.search(rb"http://127\.0\.0\.1:\d+", line)
        if found:
            return found.group().decode()
    raise SystemExit("scenehub dev named no address")


async def film(url: str) -> None:
    """Join as a watcher, let Ada and Lin edit, and press the shutter while one of their edits is not saved yet."""
    feeds: list[Feed] = []
    pictures: list[str] = []

    def heard(_: object) -> None:
        for feed in feeds:
            feed.look()
            if feed.unsaved and feed.project.scene(CHANGED).duration == 108:
                pictures.append(picture_of(feed))

    async with (
        connect(url, guest_token(url, "You"), project=PROJECT, on_event=heard) as watcher,
        connect(url, guest_token(url, "Ada"), project=PROJECT) as ada,
        connect(url, guest_token(url, "Lin"), project=PROJECT) as lin,
    ):
        watcher.presence(activity="watching")
        feeds.append(Feed(watcher, time.monotonic, lambda: f"{datetime.now().astimezone():%H:%M:%S}"))
        await edit(ada, lin)
    PICTURE.write_text(pictures[0], encoding="utf-8")
    sys.stdout.write(f"{PICTURE}\n")


async def edit(ada: Project, lin: Project) -> None:
    """What the two do: a minute's work, quickly."""
    scenes = {scene.name: scene for scene in ada.scenes}
    sound, end, cold = scenes[CHANGED], scenes["End card"], scenes["Cold open"]
    ada.presence(scene=sound.id, activity="timing", playhead=480)
    lin.presence(scene=end.id, field="props.line", activity="writing")
    await lin.say("I do the end card, you the timing?").saved()
    await ada.say("Yes. The chart may stay longer.").saved()
    for line in ("Make it", "Make it tog", "Make it together", "Make it together."):
        await lin.set_scene(end, props={"line": line}).saved()
    steps: tuple[Callable[[], EditHandle], ...] = (
        lambda: ada.set_scene(cold, duration=84),
        lambda: lin.set_scene(end, props={"accent": "#ffc155"}),
        lambda: ada.set_scene(scenes["Logo sting"], duration=66),
        lambda: lin.set_code(scenes["Told, not lost"], scenes["Told, not lost"].tsx_code + "\n"),
        lambda: ada.set_scene(scenes["Live cursors"], props={"headline": "Two people.\nOne scene."}),
        lambda: lin.rename(end, "End card, warm"),
        lambda: ada.move_scene(scenes["Nodes fail"], 3),
        lambda: lin.set_scene(scenes["Self-hosted"], duration=90),
        lambda: ada.set_memory("pace", "calm"),
        lambda: lin.set_scene(end, duration=96),
        lambda: ada.set_scene(sound, props={"note": "An illustration"}),
        lambda: lin.set_scene(scenes["One order"], duration=88),
    )
    for step in steps:
        await step().saved()
        await asyncio.sleep(0.25)
    await lin.say("Warmer now. Look?").saved()
    await asyncio.sleep(2)
    await ada.set_scene(sound, duration=108).saved()
    await lin.set_scene(end, props={"small": "Open source, MIT."}).saved()


def picture_of(feed: Feed) -> str:
    console = Console(
        record=True, width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(drawn(feed, Frame(WIDTH, HEIGHT, f"{PROJECT}  ·  127.0.0.1:8787")))
    # Without the web fonts that rich names: a picture in a README loads nothing.
    form = re.sub(r"@font-face \{\{.*?\}\}\n?", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(
        title=f"scenehub watch {PROJECT}", theme=THEME, code_format=form, unique_id="watch", font_aspect_ratio=0.61
    )


if __name__ == "__main__":
    asyncio.run(main())
