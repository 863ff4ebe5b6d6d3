"""The simulator: a whole deployment from a seed, in virtual time. `simulate(seed)` runs one.

Public, for the tests of programs that build on the protocol: plant a bug, and see whether a seed finds it.
"""

from __future__ import annotations

from .climate import Climate
from .deployment import Deployment, Run, simulate
from .oracle import Broken

__all__ = ["Broken", "Climate", "Deployment", "Run", "simulate"]
