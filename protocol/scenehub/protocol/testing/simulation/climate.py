"""The climate of a run: what a seed makes of its deployment, and how hard it is on it.

Each fault is absent in about half of the runs (swarm testing): faults that always come together hide each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Climate:
    """Sizes, times in seconds, rates a second, and chances between 0 and 1."""

    nodes: int
    members: int
    viewers: int
    scenes: int
    storm: float
    """How long faults and edits go on."""
    pace: float
    """Edits a second of each member."""
    code: float
    """Share of edits that write code."""
    wire_delay: float
    bus_delay: float
    bus_loss: float
    bus_doubles: float
    bus_away: bool
    store_delay: float
    commits_slower: int
    """How many times slower commits are than readings."""
    hurry: bool
    """Members come back at once: while a node still stores what they sent."""
    store_fails: float
    store_unsure: float
    store_away: float
    """How long the store is away once; 0 for never."""
    poison: float
    cuts: float
    vanishings: float
    takeovers: float
    crashes: float
    blackouts: float
    """Chance that a member goes down with the node it is connected to, as when they share a power line."""
    stalls: float
    outbox: int
    """Frames that may wait for a slow reader."""
    failover: float
    """Chance that the store goes back to an older copy once."""
    new_epoch: bool
    """Whether a failover is declared by a new epoch."""
    idle_grace: float
    codec: bool


def climate(chance: Random) -> Climate:
    """Draw one."""

    def sometimes(value: float, often: float = 0.5) -> float:
        return value if chance.random() < often else 0.0

    return Climate(
        nodes=chance.choice((1, 2, 2, 3)),
        members=chance.choice((2, 2, 3, 3, 4)),
        viewers=chance.choice((0, 0, 0, 1)),
        scenes=chance.choice((1, 2, 3, 12)),
        storm=chance.uniform(4.0, 14.0),
        pace=chance.choice((0.5, 1.0, 2.0, 5.0)),
        code=chance.choice((0.0, 0.2, 0.5)),
        wire_delay=chance.choice((0.005, 0.05, 0.3)),
        bus_delay=chance.choice((0.002, 0.05, 0.5)),
        bus_loss=sometimes(chance.choice((0.02, 0.1, 0.5))),
        bus_doubles=sometimes(chance.choice((0.05, 0.3))),
        bus_away=chance.random() < 0.15,
        store_delay=chance.choice((0.002, 0.05, 0.4)),
        commits_slower=chance.choice((1, 1, 10)),
        hurry=chance.random() < 0.4,
        store_fails=sometimes(chance.choice((0.05, 0.3)), 0.35),
        store_unsure=sometimes(chance.choice((0.05, 0.3)), 0.35),
        store_away=sometimes(chance.choice((1.0, 4.0, 40.0)), 0.25),
        poison=sometimes(0.05, 0.2),
        cuts=sometimes(chance.choice((0.05, 0.3))),
        vanishings=sometimes(0.08, 0.3),
        takeovers=sometimes(0.1, 0.3),
        crashes=sometimes(chance.choice((0.03, 0.15)), 0.35),
        blackouts=sometimes(0.7, 0.4),
        stalls=sometimes(chance.choice((0.05, 0.3)), 0.35),
        outbox=chance.choice((1, 4, 16)),
        failover=sometimes(1.0, 0.12),
        new_epoch=chance.random() < 0.5,
        idle_grace=chance.choice((0.3, 2.0, 30.0)),
        codec=chance.random() < 0.25,
    )
