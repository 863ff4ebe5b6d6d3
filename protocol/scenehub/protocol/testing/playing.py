"""Playing transcripts: what goes into a replica and what comes out, as JSON that every language's replica is judged by.

A transcript is `{"about", "client_ids", "steps"}`; a step is `{"at", "do", "out", "then"}`: the time in seconds, one
input, the outputs that matter to others, and the state afterwards. The files are in `transcripts/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scenehub.protocol.codec import frame_wire, hub_frame
from scenehub.protocol.edits import Edit, EditId
from scenehub.protocol.happenings import (
    Choice,
    Merged,
    Output,
    Overwritten,
    Reconnect,
    Rejected,
    Replaced,
    Saved,
    SendFrame,
)
from scenehub.protocol.replica import Replica

Plain = dict[str, Any]


def play(transcript: Plain) -> list[Plain]:
    """Feed a fresh replica a transcript's inputs; returns its steps as they went this time."""
    replica = Replica("token", iter(transcript["client_ids"]))
    return [played(replica, step["at"], step["do"]) for step in transcript["steps"]]


def played(replica: Replica, at: float, do: Plain) -> Plain:
    """One step."""
    return {"at": at, "do": do, "out": outputs_wire(_feed(replica, do, at)), "then": state_of(replica)}


def _feed(replica: Replica, do: Plain, now: float) -> Iterable[Output]:
    match do:
        case {"open": _}:
            return replica.open(now)
        case {"closed": code}:
            return replica.closed(code)
        case {"receive": raw}:
            return replica.received(hub_frame(raw), now)
        case {"edit": ops, **more}:
            placeholder = {"id": ["x", 1], "epoch": "x", "base": 0, "ops": ops}
            return replica.edit(Edit.model_validate(placeholder).ops, now, **_options(more))[1]
        case {"tick": _}:
            return replica.tick(now)
        case _:
            raise ValueError(f"a transcript has no step {sorted(do)}")


def _options(more: Plain) -> Plain:
    undoes = more.get("undoes")
    return {"guarded": more.get("guarded", False), "undoes": None if undoes is None else EditId(*undoes)}


def outputs_wire(outputs: Iterable[Output]) -> list[Plain]:
    """The outputs that every replica must give, in their order; what only says that something changed is left out."""
    return [plain for output in outputs if (plain := _output_wire(output)) is not None]


def _output_wire(output: Output) -> Plain | None:
    match output:
        case SendFrame(frame):
            return {"send": _listed(frame_wire(frame))}
        case Reconnect():
            return {"reconnect": True}
        case Saved(id, seq):
            return {"saved": list(id), "seq": seq}
        case Rejected(id, code):
            return {"rejected": list(id), "code": code}
        case Merged(id, into):
            return {"merged": list(id), "into": None if into is None else list(into)}
        case Choice(id):
            return {"choice": list(id)}
        case Overwritten(notice, mine):
            return {
                "overwritten": list(notice.key), "by": list(notice.by), "lost": notice.lost_value, "mine": mine
            }  # fmt: skip
        case Replaced(reason):
            return {"replaced": reason}
        case _:
            return None


def state_of(replica: Replica) -> Plain:
    """What must be the same in every replica after a step."""
    position = replica.position
    return {
        "status": replica.status,
        "client": replica.client,
        "position": None if position is None else [position.epoch, position.seq],
        "checksum": replica.confirmed.checksum(),
        "pending": [list(pending.edit.id) for pending in replica.pending],
        "relays": [list(id) for id in replica.relays],
        "scenes": [
            {
                "id": scene.id,
                "name": scene.name,
                "position": scene.position,
                "start": scene.start,
                "duration": scene.duration,
                "tsx_code": scene.tsx_code,
                "props": scene.props,
                "unsaved": replica.view.unsaved_fields("scene", scene.id),
            }
            for scene in replica.view.scenes
        ],
    }


def _listed(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, dict):
        return {key: _listed(member) for key, member in value.items()}
    return [_listed(member) for member in value] if isinstance(value, list | tuple) else value
