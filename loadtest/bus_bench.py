"""Events a second over the bus: one node publishes, another listens, each in a process of its own, through Valkey.

    python loadtest/bus_bench.py --help

The publisher never has more than a window of events on their way (the listener answers over the same bus), so the
figure is what goes through and not what is dropped. Without --url it starts a Valkey of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop

from scenehub.server.bus.redis import RedisBus
from scenehub.server.dev import valkey

WINDOW = 20_000  # events on their way
ANSWER_EVERY = 1_000  # events


@dataclass(frozen=True)
class Row:
    """One line of the table; cores are CPU seconds a second, latencies milliseconds."""

    per_turn: int
    channels: int
    rate: float
    cores: dict[str, float]
    p50: float
    p99: float
    lost: int


class Listener:
    """The other process: counts what it hears, answers with the count and the latencies it saw."""

    def __init__(self, bus: RedisBus) -> None:
        self._bus = bus
        self._heard = 0
        self._delays: list[float] = []
        self.done = asyncio.Event()

    def __call__(self, event: dict[str, Any]) -> None:
        if "end" in event:
            self.done.set()
            return
        self._heard += 1
        if "at" in event:
            self._delays.append(time.monotonic() - event["at"])
        if self._heard % ANSWER_EVERY == 0:
            self.answer()

    def answer(self) -> None:
        delays, self._delays = self._delays, []
        self._bus.publish("answers", {"heard": self._heard, "delays": delays})


async def listen(url: str, channels: int) -> None:
    async with RedisBus(url, "listener", str(os.getpid()), prefix=f"bench-{os.getppid()}:") as bus:
        listener = Listener(bus)
        for number in range(channels):
            bus.subscribe(str(number), listener)
        bus.subscribe("control", listener)
        while not listener.done.is_set():
            listener.answer()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(listener.done.wait(), 0.1)


def listen_in_a_process(url: str, channels: int) -> None:
    uvloop.run(listen(url, channels))


class Talker:
    """This process: publishes in turns, as fast as the window allows or at a rate."""

    def __init__(self, bus: RedisBus, size: int, channels: int, per_turn: int) -> None:
        self._bus = bus
        self._text = "x" * max(0, size - 30)
        self._channels = channels
        self._per_turn = per_turn
        self.sent = 0
        self.heard = -1
        self.delays: list[float] = []
        bus.subscribe("answers", self._answer)

    def _answer(self, event: dict[str, Any]) -> None:
        self.heard = event["heard"]
        self.delays += event["delays"]

    async def until_heard(self) -> None:
        while self.heard < self.sent:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.001)

    async def talk(self, until: float, rate: float | None = None) -> None:
        """Publish until a time (monotonic), at ``rate`` events a second or as fast as they are taken."""
        started, before = time.monotonic(), self.sent
        while (now := time.monotonic()) < until:
            if rate is not None and self.sent - before > (now - started) * rate:
                await asyncio.sleep(0.0005)
            elif self.sent - self.heard > WINDOW:
                await asyncio.sleep(0)
            else:
                self._turn(now)
                await asyncio.sleep(0)

    def _turn(self, now: float) -> None:
        for number in range(self.sent, self.sent + self._per_turn):
            event: dict[str, Any] = {"t": "relay", "n": number, "text": self._text}
            if number % 64 == 0:
                event["at"] = now
            self._bus.publish(str(number % self._channels), event)
        self.sent += self._per_turn


async def measure(url: str, server: psutil.Process | None, per_turn: int, channels: int, options: Any) -> Row:
    other = multiprocessing.get_context("spawn").Process(target=listen_in_a_process, args=(url, channels), daemon=True)
    other.start()
    processes = {"publisher": psutil.Process(), "listener": psutil.Process(other.pid)}
    if server is not None:
        processes["valkey"] = server
    async with RedisBus(url, "talker", "1", prefix=f"bench-{os.getpid()}:") as bus:
        talker = Talker(bus, options.size, channels, per_turn)
        await asyncio.wait_for(talker.until_heard(), 20)
        await talker.talk(time.monotonic() + 0.5)
        await talker.until_heard()
        before, started, sent = cpu(processes), time.monotonic(), talker.sent
        await talker.talk(started + options.seconds)
        await talker.until_heard()
        took = time.monotonic() - started
        cores = {name: (used - before[name]) / took for name, used in cpu(processes).items()}
        rate = (talker.sent - sent) / took
        talker.delays.clear()
        await talker.talk(time.monotonic() + options.seconds / 2, rate=min(options.rate, rate / 2))
        await talker.until_heard()
        delays = sorted(talker.delays) or [0.0]
        bus.publish("control", {"end": True})
        await asyncio.to_thread(other.join, 10)
        lost = bus.counts.dropped
    return Row(per_turn, channels, rate, cores, at(delays, 0.5), at(delays, 0.99), lost)


def cpu(processes: dict[str, psutil.Process]) -> dict[str, float]:
    times = {name: process.cpu_times() for name, process in processes.items()}
    return {name: spent.user + spent.system for name, spent in times.items()}


def at(delays: list[float], share: float) -> float:
    return delays[min(len(delays) - 1, int(len(delays) * share))] * 1000


@contextlib.asynccontextmanager
async def redis_at(url: str | None) -> AsyncIterator[tuple[str, psutil.Process | None]]:
    if url is not None:
        yield url, None
        return
    with tempfile.TemporaryDirectory(prefix="scenehub-bench-") as directory:
        Path(directory).chmod(0o755)  # noqa: ASYNC240 - for the user as whom root's Valkey runs
        async with valkey(Path(directory)) as server:
            yield server.url, psutil.Process(server.pid)


async def run(options: Any) -> None:
    print(
        f"events of {options.size} bytes, saturated for {options.seconds:g} s; latency at ≤ {options.rate:g} events/s"
    )
    print(f"{'a turn':>7}{'channels':>10}{'events/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'lost':>7}  cores")
    async with redis_at(options.url) as (url, server):
        for channels in options.channels:
            for per_turn in options.per_turn:
                row = await measure(url, server, per_turn, channels, options)
                cores = ", ".join(f"{name} {share:.2f}" for name, share in row.cores.items())
                figures = f"{row.rate:>12,.0f}{row.p50:>9.2f}{row.p99:>9.2f}{row.lost:>7}"
                print(f"{row.per_turn:>7}{row.channels:>10}{figures}  {cores}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a Redis to use instead of an own Valkey")
    parser.add_argument("--size", type=int, default=150, help="bytes an event (default: 150)")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds a line at saturation (default: 3)")
    parser.add_argument(
        "--rate", type=float, default=10_000, help="events/s at which latency is taken (default: 10000)"
    )
    parser.add_argument(
        "--per-turn", type=int, nargs="+", default=[1, 4, 16, 64, 256], help="events a turn of the loop"
    )
    parser.add_argument("--channels", type=int, nargs="+", default=[1, 100], help="projects among which they alternate")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
