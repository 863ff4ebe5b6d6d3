"""The bad days of a deployment, for real: nodes killed, Postgres and Redis stopped, a rolling restart, under load.

    python loadtest/outages.py kill --rounds 20 --report docs/reference/kill-nodes.md
    python loadtest/outages.py postgres
    python loadtest/outages.py redis
    python loadtest/outages.py rolling

Each starts two nodes on embedded PostgreSQL and Valkey and a crowd of members, does its harm, and then holds what every
member was told against the database: each edit that was reported saved is there exactly once, none is lost, all views
are equal. Deadlines fail at three times the promise, so that a busy machine does not make it lie.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from crowd import Crowd, Wrong, crowd, judge
from deployment import PROJECT, Deployment, NodeProcess, deployed

from scenehub.client import connect

SLACK = 3.0
RETURN_WITHIN = 5.0
"""F1: seconds in which clients resume on another node."""
GHOST_WITHIN = 10.0
"""F1, M1: seconds after which nobody of a dead node is shown."""
CONVERGE_WITHIN = 2.0
"""F3, N3: seconds for members of different nodes to agree without Redis."""

Row = dict[str, str | int | float]


def hold(what: str, seconds: float, promise: float) -> None:
    """Fail when a deadline is missed by more than the slack."""
    if seconds > SLACK * promise:
        raise Wrong(f"{what} took {seconds:.1f} s; promised are {promise:.0f} s")


async def kill(deployment: Deployment, members: Crowd, victim: NodeProcess) -> Row:
    """F1: `kill -9` of a node under load; those who were on it go on elsewhere, its ghosts are gone."""
    others = [node for node in deployment.nodes if node is not victim]
    for member in members.members:
        member.longest_absence = 0.0
    ghost = connect(f"{victim.url}/p/{PROJECT}", deployment.token("ghost"), drain=0.0)
    async with (
        contextlib.AsyncExitStack() as stack,
        connect(f"{others[0].url}/p/{PROJECT}", deployment.token("observer")) as observer,
    ):
        gone_with_it = await stack.enter_async_context(ghost)
        await observer.until(lambda project: any(row.user == "ghost" for row in project.members), 10)
        saved_before = members.saved
        killed_at = time.monotonic()
        await victim.end(signal.SIGKILL)
        gone_with_it.presence(activity="about to vanish")
        await observer.until(
            lambda project: not any(row.user == "ghost" for row in project.members), SLACK * GHOST_WITHIN
        )
        ghost_seconds = time.monotonic() - killed_at
        async with asyncio.timeout(SLACK * RETURN_WITHIN):
            for member in members.members:
                await member.project.until(lambda project: project.status.state != "offline")
        await asyncio.sleep(1.0)
        saved_after = members.saved
        await victim.start()
    longest = max(member.longest_absence for member in members.members)
    hold("the way to another node", longest, RETURN_WITHIN)
    if saved_after <= saved_before:
        raise Wrong("nothing was saved after the kill")
    return {
        "killed": victim.name,
        "longest absence s": round(longest, 2),
        "ghost gone after s": round(ghost_seconds, 1),
        "edits saved so far": saved_after,
    }


async def kill_rounds(rounds: int, count: int, tell: Callable[[str], None]) -> list[Row]:
    """F1, several times, in turn on each node; judged after every round."""
    rows: list[Row] = []
    async with deployed(2) as deployment:
        for number in range(rounds):
            async with crowd(deployment, count, seed=number) as members:
                await asyncio.sleep(1.5)
                row = await kill(deployment, members, deployment.nodes[number % 2])
                await members.settle(30)
                await judge(members)
            rows.append({"round": number + 1, **row, "lost": 0, "doubled": 0})
            tell(", ".join(f"{key} {value}" for key, value in rows[-1].items()))
    return rows


async def postgres_away(seconds: float, count: int, tell: Callable[[str], None]) -> list[Row]:
    """F2: Postgres stopped under load, then started: people go on editing, everything commits afterwards, once."""
    async with deployed(2) as deployment, crowd(deployment, count) as members:
        await asyncio.sleep(1.5)
        before = members.saved
        await deployment.postgres.stop()
        stopped_at = time.monotonic()
        a, b = members.members[0], members.members[2]
        await a.project.until(lambda project: project.status.state == "not saved", 10)
        tell("the members read: not saved")
        a.note(a.project.set_project(props={"probe": "while Postgres is away"}).id)
        await b.project.until(lambda project: project.fields["props"].get("probe") == "while Postgres is away", 6)
        relayed = time.monotonic() - stopped_at
        tell("an edit travelled to the neighbour all the same")
        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - stopped_at)))
        made_before_return = sum(len(member.made) for member in members.members)
        await deployment.postgres.start()
        back_at = time.monotonic()
        await a.project.until(lambda project: project.status.state in ("live", "saving"), 30)
        status_seconds = time.monotonic() - back_at
        await members.settle(60)
        settled = time.monotonic() - back_at
        await judge(members)
    return [
        {
            "away s": seconds,
            "probe relayed s after the stop": round(relayed, 2),
            "saved before": before,
            "made by its return": made_before_return,
            "status back s": round(status_seconds, 2),
            "all saved s after": round(settled, 2),
            "lost": 0,
            "doubled": 0,
        }
    ]


async def redis_away(seconds: float, count: int, tell: Callable[[str], None]) -> list[Row]:
    """F3: Redis stopped with two nodes: members of both converge in 2 s all the time; presence is whole again after."""
    async with deployed(2) as deployment, crowd(deployment, count) as members:
        await asyncio.sleep(1.5)
        a, b = members.members[0], members.members[1]
        with_redis = [await _converged(a, b, f"with {number}") for number in range(5)]
        await deployment.valkey.stop()
        stopped_at = time.monotonic()
        without: list[float] = []
        for number in itertools.count():
            if time.monotonic() - stopped_at > seconds:
                break
            without.append(await _converged(*((a, b) if number % 2 else (b, a)), f"without {number}"))
            hold("convergence without Redis", without[-1], CONVERGE_WITHIN)
        tell(f"{len(without)} probes without Redis, the slowest took {max(without):.2f} s")
        await deployment.valkey.start()
        back_at = time.monotonic()
        everybody = len(members.members)
        await a.project.until(lambda project: len(project.members) >= everybody, 10)
        presence = time.monotonic() - back_at
        await members.settle(30)
        await judge(members)
    return [
        {
            "away s": seconds,
            "converged with Redis s (median)": round(median(with_redis), 3),
            "without, median s": round(median(without), 2),
            "without, slowest s": round(max(without), 2),
            "presence whole s after": round(presence, 2),
            "lost": 0,
            "doubled": 0,
        }
    ]


async def _converged(author: object, reader: object, value: str) -> float:
    """Seconds from one member's edit to another's confirmed view of it."""
    from crowd import Member

    assert isinstance(author, Member)
    assert isinstance(reader, Member)
    began = time.monotonic()
    author.note(author.project.set_project(props={"probe": value}).id)
    await reader.project.until(lambda project: project.fields["props"].get("probe") == value, SLACK * CONVERGE_WITHIN)
    return time.monotonic() - began


async def rolling(_: float, count: int, tell: Callable[[str], None]) -> list[Row]:
    """F5: every node is restarted in turn under load: nothing is lost, and members come back spread out."""
    rows: list[Row] = []
    async with deployed(2) as deployment, crowd(deployment, count) as members:
        await asyncio.sleep(1.5)
        for node in deployment.nodes:
            for member in members.members:
                member.longest_absence = 0.0
            began = time.monotonic()
            status = await node.end()
            stopped = time.monotonic() - began
            await node.start()
            async with asyncio.timeout(30):
                for member in members.members:
                    await member.project.until(lambda project: project.status.state != "offline")
            longest = max(member.longest_absence for member in members.members)
            figures = {"stopped in s": round(stopped, 2), "absence s": round(longest, 2)}
            rows.append({"node": node.name, "exit": status, **figures})
            tell(str(rows[-1]))
            if status != 0:
                raise Wrong(f"node {node.name} ended with {status}")
        await members.settle(30)
        await judge(members)
    return rows


Outage = Callable[[float, int, Callable[[str], None]], Awaitable[list[Row]]]
OUTAGES: dict[str, Outage] = {"postgres": postgres_away, "redis": redis_away, "rolling": rolling}


def report(title: str, command: str, rows: list[Row]) -> str:
    """The figures as a page that names its commit and its command."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    head = list(rows[0])
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    lines = [
        f"# {title}",
        "",
        f"Made by `{command}` at commit `{commit}` on {machine}, {time.strftime('%Y-%m-%d')}.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(str(row[name]) for name in head) + " |" for row in rows),
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outage", choices=["kill", *OUTAGES])
    parser.add_argument("--rounds", type=int, default=3, help="how many kills (default: %(default)s)")
    parser.add_argument("--members", type=int, default=50, help="members who edit (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long a part is away (default: %(default)s)")
    parser.add_argument("--report", type=Path, help="write the figures to this Markdown file")
    options = parser.parse_args()

    def tell(words: str) -> None:
        print(f"… {words}", flush=True)

    wrong: list[str] = []
    rows: list[Row] = []
    try:
        if options.outage == "kill":
            rows = asyncio.run(kill_rounds(options.rounds, options.members, tell))
        else:
            rows = asyncio.run(OUTAGES[options.outage](options.seconds, options.members, tell))
    except* Wrong as group:
        wrong.extend(str(error) for error in group.exceptions)
    if wrong:
        print(f"WRONG: {'; '.join(wrong)}", file=sys.stderr)
        return 1
    command = "python loadtest/outages.py " + " ".join(sys.argv[1:])
    page = report(f"Outage: {options.outage}", command, rows)
    print(page)
    if options.report is not None:
        options.report.write_text(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
