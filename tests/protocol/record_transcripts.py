"""Record the transcripts anew: `python -m tests.protocol.record_transcripts`. Read the difference before you commit it.

Each scene is played on the stage with one recorded replica; the test plays the files back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from scenehub.protocol import testing
from scenehub.protocol.codec import frame_wire
from scenehub.protocol.edits import EditId
from scenehub.protocol.limits import Limits
from scenehub.protocol.messages import HubFrame
from scenehub.protocol.ops import Op, SceneDelete, SceneRestore
from scenehub.protocol.replica import Outputs, Replica
from scenehub.protocol.testing.playing import outputs_wire, state_of

from .stage import Client, Stage, code, name, scene

FOLDER = Path(testing.__path__[0]) / "transcripts"


class Recorded(Replica):
    """A replica that notes its steps."""

    def __init__(self, who: str) -> None:
        super().__init__("token", (f"{who}{number}" for number in count(1)))
        self.steps: list[dict[str, Any]] = []

    def _note(self, at: float, do: dict[str, Any], outputs: Outputs) -> Outputs:
        self.steps.append({"at": at, "do": do, "out": outputs_wire(outputs), "then": state_of(self)})
        return outputs

    def open(self, now: float) -> Outputs:
        return self._note(now, {"open": True}, super().open(now))

    def closed(self, code: int | None) -> Outputs:
        return self._note(self.steps[-1]["at"], {"closed": code}, super().closed(code))

    def received(self, frame: HubFrame | None, now: float) -> Outputs:
        assert frame is not None
        return self._note(now, {"receive": frame_wire(frame)}, super().received(frame, now))

    def tick(self, now: float) -> Outputs:
        outputs = super().tick(now)
        return self._note(now, {"tick": True}, outputs) if outputs else outputs

    def edit(self, ops: Sequence[Op], now: float, **more: Any) -> tuple[EditId, Outputs]:
        id, outputs = super().edit(ops, now, **more)
        wire = next(pending.edit.wire for pending in reversed(self.pending) if pending.edit.id == id)
        self._note(now, {"edit": wire["ops"], **more}, outputs)
        return id, outputs


def recorded(stage: Stage, who: str = "rec") -> Client:
    client = Client(stage, who)
    client.replica = Recorded(who)
    return client


def two_stages() -> Client:
    """An edit shows at once, reaches others as a relay, is saved; a relay can be rejected (S1, S2, S3)."""
    stage = Stage()
    rec, ann = recorded(stage).join(), stage.client("ann")
    rec.edit(scene())
    stage.save()
    ann.edit(name("Ann's"))
    stage.save()
    ann.edit(SceneDelete(id="s1"))
    stage.save()
    ann.edit(SceneRestore(id="s1"))
    stage.save()
    return rec


def merge_and_choice() -> Client:
    """A stale code edit is merged on top of what is there; where lines overlap a person chooses (O4)."""
    stage = Stage()
    rec, ann = recorded(stage).join(), stage.client("ann")
    rec.edit(scene())
    stage.save()
    rec.cut()
    rec.edit(code("a\nb\nREC"))
    ann.edit(code("ANN\nb\nc"))
    stage.save()
    rec.join()
    stage.save()
    stage.save()
    rec.cut()
    rec.edit(code("mine"))
    ann.edit(code("ANN!\nb\nREC"))
    stage.save()
    rec.join()
    stage.save()
    return rec


def chain_of_stale_edits() -> Client:
    """What was typed on top of a stale edit goes on with it: one merge, from the text the chain began with (O4)."""
    stage = Stage()
    rec, ann = recorded(stage).join(), stage.client("ann")
    rec.edit(scene())
    stage.save()
    rec.cut()
    rec.edit(code("a\nb\nc1"))
    rec.edit(code("a\nb\nc1\nd"))
    ann.edit(code("ANN\nb\nc"))
    stage.save()
    rec.join()
    stage.save()
    stage.save()
    return rec


def resume() -> Client:
    """Outcomes, conflicts and a delta on resume; edits are sent again under their ids (E1, E3, O3)."""
    stage = Stage()
    rec, ann = recorded(stage).join(), stage.client("ann")
    rec.edit(scene())
    stage.save()
    rec.deaf = True
    rec.edit(name("Rec's"))
    rec.edit(name("x", "nowhere"))
    stage.save()
    rec.cut()
    rec.deaf = False
    rec.edit(scene("s2", position="a2"))
    ann.edit(code("new"))
    stage.save()
    rec.join()
    stage.save()
    return rec


def divergence() -> Client:
    """A pong whose checksum differs: a snapshot replaces everything (E3)."""
    stage = Stage()
    rec = recorded(stage).join()
    rec.edit(scene())
    stage.save()
    room = stage.rooms["A"]
    key = ("scene", "s1")
    cell = room.document.entities[key]["name"]
    room.document.entities[key]["name"] = cell._replace(value="other")
    room.document._sums.clear()
    stage.wait(8.25)
    return rec


def window_gap_and_hand_back() -> Client:
    """No more under way than allowed; a gap and what the hub hands back are sent again in order (E1, E2)."""
    stage = Stage(limits=Limits(in_flight=2))
    rec = recorded(stage).join()
    rec.mute = True
    rec.edit(scene())
    rec.mute = False
    rec.edit(name("one"))
    rec.edit(name("two"))
    stage.wait(0.5)
    stage.save()
    rec.edit(name("three"))
    stage.rooms["A"].away_since = -99.0
    rec.edit(name("four"))
    stage.rooms["A"].away_since = None
    stage.wait(2.5)
    stage.save()
    return rec


def lost_history() -> Client:
    """The store goes back: the client takes a new id and sends what was lost again, guarded (E4)."""
    stage = Stage()
    rec = recorded(stage).join()
    rec.edit(scene())
    stage.save()
    copy = stage.ledger.copy()
    rec.edit(scene("s2", position="a2"))
    stage.save()
    stage.ledger.restore(copy)
    rec.cut()
    stage.load("A")
    rec.join()
    rec.cut()
    rec.join()
    stage.save()
    return rec


SCENES: list[Callable[[], Client]] = [
    two_stages,
    merge_and_choice,
    chain_of_stale_edits,
    resume,
    divergence,
    window_gap_and_hand_back,
    lost_history,
]


def transcript(act: Callable[[], Client]) -> dict[str, Any]:
    """Play a scene and write down what its replica did."""
    client = act()
    assert isinstance(client.replica, Recorded)
    about = (act.__doc__ or "").strip()
    taken = {client.replica.client, *(step["then"]["client"] for step in client.replica.steps)}
    ids = [f"{client.who}{number}" for number in range(1, len(taken) + 1)]
    return {"about": about, "client_ids": ids, "steps": json.loads(json.dumps(client.replica.steps))}


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for act in SCENES:
        path = FOLDER / f"{act.__name__.replace('_', '-')}.json"
        path.write_text(json.dumps(transcript(act), ensure_ascii=False, indent=1) + "\n")
        print(path.name)


if __name__ == "__main__":
    main()
