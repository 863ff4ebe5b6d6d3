"""The protocol reference is of these models, and the frames of real sessions are as it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scenehub.protocol.codec import Flavour, client_frame, frame_wire, pack, unpack
from scenehub.protocol.edits import EditId
from scenehub.protocol.errors import ProtocolError
from scenehub.protocol.messages import BuildNews, RunNews, Unsaved
from tests.reference.conversations import Stage, conversed
from tests.reference.judging import Judge
from tests.server.raw import running

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SCHEMA = json.loads((REFERENCE / "protocol" / "schema.json").read_text(encoding="utf-8"))
UNION = {"client": "ClientFrame", "hub": "HubFrame"}
JUDGE = Judge(SCHEMA)


def tags(union: str) -> set[str]:
    """What the frames of a union are called on the wire."""
    models = [reference["$ref"].removeprefix("#/$defs/") for reference in SCHEMA["$defs"][union]["oneOf"]]
    return {SCHEMA["$defs"][model]["properties"]["t"]["const"] for model in models}


def test_the_reference_is_not_stale() -> None:
    """Also its transcripts: a frame that changes changes the page."""
    checked = subprocess.run(
        [sys.executable, REFERENCE / "generate.py", "--check"], capture_output=True, text=True, timeout=100, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.fixture(params=Flavour)
async def stages(request: pytest.FixtureRequest) -> dict[str, Stage]:
    """All conversations, held with a node in this process."""
    async with running() as node:
        return await conversed(node, request.param)


async def test_every_frame_of_real_sessions_is_as_the_schema_says(stages: dict[str, Stage]) -> None:
    """In both flavours, in both directions; only the frame that is wrong on purpose is not."""
    faults = [
        (frame, found)
        for stage in stages.values()
        for side, frame in stage.everything
        if (found := JUDGE.faults(frame, UNION[side]))
    ]
    wrong_on_purpose = [
        frame for frame, _ in faults if frame["t"] == "dance" or frame.get("edit", {}).get("id") == ["cleo-tab-1", 1]
    ]
    assert [fault for fault in faults if fault[0] not in wrong_on_purpose] == []
    assert len(wrong_on_purpose) == 2


async def test_the_sessions_show_every_frame_that_a_hub_says_today(stages: dict[str, Stage]) -> None:
    heard = {frame["t"] for stage in stages.values() for side, frame in stage.everything if side == "hub"}
    said = {frame["t"] for stage in stages.values() for side, frame in stage.everything if side == "client"}
    assert heard == tags("HubFrame") - {"unsaved", "run", "build"}
    assert said == tags("ClientFrame") | {"dance"}


@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize(
    "frame",
    [
        Unsaved(ids=(EditId("ada-tab-1", 1),), held=True, why="store_away", retry_ms=1000),
        Unsaved(),
        RunNews(run="r1", status="thinking", message="m1", offset=3, chunk="…", detail={"step": 1.5}),
        BuildNews(scene="opening", seq=3, status="failed", detail=[None, {"line": 3}]),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_frames_of_rarer_moments_are_as_the_schema_says(flavour: Flavour, frame: Any) -> None:
    assert JUDGE.faults(unpack(pack(frame_wire(frame), flavour), flavour), "HubFrame") == []


EDIT = {"id": ["c", 1], "epoch": "e", "base": 0, "ops": [{"kind": "scene.delete", "id": "s"}]}


def with_op(**op: Any) -> dict[str, Any]:
    return {"t": "edit", "edit": {**EDIT, "ops": [op]}}


@pytest.mark.parametrize(
    "frame",
    [
        {"t": "ping", "nonce": 2**53},
        {"t": "ping", "nonce": 1.5},
        {"t": "ping", "nonce": True},
        {"t": "ping", "once": 1},
        {"t": "hello", "client": "c"},
        {"t": "hello", "token": "x", "client": "no spaces"},
        {"t": "sync", "position": ["e", 1]},
        {"t": "presence", "presence": {"cursor": [0, 2e6]}},
        {"t": "edit", "edit": {**EDIT, "ops": []}},
        {"t": "edit", "edit": {**EDIT, "id": ["c", 0]}},
        with_op(kind="scene.set", id="s", set={}),
        with_op(kind="scene.set", id="s", set={"duration": 0}),
        with_op(kind="scene.set", id="s", set={"props": {"a.b": 1}}),
        with_op(kind="scene.move", id="s", position="é"),
        with_op(kind="scene.dance", id="s"),
    ],
    ids=json.dumps,
)
def test_what_the_schema_refuses_the_hub_refuses_too(frame: dict[str, Any]) -> None:
    assert JUDGE.faults(frame, "ClientFrame") != []
    with pytest.raises(ProtocolError):
        client_frame(frame)


@pytest.mark.parametrize(
    "frame",
    [
        {"t": "ping", "nonce": 30.0},
        {"t": "hello", "token": "x", "client": "c", "position": ["e", 0, None]},
        with_op(kind="scene.set", id="s", set={"props": {"a": None, "b": [{"deep": 1.5}]}}),
        with_op(kind="message.add", id="m", text="", scene=None, asks=True),
        with_op(kind="memory.set", key="tone", value="dry"),
    ],
    ids=json.dumps,
)
def test_what_the_schema_allows_the_hub_allows_too(frame: dict[str, Any]) -> None:
    assert JUDGE.faults(frame, "ClientFrame") == []
    client_frame(frame)


HOWTO = (REFERENCE.parent / "howto" / "write-a-client.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json\n(.*?)^```", HOWTO, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_frames_in_the_how_to_are_frames(example: str) -> None:
    frame = json.loads(example)
    assert JUDGE.faults(frame, "ClientFrame") == []
    client_frame(frame)


def test_the_how_to_shows_frames() -> None:
    assert len(EXAMPLES) >= 2
