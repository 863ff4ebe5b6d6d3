"""Summary: an edit in a few words for a log line, such as `duration of "Cold open" → 120`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from scenehub.protocol.ops import (
    MemorySet,
    MessageAdd,
    MessageSet,
    Op,
    ProjectSet,
    SceneAdd,
    SceneDelete,
    SceneMove,
    SceneRestore,
    SceneSet,
)

LONGEST_VALUE = 40
LONGEST_TEXT = 80

NameOf = Callable[[str], str | None]
"""The name of a scene by its id, None when it is not known."""


def summary(ops: Sequence[Op], name_of: NameOf) -> str:
    """What these ops do, the first one in full."""
    if not ops:
        return "nothing"
    added = sum(isinstance(op, SceneAdd) for op in ops)
    more = len(ops) - max(1, added)
    if added > 1:
        return f"{added} new scenes" + (f" and {more} more" if more else "")
    return _one(ops[0], name_of) + (f" and {more} more" if more else "")


def _one(op: Op, name_of: NameOf) -> str:
    match op:
        case SceneSet():
            return _fields(op.set.written(), f"of {_scene(op.id, name_of)}")
        case SceneAdd():
            return f"new scene {quoted(op.name)}, {op.duration} frames"
        case SceneMove():
            return f"{_scene(op.id, name_of)} moved"
        case SceneDelete():
            return f"{_scene(op.id, name_of)} deleted"
        case SceneRestore():
            return f"{_scene(op.id, name_of)} restored"
        case ProjectSet():
            return _fields(op.set.written(), "of the project")
        case MessageAdd():
            return f"says {quoted(op.text, LONGEST_TEXT)}"
        case MessageSet():
            return "took a message back" if op.set.written().get("deleted") else "changed a message"
        case MemorySet():
            return f"forgets {op.key}" if op.value is None else f"remembers {op.key} = {shown(op.value)}"
        case _:
            return op.kind


def _fields(written: dict[str, Any], of: str) -> str:
    props = written.pop("props", None) or {}
    flat = {**written, **props}
    if len(flat) == 1:
        ((name, value),) = flat.items()
        if name == "tsx_code":
            return f"code {of}, {counted_lines(str(value))}"
        return f"{name} {of} {'removed' if value is None else f'→ {shown(value)}'}"
    names = ["code" if name == "tsx_code" else name for name in flat]
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{listed or 'nothing'} {of}"


def counted_lines(code: str) -> str:
    """How long a text is."""
    lines = code.count("\n") + (not code.endswith("\n") and code != "")
    return "1 line" if lines == 1 else f"{lines} lines"


def _scene(id: str, name_of: NameOf) -> str:
    name = name_of(id)
    return f"scene {id[:8]}" if name is None else quoted(name)


def quoted(text: str, longest: int = LONGEST_VALUE) -> str:
    """A text in quotation marks, on one line, not too long, without what could steer a terminal."""
    return f'"{one_line(text, longest)}"'


def one_line(text: str, longest: int) -> str:
    """A text on one line, cut to `longest` characters, control characters shown as ·."""
    flat = " ".join(text.split())
    flat = "".join(letter if letter.isprintable() else "·" for letter in flat)
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def shown(value: Any) -> str:
    """A free value in a few characters."""
    if isinstance(value, str):
        return quoted(value)
    return one_line(json.dumps(value, ensure_ascii=False), LONGEST_VALUE)
