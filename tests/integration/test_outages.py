"""The bad days F1, F2, F3 and F5 of a deployment of two processes, as `loadtest/outages.py` plays and judges them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

OUTAGES = Path(__file__).parents[2] / "loadtest" / "outages.py"


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["kill", "--rounds", "3"], id="F1: three times kill -9 of a node that 50 members edit on"),
        pytest.param(["postgres", "--seconds", "20"], id="F2: Postgres away for 20 s"),
        pytest.param(
            ["postgres", "--seconds", "35", "--members", "20"], id="F2: Postgres away for longer than edits are held"
        ),
        pytest.param(["redis", "--seconds", "20"], id="F3: Redis away for 20 s"),
        pytest.param(["rolling"], id="F5: every node restarted in turn"),
    ],
)
def test_a_bad_day_loses_nothing_and_doubles_nothing(arguments: list[str]) -> None:
    """Every edit that was reported saved is stored exactly once; everyone goes on and ends with the same state."""
    played = subprocess.run(
        [sys.executable, str(OUTAGES), *arguments], capture_output=True, text=True, check=False, timeout=380
    )
    print(played.stdout)
    assert played.returncode == 0, played.stdout[-2000:] + played.stderr[-4000:]
