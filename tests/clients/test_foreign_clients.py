"""Clients that know nothing of our library, against a real node in a process of its own, over a line that breaks."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import websockets

from scenehub.protocol.codec import Flavour
from scenehub.protocol.edits import Role
from scenehub.server.hub.access import Access
from tests.cli.programs import program
from tests.clients.cutting import breaking_line
from tests.server.raw import SECRET, Bare, Frame

CLIENTS = Path(__file__).parents[2] / "examples" / "clients"
EDITS = 10
PATIENCE = 40.0  # seconds; a shared machine may be slow


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a node with a project for each client."""
    projects = [word for name in ("for-python", "for-node", "for-deno") for word in ("--create", name)]
    with program("serve", "--store", "memory", "--port", "0", *projects, SCENEHUB_SECRET=SECRET) as hub:
        port = urlsplit(hub.url()).port
        assert port is not None
        yield port


def token(user: str) -> str:
    return Access(SECRET, now=lambda: 0.0).token(user, name=user, role=Role.EDITOR, seconds=600)


def python() -> list[str | Path]:
    return [sys.executable, "-I", CLIENTS / "minimal.py"]


def node() -> list[str | Path]:
    """Node's own WebSocket: from 22 on as it is, in 20 and 21 behind a flag."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this machine")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(version.removeprefix("v").split(".")[0])
    if major < 20:
        pytest.skip(f"node {major} has no WebSocket of its own")
    return [node, *(["--experimental-websocket"] if major < 22 else []), CLIENTS / "minimal.mjs"]


def deno() -> list[str | Path]:
    """The same file on a second JavaScript, which comes with the development tools."""
    return [Path(sys.executable).with_name("deno"), "run", "--quiet", "--allow-net", CLIENTS / "minimal.mjs"]


async def run_over_a_breaking_line(command: list[str | Path], port: int, project: str) -> tuple[Any, list[Frame], int]:
    """What a client printed at its end, the commits that a bystander heard, and how often it connected."""
    path = f"/v1/projects/{project}/ws"
    async with (
        breaking_line(port) as line,
        websockets.connect(
            f"ws://127.0.0.1:{port}{path}", subprotocols=[websockets.Subprotocol(Flavour.JSON)]
        ) as socket,
    ):
        bystander = Bare(socket, Flavour.JSON)
        await bystander.hello(token("bystander"))
        process = await asyncio.create_subprocess_exec(
            *command, line.url + path, token("guest"), str(EDITS), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            async with asyncio.timeout(PATIENCE):
                ended = asyncio.create_task(process.communicate())
                commits = [await heard(bystander)]
                line.saved.set()
                while sum(len(commit["edits"]) for commit in commits) < EDITS:
                    commits.append(await heard(bystander))
                printed, transcript = await ended
        finally:
            if process.returncode is None:
                process.kill()
                print((await ended)[1].decode())
        print(transcript.decode())
        assert process.returncode == 0, transcript.decode()
        await bystander.send({"t": "ping", "nonce": 1})
        commits.append(await bystander.next("pong"))
        return json.loads(printed), commits, line.connections


async def heard(bystander: Bare) -> Frame:
    """The next commit, however long it takes."""
    while True:
        try:
            return await bystander.next("commit")
        except TimeoutError:
            await bystander.send({"t": "ping"})


@pytest.mark.parametrize("language", [python, node, deno], ids=lambda language: language.__name__)
async def test_a_foreign_client_joins_edits_and_resumes_without_a_loss_or_a_double(language: Any, port: int) -> None:
    """E1, E2, E3: one connection is cut before it hears of a saved edit, the next before an edit reaches the hub."""
    command = language()
    printed, [*commits, pong], connections = await run_over_a_breaking_line(command, port, f"for-{language.__name__}")
    saved = [(commit["seq"] + place, row["id"]) for commit in commits for place, row in enumerate(commit["edits"])]
    assert saved == [(n, [printed["client"], n]) for n in range(1, EDITS + 1)]
    assert pong["seq"] == EDITS, "nothing more was saved"
    assert (connections, printed["connections"]) == (3, 3)
    assert (printed["scene"]["name"], printed["scene"]["props.count"]) == ("Counting", EDITS - 1)


@pytest.mark.parametrize("name", ["minimal.py", "minimal.mjs"])
def test_a_foreign_client_knows_nothing_of_our_library(name: str) -> None:
    lines = (CLIENTS / name).read_text(encoding="utf-8").splitlines()
    imported = [line for line in lines if line.startswith(("import ", "from "))]
    assert [line for line in imported if "scenehub" in line] == []
    assert name == "minimal.py" or imported == []
