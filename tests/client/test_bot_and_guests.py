"""The example bot against a hub, and guest tokens over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scenehub.client import ClientError, connect, guest_token
from tests.client.hub import Cluster

BOT = Path(__file__).parents[2] / "examples" / "bot.py"
SOON = 15.0


class Guests(BaseHTTPRequestHandler):
    """What `scenehub dev` answers."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked.get("name", "guest")
        body = json.dumps({"token": f"token-of-{name}", "user": "u", "name": name}).encode()
        self.send_response(403 if name == "nobody" or self.path != "/v1/dev/token" else 200)
        self.send_header("Content-Length", str(len(body) if name != "broken" else 1))
        self.end_headers()
        self.wfile.write(body if name != "broken" else b"<")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def guests() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Guests) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_guest_gets_a_token_whatever_form_the_address_has(guests: str) -> None:
    assert guest_token(guests) == "token-of-guest"
    assert guest_token(f"{guests}/p/launch-video", "Ada") == "token-of-Ada"
    assert guest_token(guests.replace("http", "ws") + "/v1/projects/x/ws", "Lin") == "token-of-Lin"


def test_a_refused_guest_is_told_why(guests: str) -> None:
    with pytest.raises(ClientError, match="answered 403: only `scenehub dev`"):
        guest_token(guests, "nobody")
    with pytest.raises(ClientError, match="gave no token"):
        guest_token(guests, "broken")


def test_a_guest_of_a_hub_that_is_not_there_is_told_what_to_do() -> None:
    with pytest.raises(ClientError, match="is `scenehub dev` running"):
        guest_token("http://127.0.0.1:1")


async def test_the_bot_edits_the_sample_until_it_is_interrupted(hub: Cluster) -> None:
    url = hub.nodes[0].url
    async with connect(url, "ada") as project:
        id = project.add_scene("Cold open", props={"accent": "none"}).entity
        bot = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", str(BOT), "launch",
            env={**os.environ, "SCENEHUB_URL": url.removesuffix("/p/launch"), "SCENEHUB_TOKEN": "bot"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert bot.stdout is not None
            said = await asyncio.wait_for(bot.stdout.readline(), SOON)
            assert said.startswith(b"Cold open: #")
            await project.until(lambda project: project.scene(id).props["accent"] != "none", SOON)
            assert {member.user for member in project.members} == {"ada", "bot"}
        finally:
            bot.send_signal(signal.SIGINT)
            _, complaints = await bot.communicate()
        assert (bot.returncode, complaints) == (0, b"")
