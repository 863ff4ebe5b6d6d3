"""One command that measures the hub's fan-out beside a plain starlette broadcast, in the same run.

    python loadtest/bench.py                                    # the hub, store in memory, beside the others
    python loadtest/bench.py --server "scenehub serve --port {port}" --token TOKEN
    python loadtest/bench.py --only saturated --rounds 5

The server runs on one core, the generator (C) on another; both sides' CPU is printed, so that it shows which of them
was the bottleneck. A delivery is an edit that reached one member other than its author.
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
from collections.abc import Callable
from pathlib import Path

import jwt
from rig import PEERS, SECRET, CannotMeasure, Cores, Target, compiled_generator
from scenarios import Rig, Row, at_rates, idle_memory, one_stalled_reader, saturated

SCENARIOS: dict[str, tuple[str, Callable[[Rig, list[Target]], list[Row]]]] = {
    "saturated": ("saturated, closed loop", saturated),
    "rates": ("given rates, open loop", at_rates),
    "idle": ("idle members", idle_memory),
    "stalled": ("one stalled reader among 100 (deliveries/s to the others)", one_stalled_reader),
}


def wanted(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--server", metavar="COMMAND", help="what starts the hub; {port} is replaced (default: peers/memory_hub.py)"
    )
    parser.add_argument("--token", help="what members say in hello (default: one that peers/memory_hub.py takes)")
    parser.add_argument("--only", choices=list(SCENARIOS), action="append", help="only this scenario (repeatable)")
    parser.add_argument("--servers", help="comma-separated: hub, bare, plain, starlette (default: all but plain)")
    parser.add_argument("--projects", type=int, default=100, help="projects (default: %(default)s)")
    parser.add_argument("--members", type=int, default=10, help="members of each project (default: %(default)s)")
    parser.add_argument("--window", type=int, default=8, help="edits under way a member when saturated (%(default)s)")
    parser.add_argument("--rates", default="5,10,20,40", help="edits/s a member in the open loop (%(default)s)")
    parser.add_argument("--idle", type=int, default=2000, help="idle members for the memory figure (%(default)s)")
    parser.add_argument("--seconds", type=float, default=4, help="measured time of each run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds for medians (%(default)s; stalled: at least 5)")
    parser.add_argument("--json", type=Path, help="where the figures go (default: loadtest/reports/bench.json)")
    return parser.parse_args(arguments)


def chosen_targets(options: argparse.Namespace) -> list[Target]:
    """The servers to measure, the hub first."""
    known = [
        Target(
            "hub",
            options.server or f"{{python}} {PEERS / 'memory_hub.py'} --port {{port}}",
            "hub",
            options.token or own_token(),
        ),
        Target("bare", f"{{python}} {PEERS / 'bare_hub.py'} --port {{port}}", "hub"),
        Target("plain", f"{{python}} {PEERS / 'bare_hub.py'} --port {{port}} --adapter plain", "hub"),
        Target("starlette", f"{{python}} {PEERS / 'starlette_broadcast.py'} --port {{port}}", "raw"),
    ]
    names = (
        options.servers.split(",") if options.servers else [target.name for target in known if target.name != "plain"]
    )
    unknown = set(names) - {target.name for target in known}
    if unknown:
        raise CannotMeasure(f"no such server: {', '.join(sorted(unknown))}")
    return [target for target in known if target.name in names]


def own_token() -> str:
    """An owner's token for the hub in `peers/memory_hub.py`."""
    claims = {"sub": "loadtest", "name": "Load", "role": "owner", "exp": int(time.time()) + 86_400}
    return jwt.encode(claims, SECRET)


def table(rows: list[Row]) -> str:
    """Rows under headings, numbers aligned."""
    headings = list(rows[0])
    cells = [[heading.replace("_", " ") for heading in headings]]
    cells += [[_shown(row[heading]) for heading in headings] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(headings))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def circumstances(cores: Cores) -> dict[str, object]:
    """What the figures depend on."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=PEERS)
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit.stdout.strip() if commit.returncode == 0 else None,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "server_core": cores.server,
        "generator_core": cores.generator,
    }


def main(arguments: list[str]) -> int:
    """Measure, print, keep."""
    options = wanted(arguments)
    cores = Cores.chosen()
    if cores.server == cores.generator:
        print("one core only: server and generator share it, so the figures are low", file=sys.stderr)
    report: dict[str, object] = {"circumstances": circumstances(cores), "options": {**vars(options), "json": None}}
    status = 0
    with tempfile.TemporaryDirectory(prefix="loadtest-") as folder:
        try:
            _measure(options, cores, Path(folder), report)
        except CannotMeasure as problem:
            print(problem, file=sys.stderr)
            status = 1
    path: Path = options.json or PEERS.parent / "reports" / "bench.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"figures: {path}")
    return status


def _measure(options: argparse.Namespace, cores: Cores, folder: Path, report: dict[str, object]) -> None:
    targets = chosen_targets(options)
    rig = Rig(
        program=compiled_generator(folder),
        cores=cores,
        seconds=options.seconds,
        rounds=options.rounds,
        projects=options.projects,
        members=options.members,
        window=options.window,
        rates=tuple(float(rate) for rate in options.rates.split(",")),
        idle=options.idle,
        say=lambda words: print(f"… {words}", file=sys.stderr, flush=True),
    )
    for name in options.only or SCENARIOS:
        title, scenario = SCENARIOS[name]
        rows = scenario(rig, targets)
        report[name] = rows
        print(f"\n{title}\n{table(rows)}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
