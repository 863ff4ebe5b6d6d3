"""Hunting: how many seeds it takes to find a planted bug."""

from __future__ import annotations

from typing import NamedTuple

from scenehub.protocol.testing.simulation import simulate

from .bugs import Bug


class BrokenPlant(Exception):
    """A seed ended with an exception: the plant itself is what broke, and nothing was found by the oracle."""


class Catch(NamedTuple):
    """What found a bug; `seeds` is how many were run, `words` is None when it was not found."""

    bug: Bug
    seeds: int
    rule: str | None
    words: str | None


def hunt(bug: Bug, most: int, first: int = 0) -> Catch:
    """Run seeds with a bug planted until a promise is broken, `most` of them at most."""
    with bug.plant():
        for seed in range(first, first + most):
            run = simulate(seed)
            if run.rule == "crash":
                raise BrokenPlant(f"{bug.name}, seed {seed}:\n{run.broken}")
            if run.broken is not None:
                return Catch(bug, seed - first + 1, run.rule, run.broken.strip().splitlines()[-1])
    return Catch(bug, most, None, None)
