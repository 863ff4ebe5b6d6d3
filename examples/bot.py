"""A bot in ten lines: every second it gives some scene another accent colour. `scenehub watch launch-video` shows it.

python examples/bot.py [PROJECT], with SCENEHUB_URL and SCENEHUB_TOKEN for another hub than the one on this machine.
"""

import asyncio
import os
import random
import sys
from contextlib import suppress

from scenehub.client import Rejected, connect, guest_token

COLOURS = ["#ff7a66", "#5cbcff", "#ae98ff", "#ffc155", "#62e2a6"]


async def main(name: str = "launch-video") -> None:
    url = os.environ.get("SCENEHUB_URL", "http://127.0.0.1:8787")
    async with connect(url, os.environ.get("SCENEHUB_TOKEN") or guest_token(url, "Paintbox"), project=name) as project:
        while True:
            for scene in random.sample(project.scenes, k=min(1, len(project.scenes))):
                project.presence(scene=scene.id, field="props.accent", activity="tries another colour")
                with suppress(Rejected):  # somebody may have deleted the scene
                    seq = await project.set_scene(scene, props={"accent": random.choice(COLOURS)}).saved()
                    print(f"{scene.name}: {project.scene(scene.id).props['accent']}, saved as edit {seq}", flush=True)
            await asyncio.sleep(1)


with suppress(KeyboardInterrupt):
    asyncio.run(main(*sys.argv[1:]))
