"""Many seeds, and a report: `python -m tests.simulation.run --seeds 10000 --report docs/reference/simulation.md`.

The report names the commit, how the seeds ended, and how many seeds each planted bug took to be found.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from scenehub.protocol.testing.simulation import Run, simulate

from .bugs import DRAWN, MISTAKES, PLANTED
from .hunting import Catch, hunt

PORTION = 50
"""Seeds that a process runs before it says how they went."""

NOT_SEEN = {
    "overlapping frame dropped": "no hub sends such a frame: connections are in order, and a state ends at the head",
    "gone from anywhere": "the next lease mends it within a second; no rule says that presence may not flicker",
    "LIMIT 10": "the room sees that it is still behind and asks again: slower, not wrong",
    "base moved on": "code is guarded by `upon`; for other fields the oracle takes an edit's word for its base",
    "regression not seen": "needs a failover that loses outcomes and no commit, and hardly any seed has one",
}
"""Why a slip is not found, where that is understood."""


@dataclass
class Tally:
    """How seeds ended."""

    seeds: int = 0
    edits: int = 0
    commits: int = 0
    virtual: float = 0.0
    broken: list[Run] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.broken = []

    def add(self, runs: Iterable[Run]) -> None:
        """Count more of them."""
        for run in runs:
            self.seeds += 1
            self.edits += run.edits
            self.commits += run.commits
            self.virtual += run.seconds
            if run.broken is not None:
                self.broken.append(run)


def portion(first: int, count: int) -> list[Run]:
    """Run some seeds."""
    return [simulate(seed) for seed in range(first, first + count)]


def run_seeds(first: int, count: int, processes: int) -> Tally:
    """Run seeds, saying on standard error how it goes."""
    tally = Tally()
    began = time.monotonic()
    starts = range(first, first + count, PORTION)
    sizes = [min(PORTION, first + count - start) for start in starts]
    with ProcessPoolExecutor(processes) as pool:
        for runs in pool.map(portion, starts, sizes):
            tally.add(runs)
            took = time.monotonic() - began
            line = f"\r{tally.seeds}/{count} seeds, {tally.seeds / took:.0f}/s, {len(tally.broken)} broken "
            sys.stderr.write(line)
            sys.stderr.flush()
    sys.stderr.write("\n")
    return tally


def hunt_all(most: int) -> dict[str, Catch]:
    """Look for every bug and slip."""
    catches: dict[str, Catch] = {}
    for bug in (*PLANTED, *MISTAKES):
        catches[bug.name] = catch = hunt(bug, most)
        sys.stderr.write(f"{bug.name}: {catch.seeds if catch.words else 'not found'}\n")
    return catches


def report(tally: Tally, catches: dict[str, Catch], commit: str, command: str) -> str:
    """The report as Markdown."""
    totals = (
        f"{tally.seeds:,} seeds: {tally.edits:,} edits, {tally.commits:,} commits, {tally.virtual / 3600:,.0f} hours "
        f"of virtual time. Broken promises: **{len(tally.broken)}**."
    )
    lines = [
        "# Simulation",
        "",
        f"Commit `{commit}`, by `{command}`. Generated; do not edit.",
        "",
        totals,
        "",
        *(f"- seed {run.seed}: {_last_line(run.broken)}" for run in tally.broken[:20]),
    ]
    lines += ["", "## Planted bugs", "", *_table(catches, [bug.name for bug in PLANTED])]
    drawn = [bug.name for bug in DRAWN]
    words = (
        "Twelve slips were written down before any was run (`tests/simulation/bugs.py`), and a die chose four of them: "
        + ", ".join(f"*{name}*" for name in drawn)
        + ". All twelve were then run:"
    )
    lines += ["", "## Slips chosen without regard to the simulator", "", words, ""]
    lines += _table(catches, [bug.name for bug in MISTAKES])
    return "\n".join(lines) + "\n"


def _table(catches: dict[str, Catch], names: Sequence[str]) -> list[str]:
    rows = ["| bug | what it does | seeds needed | rule | what was found |", "|---|---|---|---|---|"]
    for name in names:
        catch = catches.get(name)
        if catch is None:
            continue
        found = str(catch.seeds) if catch.words else f"none of {catch.seeds}"
        words = _last_line(catch.words) if catch.words else NOT_SEEN.get(name, "")
        rows.append(f"| {name} | {catch.bug.words} | {found} | {catch.rule or ''} | {words} |")
    return rows


def _last_line(words: str | None) -> str:
    line = (words or "").strip().splitlines()[-1] if words else ""
    plain = line.replace("|", "\\|").replace("{", "(").replace("}", ")")
    return plain if len(plain) <= 140 else plain[:139] + "…"


def head() -> str:
    """The commit that stands in the working tree."""
    shown = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or "unknown"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit code says whether every promise held and every planted bug was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--bugs", type=int, default=300, help="seeds spent on a planted bug at most; 0 to leave them out"
    )
    parser.add_argument("--report", type=Path)
    parser.add_argument("--commit", help="the hash to name; without it, git's HEAD")
    wanted = parser.parse_args(arguments)
    tally = run_seeds(wanted.first, wanted.seeds, wanted.processes)
    catches = hunt_all(wanted.bugs) if wanted.bugs else {}
    command = f"python -m tests.simulation.run --seeds {wanted.seeds} --bugs {wanted.bugs}"
    text = report(tally, catches, wanted.commit or head(), command)
    if wanted.report is None:
        print(text)
    else:
        wanted.report.parent.mkdir(parents=True, exist_ok=True)
        wanted.report.write_text(text)
    missed = [bug.name for bug in PLANTED if bug.name in catches and catches[bug.name].words is None]
    return 1 if tally.broken or missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
