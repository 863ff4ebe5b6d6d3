"""The Markdown pages of the reference: frames, ops, error and close codes, limits and times."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from scenehub.protocol import limits as times
from scenehub.protocol.closing import Close, ComeBack, come_back
from scenehub.protocol.errors import RETRYABLE
from scenehub.protocol.limits import Limits
from scenehub.protocol.messages import ClientFrame, HubFrame
from scenehub.protocol.ops import COMMENT_OPS, SYSTEM_OPS, Op

from .meanings import CLOSES, ERRORS
from .schemas import frame_models, words_under_fields
from .typescript import type_of

Schema = dict[str, Any]
NOTE = "<!-- written by docs/reference/generate.py from the models: do not edit -->"
FRAMES = """\
Every frame is a map whose `t` names it. A field that is not marked ● may be missing and then has its default. Clients'
frames may hold no key that is not listed; in the hub's frames pass over what you do not know. Numbers are integers but
in `cursor` and in free values. [How frames follow upon one another](../../howto/write-a-client.md),
[real conversations](transcripts.md), [ops](ops.md) and their types."""
OPS = """\
An edit is one or more ops that are saved together. ● marks what must be there; in a `set`, what is left out is not
written."""
ERROR_WORDS = """\
Compare codes, show words. A `reject` is an outcome: the edit's counter is used, it can never be saved, and everybody
drops it. An `error` with an `id` says that the hub has not taken that edit; where *again* says yes, send the same edit
under the same id, in order. `culprit` is a path: in the frame where the schema is broken (`edit.ops.0.set.duration`),
in the edit where it does not fit the project (`ops.0.id`)."""
CLOSE_WORDS = """\
The range of a WebSocket close code answers the one question a client has. 1006 (a cut line), 1001, 1012 and every code
that you do not know mean *later*. A `bye` before the close tells after how many milliseconds."""
LIMIT_WORDS = """\
`welcome.limits` tells what this hub allows; these are the defaults. Obey them before you send. Sizes in bytes, rates a
second. `hello` has 64 KiB at most."""
RANGES = {
    ComeBack.NO: ("4000–4099", "No: this will not work again by itself."),
    ComeBack.WITH_NEW_TOKEN: ("4100–4199", "With a new token."),
    ComeBack.LATER: ("4200–4299", "Later, with a pause that grows; every code outside these ranges means the same."),
    ComeBack.AFRESH: ("4300–4399", "Yes, but drop the state you have and load it anew; own edits stay pending."),
}
TIMES = {
    "HELLO_TIMEOUT": "from the upgrade until `hello` must be there",
    "PING_EVERY": "how often a client that has nothing to say sends `ping`",
    "IDLE_AFTER": "silence after which a member is shown as idle",
    "GONE_AFTER": "silence after which a member is closed and gone; a client gives up a silent hub after as long",
    "OLD_AFTER": "`age` of an edit above which it is guarded",
    "HELD_AT_MOST": "how long the hub holds edits while it cannot save",
    "SLOW_AT_MOST": "how long a slow reader has to catch up",
    "EXPIRED_GRACE": "how long a session with an expired token may still read",
}


def pages(schema: Schema) -> dict[str, str]:
    """The pages by file name."""
    definitions = schema["$defs"]
    return {
        "frames.md": _frames(definitions),
        "ops.md": _ops(definitions),
        "errors.md": _errors(),
        "close-codes.md": _closes(),
        "limits.md": _limits(),
    }


def _page(title: str, *blocks: str) -> str:
    return "\n\n".join([f"# {title}", NOTE, *(block.strip("\n") for block in blocks)]) + "\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)


# Frames and ops.


def _frames(definitions: Mapping[str, Schema]) -> str:
    sides = {"From client to hub": frame_models(ClientFrame), "From hub to client": frame_models(HubFrame)}
    blocks = [FRAMES]
    shown = set()
    for title, models in sides.items():
        blocks.append(f"## {title}")
        for tag, model in models.items():
            shown.add(model.__name__)
            blocks.append(_described(f"### {tag}: {model.__name__}", definitions[model.__name__]))
    blocks.append("## What frames are made of")
    rest = ["Edit", "EditId", "Actor", "ActorKind", "Role", "Position", "FieldKey", "EntityRow", "CellRow", "CommitRow"]
    rest += ["RelayRow", "Outcomes", "RejectRow", "Notice", "Foundation", "Member", "Presence", "Id", "Value"]
    blocks += [_described(f"### {name}", definitions[name]) for name in rest]
    return _page("Frames", *blocks)


def _ops(definitions: Mapping[str, Schema]) -> str:
    blocks = [OPS]
    for kind, model in frame_models(Op).items():
        who = "owners and editors"
        if model in SYSTEM_OPS:
            who = "the hub itself"
        elif model in COMMENT_OPS:
            who = "owners, editors and commenters"
        blocks.append(_described(f"## {kind}: {model.__name__}", definitions[model.__name__], f"For {who}."))
    blocks.append("## What ops are made of")
    blocks += [_described(f"### {name}", body) for name, body in definitions.items() if name.endswith("Fields")]
    return _page("Ops", *blocks)


def _described(heading: str, body: Schema, more: str = "") -> str:
    blocks = [heading]
    if words := " ".join(f"{body.get('description', '')} {more}".split()):
        blocks.append(words)
    if "properties" in body:
        required = body.get("required", [])
        rows = (
            [f"`{name}`{' ●' if name in required else ''}", _kind(inner), _meaning(inner)]
            for name, inner in body["properties"].items()
            if "const" not in inner
        )
        if rows := list(rows):
            blocks.append(_table(("field", "type", ""), rows))
    else:
        blocks.append(_kind(body))
    return "\n\n".join(blocks)


def _kind(body: Schema) -> str:
    return f"`{type_of(body)}`"


def _meaning(body: Schema) -> str:
    words = [body.get("description", "")]
    words.append(_bounds(body))
    if "default" in body:
        words.append(f"Default `{json.dumps(body['default'], ensure_ascii=False)}`.")
    return " ".join(word for word in words if word)


def _bounds(body: Schema) -> str:
    for one in [body, *body.get("anyOf", [])]:
        if "maximum" in one and one["maximum"] < 2**53 - 1:
            return f"{one['minimum']:g} to {one['maximum']:,}.".replace(",", " ")
        if "minimum" in one and one["minimum"] > 0:
            return f"At least {one['minimum']}."
        if "maxLength" in one:
            return f"{one.get('minLength', 0)} to {one['maxLength']:,} characters.".replace(",", " ")
        if one.get("type") == "string" and "pattern" in one:
            return f"Matches `{one['pattern']}`."
    return ""


# Codes.


def _errors() -> str:
    rows = [
        [f"`{code.value}`", meaning, "yes" if code in RETRYABLE else "no", remedy]
        for code, (meaning, remedy) in ERRORS.items()
    ]
    return _page(
        "Error codes",
        ERROR_WORDS,
        _table(("code", "meaning", "again", "what a client does"), rows),
        "After 20 bad frames in a row (one a second is forgiven) the hub closes with "
        f"[{Close.PROTOCOL_VIOLATION.value}](close-codes.md).",
    )


def _closes() -> str:
    ranges = _table(("range", "may I come back?"), [list(row) for row in RANGES.values()])
    rows = [
        [f"{code.value}", f"`{code.name.lower()}`", words, RANGES[come_back(code)][1].split(":")[0].split(",")[0]]
        for code, words in CLOSES.items()
    ]
    return _page(
        "Close codes",
        CLOSE_WORDS,
        ranges,
        _table(("code", "name", "why", "come back?"), rows),
    )


def _limits() -> str:
    words = words_under_fields(Limits)
    rows = [
        [f"`{name}`", f"{value:,}".replace(",", " "), words.get(name, "").split(" (")[0].rstrip(".")]
        for name, value in Limits().model_dump().items()
    ]
    seconds = [[f"{getattr(times, name):g} s", meaning] for name, meaning in TIMES.items()]
    return _page(
        "Limits and times",
        LIMIT_WORDS,
        _table(("limit", "default", ""), rows),
        "## Times",
        _table(("time", ""), seconds),
    )
