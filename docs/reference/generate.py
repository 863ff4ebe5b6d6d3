"""Write docs/reference/protocol/ from the models: ./run python docs/reference/generate.py

With `--check` nothing is written: it names the files that are stale, and fails if there are any. Everything but the
transcripts needs pydantic only; those are conversations with a real node, which tests/reference/conversations.py holds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TARGET = Path(__file__).parent / "protocol"
sys.path[:0] = [str(Path(__file__).parent), str(REPOSITORY)]

from generator.asyncapi import asyncapi  # noqa: E402
from generator.pages import pages  # noqa: E402
from generator.schemas import schema  # noqa: E402
from generator.typescript import typescript  # noqa: E402


def generated() -> dict[str, str]:
    """The files of the reference, by name."""
    from tests.reference.transcripts import page

    frames = schema()
    return {
        "schema.json": _json(frames),
        "asyncapi.json": _json(asyncapi(frames)),
        "frames.ts": typescript(frames),
        **pages(frames),
        "transcripts.md": page(),
    }


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the files, or check them."""
    stale = {name: text for name, text in generated().items() if _stands(name) != text}
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"stale: {(TARGET / name).relative_to(REPOSITORY)}\n")
        if stale:
            sys.stderr.write("write them anew: ./run python docs/reference/generate.py\n")
        return 1 if stale else 0
    for name, text in stale.items():
        TARGET.mkdir(exist_ok=True)
        (TARGET / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {(TARGET / name).relative_to(REPOSITORY)}\n")
    return 0


def _stands(name: str) -> str | None:
    path = TARGET / name
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
