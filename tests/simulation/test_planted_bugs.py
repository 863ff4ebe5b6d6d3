"""Plant a bug: if the simulator does not find it, the simulator is what needs work."""

from __future__ import annotations

import pytest

from scenehub.protocol.testing.simulation import simulate

from .bugs import DRAWN, PLANTED, Bug
from .hunting import hunt

MOST = 300
"""Seeds within which a planted bug must be found."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name.replace(" ", "-"))
def test_a_planted_bug_is_found(bug: Bug) -> None:
    catch = hunt(bug, MOST)
    print(f"{bug.name}: {catch.seeds} seeds, {catch.words}")
    assert catch.words is not None, f"{bug.name} ({bug.words}) was not found in {MOST} seeds"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", DRAWN, ids=lambda bug: bug.name.replace(" ", "-"))
def test_a_slip_that_a_die_chose_is_found(bug: Bug) -> None:
    catch = hunt(bug, MOST)
    print(f"{bug.name}: {catch.seeds} seeds, {catch.words}")
    assert catch.words is not None, f"{bug.name} ({bug.words}) was not found in {MOST} seeds"


def test_a_planted_bug_is_taken_out_again() -> None:
    """The patch ends with its `with`: the seeds that found it are sound afterwards."""
    bug = next(bug for bug in PLANTED if bug.name == "guard off")
    catch = hunt(bug, 20)
    assert catch.words is not None
    assert all(simulate(seed).broken is None for seed in range(catch.seeds))
