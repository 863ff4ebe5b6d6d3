"""The conversations as a page, docs/reference/protocol/transcripts.md; what differs between runs is made the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from scenehub.protocol.codec import Flavour
from scenehub.protocol.limits import Limits
from scenehub.server.logs import configure_log
from tests.reference.conversations import CONVERSATIONS, Said, Stage, conversed
from tests.server.raw import running

WIDTH = 116
HEAD = """# Transcripts

<!-- written by docs/reference/generate.py from tests/reference/conversations.py: do not edit -->

Conversations of bare clients with a hub, in the JSON flavour: the tests hold them and judge every frame by
[the schema](schema.json). `ada → hub` is what ada sends, `ada ← hub` what she receives; `✂` is a cut line; how
everybody joins is written out once, under [Joining](#joining). Frames that do not belong to the
matter (mostly `presence`) are left out, tokens, epochs, checksums and times are made the same, and
`"…"` stands for the [limits](limits.md).
"""
SAME: dict[str, Any] = {
    "token": "eyJhbGciOi…",
    "at": 1767225600000,
    "token_ms": 3599990,
    "checksum": 2596996162,
    "retry_ms": 1200,
    "session": 7,
}


def page() -> str:
    """The page's text, from conversations that are held now."""
    configure_log("warning")
    return asyncio.run(_page())


async def _page() -> str:
    async with running() as node:
        stages = await conversed(node, Flavour.JSON)
    blocks = [HEAD.strip()]
    for conversation in CONVERSATIONS:
        name = conversation.__name__
        words = " ".join((conversation.__doc__ or "").split())
        blocks += [f"## {name.capitalize()}", words, "```text\n" + "\n".join(transcript(stages[name])) + "\n```"]
    return "\n\n".join(blocks) + "\n"


def transcript(stage: Stage) -> list[str]:
    """A conversation, a frame or more lines each."""
    return [line for said in stage.said for line in _lines(said)]


def _lines(said: Said) -> list[str]:
    if said.arrow == "joins" and isinstance(said.frame, dict):
        return [f"{said.who} joins as {said.frame['role']}: hello, welcome, state"]
    if said.arrow == "✂":
        return [f"{said.who} ✂ hub"]
    head = f"{said.who} {said.arrow} hub  "
    if isinstance(said.frame, int):
        return [f"{head}close {said.frame}"]
    frame = same(said.frame)
    flat = head + _json(frame)
    if len(flat) <= WIDTH:
        return [flat]
    indent = " " * (len(head) + 1)
    lines, line = [], head + "{"
    *most, last = [f"{_json(key)}:{_json(value)}" for key, value in frame.items()]
    for member in [*(f"{member}," for member in most), f"{last}}}"]:
        if len(line) + len(member) > WIDTH and line not in (head + "{", indent):
            lines.append(line)
            line = indent
        line += member
    return [*lines, line]


def same(value: Any) -> Any:
    """A frame without what differs from run to run."""
    if isinstance(value, list):
        members = [same(member) for member in value]
        if len(members) == 3 and isinstance(value[0], str) and len(value[0]) > 15 and isinstance(value[1], int):
            members[0] = EPOCH  # a position
        return members
    if not isinstance(value, dict):
        return value
    plain = {}
    for key, member in value.items():
        if key == "limits":
            assert member.keys() == Limits().model_dump().keys()
            plain[key] = "…"
        elif key == "epoch":
            plain[key] = EPOCH
        elif key == "token" and member.count(".") != 2:
            plain[key] = member
        elif key in SAME:
            plain[key] = [SAME[key], *same(member[1:])] if isinstance(member, list) else SAME[key]
        else:
            plain[key] = same(member)
    return plain


EPOCH = "Zf3Q0nX1"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
