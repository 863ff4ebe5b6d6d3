"""What the benchmark measures: saturation, given rates, memory of idle members, one stalled reader.

A scenario takes a rig and returns rows: plain dicts that `bench.py` prints as a table and keeps as JSON.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig import Cores, RunningServer, Target, generate, running

Row = dict[str, Any]


@dataclass(frozen=True)
class Rig:
    """Everything a scenario needs. `say` tells the person who waits what is going on."""

    program: Path
    cores: Cores
    seconds: float
    rounds: int
    projects: int
    members: int
    window: int
    rates: tuple[float, ...]
    idle: int
    say: Callable[[str], None]

    def run(self, server: RunningServer, target: Target, **options: float | str) -> dict[str, Any]:
        """One run, with this rig's defaults."""
        defaults = {"projects": self.projects, "members": self.members, "seconds": self.seconds, "warmup": 1}
        return generate(self.program, server, target, self.cores, **{**defaults, **options})


def saturated(rig: Rig, targets: list[Target]) -> list[Row]:
    """Closed loop: each member has `window` edits under way and sends the next when one of them is committed.

    Rounds are interleaved among the targets, medians reported: neighbours on the machine disturb all alike.
    """
    runs: dict[str, list[dict[str, Any]]] = {target.name: [] for target in targets}
    for number in range(rig.rounds):
        for target in targets:
            rig.say(f"saturated: {target.name}, round {number + 1} of {rig.rounds}")
            with running(target, rig.cores) as server:
                runs[target.name].append(rig.run(server, target, window=rig.window))
    rows = [_median_row(target, runs[target.name]) for target in targets]
    base = next((row["deliveries_per_second"] for row in rows if row["server"] == "starlette"), None)
    for row in rows:
        row["times_starlette"] = round(row["deliveries_per_second"] / base, 1) if base else None
    return rows


def at_rates(rig: Rig, targets: list[Target]) -> list[Row]:
    """Open loop: every member sends at a fixed rate, whatever the server does; latency counts from when it was due."""
    rows = []
    for target in targets:
        for rate in rig.rates:
            rig.say(f"at {rate:g} edits/s a member: {target.name}")
            with running(target, rig.cores) as server:
                row = _row(target, rig.run(server, target, rate=rate, window=1))
            offered = rate * rig.projects * rig.members * (rig.members - 1)
            rows.append({"offered_per_second": round(offered), **row})
    return rows


def idle_memory(rig: Rig, targets: list[Target]) -> list[Row]:
    """Members that joined and say nothing but, every 8 s, a ping (hub)."""
    rows = []
    for target in targets:
        rig.say(f"memory of {rig.idle} idle members: {target.name}")
        with running(target, rig.cores) as server:
            # A few members first: what is loaded once is not a connection's.
            rig.run(server, target, projects=10, members=5, window=0, warmup=0, seconds=0.2)
            heartbeat = 8 if target.speak == "hub" else 0
            figures = rig.run(
                server, target, projects=rig.idle // 10, members=10, window=0, heartbeat=heartbeat, warmup=0
            )
        grown = figures["memory_joined"] - figures["memory_before"]
        rows.append(
            {
                "server": target.name,
                "members": rig.idle // 10 * 10,
                "kilobytes_each": round(grown / (rig.idle // 10 * 10) / 1000, 1),
                "server_cores": round(figures["server_cpu_seconds"] / figures["seconds"], 3),
            }
        )
    return rows


def one_stalled_reader(rig: Rig, targets: list[Target]) -> list[Row]:
    """A project of 100 members of whom one says nothing, and then does not read either. Medians of interleaved rounds.

    Messages are long and the warm-up is, so that the sockets' buffers are full before the measured time.
    """
    rows = []
    for target in targets:
        runs: dict[int, list[dict[str, Any]]] = {0: [], 1: []}
        with running(target, rig.cores) as server:
            for number in range(max(5, rig.rounds)):
                for stalled in (0, 1):
                    rig.say(f"one {'stalled' if stalled else 'silent'} reader: {target.name}, round {number + 1}")
                    options: dict[str, float | str] = {"projects": 1, "members": 100, "window": 2, "stalled": stalled}
                    options |= {"size": 2000, "warmup": 3}
                    options["project"] = f"stalled-{number}-{stalled}-%d"
                    runs[stalled].append(rig.run(server, target, **options))
        before, after = (_others(runs[stalled]) for stalled in (0, 1))
        rows.append(
            {
                "server": target.name,
                "others_reading": round(before),
                "others_with_one_stalled": round(after),
                "percent": round(100 * after / before, 1) if before else None,
                "memory_grown_mb": round((runs[1][-1]["memory_after"] - runs[0][0]["memory_after"]) / 1e6, 1),
            }
        )
    return rows


def _others(runs: list[dict[str, Any]]) -> float:
    return statistics.median(float(run["deliveries"] / run["seconds"]) for run in runs)


def _median_row(target: Target, runs: list[dict[str, Any]]) -> Row:
    ordered = sorted(runs, key=lambda run: run["deliveries"] / run["seconds"])
    return _row(target, ordered[len(ordered) // 2])


def _row(target: Target, run: dict[str, Any]) -> Row:
    seconds = run["seconds"]
    return {
        "server": target.name,
        "deliveries_per_second": round(run["deliveries"] / seconds),
        "edits_per_second": round(run["committed"] / seconds),
        "server_us_per_edit": round(run["server_cpu_seconds"] / max(1, run["committed"]) * 1e6, 1),
        "server_us_per_delivery": round(run["server_cpu_seconds"] / max(1, run["deliveries"]) * 1e6, 2),
        "server_cores": round(run["server_cpu_seconds"] / seconds, 2),
        "generator_cores": round(run["cpu_seconds"] / seconds, 2),
        "children_cores": round(run["server_children_cpu_seconds"] / seconds, 2),
        "relay_p50_ms": run["relay_ms"]["p50"],
        "relay_p99_ms": run["relay_ms"]["p99"],
        "save_p50_ms": run["save_ms"]["p50"],
        "save_p99_ms": run["save_ms"]["p99"],
        "refused": run["rejects"] + run["errors"],
        "closed": run["closes"],
        "held_back": run["held_back"],
    }
