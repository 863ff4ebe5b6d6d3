"""Reconnecting: when to try again, at which node, with which token, and when to stop. Pure: chance is an argument."""

from __future__ import annotations

from dataclasses import dataclass, field

from scenehub.protocol.closing import ComeBack, come_back

from .address import Address


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient a client is; all in seconds."""

    connect: float = 3.0
    """For one try to open a connection."""
    first_delay: float = 0.05
    last_delay: float = 5.0
    """Between two rounds over all nodes: doubling from the first to the last, then halved by chance at most."""
    steady: float = 1.0
    """A connection that lasted this long was a success: the next trouble starts with the first delay again."""
    goodbye: float = 1.0
    """For the closing handshake when the project is left."""
    keep: float = 0.05
    """How long an edit waits at most before it is written to disk."""


FRESH_TOKENS = 3
"""How many fresh tokens in a row may be refused before the client believes it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Do not come back."""

    code: int
    words: str


@dataclass(frozen=True, slots=True)
class Again:
    """Come back after some seconds."""

    after: float


@dataclass(slots=True)
class Route:
    """Which node to try next, and after what delay."""

    nodes: tuple[Address, ...]
    timing: Timing
    can_renew: bool
    """Whether there is a source of fresh tokens."""
    failures: int = 0
    refused_tokens: int = 0
    index: int = field(default=0)

    @property
    def node(self) -> Address:
        """Where to connect now."""
        return self.nodes[self.index]

    def succeeded(self) -> None:
        """A connection brought the state and lasted."""
        self.failures = 0
        self.refused_tokens = 0

    def failed(self, chance: float) -> Again:
        """A connection could not be opened, or was lost: the next node, later with each round. `chance` in 0..1."""
        self.index = (self.index + 1) % len(self.nodes)
        rounds = self.failures // len(self.nodes)
        self.failures += 1
        full = min(self.timing.last_delay, self.timing.first_delay * 2.0 ** min(rounds, 16))
        return Again(full * (0.5 + 0.5 * chance))

    def closed(self, code: int | None, words: str, retry: float, chance: float) -> Again | Stop:
        """What a close code asks for (design §6); `retry` in seconds is what the hub's `bye` asked for."""
        match come_back(code):
            case ComeBack.NO:
                return Stop(code or 0, words or "no reason was given")
            case ComeBack.WITH_NEW_TOKEN:
                self.refused_tokens += 1
                if not self.can_renew:
                    return Stop(code or 0, f"{words or 'the token is not valid'}: give connect() a function for tokens")
                if self.refused_tokens >= FRESH_TOKENS:
                    return Stop(code or 0, f"{words or 'the token is not valid'} ({FRESH_TOKENS} fresh ones in a row)")
                return self.failed(chance)
            case ComeBack.AFRESH | ComeBack.LATER:
                again = self.failed(chance)
                return Again(max(again.after, retry))
