"""All of design §9 that can be measured today, in one run, beside its goals: docs/reference/benchmarks.md.

    ./run python loadtest/figures.py                                    # prints the page, takes about ten minutes
    ./run python loadtest/figures.py --write docs/reference/benchmarks.md

It runs `bench.py` (fan-out, rates, idle members, a stalled reader; memory), `hub_figures.py` (join, resume, a room;
Postgres) and `commit_bench.py` (commits; Postgres). Do nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Figures = dict[str, list[dict[str, Any]]]

NOT_YET = """Not measured yet, since what it needs is not there: a code commit to its preview, a key press to the
own view in a browser, the brain's decisions, jobs within the commit."""


def ran(script: str, *arguments: str) -> str:
    """The standard output of one of the benchmarks; its progress goes to ours."""
    print(f"… {script} {' '.join(arguments)}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{script} failed:\n{done.stdout}")
    return done.stdout.strip()


def of(figures: Figures, scenario: str, server: str = "hub", **where: object) -> dict[str, Any]:
    """The row of a server in a scenario."""
    for row in figures.get(scenario, []):
        if row["server"] == server and all(row.get(name) == value for name, value in where.items()):
            return row
    return {}


def goals(figures: Figures) -> list[tuple[str, str, str]]:
    """What, goal, measured."""
    saturated, stalled, idle = of(figures, "saturated"), of(figures, "stalled"), of(figures, "idle")
    rows = [
        (
            "fan-out at saturation: 100 projects × 10 members, validated and ordered, store in memory",
            "≥ 300,000 deliveries/s; ≥ 8 × plain starlette",
            f"{saturated.get('deliveries_per_second', 0):,}/s; {saturated.get('times_starlette')} ×",
        )
    ]
    for offered, goal in ((45_000, "p50 ≤ 6, p99 ≤ 50 ms"), (180_000, "p99 ≤ 50 ms"), (360_000, "p99 ≤ 100 ms")):
        row = of(figures, "rates", offered_per_second=offered)
        if row:
            measured = f"{row['deliveries_per_second']:,}/s; {row['relay_p50_ms']} / {row['relay_p99_ms']} ms"
            rows.append((f"1,000 members, {offered:,} deliveries/s offered: relay p50 / p99", goal, measured))
    rows.append(("one stalled member among 100: the others' throughput", "≥ 95 %", f"{stalled.get('percent')} %"))
    rows.append(("idle connection", "≤ 20 KB", f"{idle.get('kilobytes_each')} KB"))
    cores = f"{idle.get('server_cores')} of a core with {idle.get('members', 0):,}"
    rows.append(("10,000 idle members, heartbeats included", "< 0.15 of a core", cores))
    return rows


def page(figures: Figures, outputs: dict[str, str], command: str) -> str:
    """The page."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    lines = [
        "# Benchmarks",
        "",
        f"Made by `{command}` at commit `{commit}` on {machine}, {time.strftime('%Y-%m-%d')}. One run, one machine;",
        "compare ratios, not numbers of different machines. A delivery is an edit that reached one member other than",
        "its author.",
        "",
        "| what | goal | measured |",
        "|---|---|---|",
        *(f"| {what} | {goal} | {measured} |" for what, goal, measured in goals(figures)),
        "",
        NOT_YET,
    ]
    for title, output in outputs.items():
        lines += ["", f"## {title}", "", "```text", output, "```"]
    return "\n".join([*lines, ""])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="write the page to this file")
    parser.add_argument("--rounds", default="3", help="rounds for medians (default: %(default)s)")
    parser.add_argument(
        "--seconds", default="4", help="measured time of each run of the fan-out (default: %(default)s)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scenehub-figures-") as folder:
        kept = Path(folder) / "bench.json"
        fan_out = ran(
            "bench.py", "--rounds", options.rounds, "--seconds", options.seconds, "--idle", "10000", "--json", str(kept)
        )
        figures: Figures = json.loads(kept.read_text())
    outputs = {
        "Fan-out (`loadtest/bench.py`)": fan_out.split("figures:")[0].strip(),
        "Join, resume, memory (`loadtest/hub_figures.py`)": ran("hub_figures.py"),
        "Commits (`loadtest/commit_bench.py`)": ran("commit_bench.py"),
    }
    made = page(
        figures, outputs, f"./run python loadtest/figures.py --rounds {options.rounds} --seconds {options.seconds}"
    )
    print(made)
    if options.write is not None:
        options.write.write_text(made)


if __name__ == "__main__":
    main()
