"""The shared transcripts: this replica does what the files say, as every other language's must."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenehub.protocol.testing.playing import play

from .record_transcripts import FOLDER, SCENES, transcript


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_replica_does_what_the_transcript_says(path: Path) -> None:
    """Style rule 15: the twin in TypeScript is judged by the same files."""
    written = json.loads(path.read_text(encoding="utf-8"))
    for number, (said, done) in enumerate(zip(written["steps"], play(written), strict=True)):
        assert json.loads(json.dumps(done)) == said, f"step {number}"


def test_the_transcripts_are_those_of_the_scenes() -> None:
    """`python -m tests.protocol.record_transcripts` makes them."""
    assert {path.stem for path in FOLDER.glob("*.json")} == {act.__name__.replace("_", "-") for act in SCENES}
    for act in SCENES:
        path = FOLDER / f"{act.__name__.replace('_', '-')}.json"
        assert json.loads(path.read_text(encoding="utf-8")) == transcript(act), path.name
