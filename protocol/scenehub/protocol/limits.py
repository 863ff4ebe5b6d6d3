"""Limits: what the hub announces in `welcome` and holds everyone to, and the times of the protocol.

Sizes are in bytes, rates a second, times in seconds unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from .ops import Model

HELLO_TIMEOUT = 5.0
HELLO_BYTES = 64 * 1024
IDLE_AFTER = 10.0
"""A peer silent for this long is shown as idle (M1)."""
GONE_AFTER = 25.0
"""A peer silent for this long is closed and gone (M1)."""
PING_EVERY = 8.0
"""How often a silent client says `ping`, so that it is never taken for idle."""
PRESENCE_INTERVAL = 1 / 30
"""Presence is coalesced to 30 Hz (M1)."""
HOLDER_SILENT_AFTER = 5.0
"""A node unheard for this long has its relays hidden (S5)."""
NODE_GONE_AFTER = 8.0
"""A node unheard for this long has its members dropped; with the sweep's second below the 10 s of M1."""
LEASE_EVERY = 1.0
"""How often a room says on the bus which relays it holds and which members it has."""
HEADS_EVERY = 1.0
"""How often a node compares its rooms' heads with Postgres (N3: convergence in 2 s without Redis)."""
HELD_AT_MOST = 30.0
"""How long an edit waits for a database that is away before it goes back to its author (N4)."""
SLOW_AT_MOST = 30.0
"""How long a slow reader has to drain before it is closed, resumable (M2)."""
OLD_AFTER = 60.0
"""An edit older than this when it reaches the hub is guarded (O4)."""
EXPIRED_GRACE = 60.0
"""How long a session with an expired token may still read before it is closed (M4)."""
REJECTS_KEPT = 128
"""Recent rejects kept for a client; `in_flight` may not exceed it, so a resume knows every outcome (E1)."""
CONFLICTS_KEPT = 1000
"""Recent overwritten writes that a room keeps for members who were slow or lost the thread (O3)."""
RECENT_MESSAGES = 50
"""Messages in a snapshot (design §6)."""


class Limits(Model):
    """What a session may do; clients obey before they send."""

    frame_bytes: int = 1024 * 1024
    """Largest frame in either direction; larger states come in parts."""
    ops_per_edit: int = 200
    edit_bytes: int = 768 * 1024
    in_flight: int = 64
    """Edits of a client that may wait for their outcome at the hub."""
    edits_per_second: int = 200
    edit_burst: int = 400
    presence_per_second: int = 60
    presence_bytes: int = 1024
    outbox_bytes: int = 4 * 1024 * 1024
    """Bytes waiting for a slow reader before its stream is cut and replaced by a delta (M2)."""
    presence_outbox_bytes: int = 256 * 1024
    """Bytes waiting for a reader above which it gets no presence (M2)."""
    room_queue_bytes: int = 64 * 1024 * 1024
    """Bytes of unsaved edits a room holds before it hands edits back (N4)."""
    scenes: int = 500
    """Living scenes in a project."""
    props: int = 200
    """Properties of one scene or of the project."""
    memories: int = 500
    members: int = 1_500
    """Sessions of a room on one node."""


@dataclass(slots=True)
class TokenBucket:
    """A rate with a burst: `take` says whether one more is allowed at `now`."""

    rate: float
    burst: float
    level: float
    at: float

    @classmethod
    def full(cls, rate: float, burst: float, now: float) -> TokenBucket:
        """A bucket that has not been used yet."""
        return cls(rate, burst, burst, now)

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Take `amount` if it is there; a clock that goes back refills nothing."""
        level = self.level
        if now > self.at:
            level += (now - self.at) * self.rate
            if level > self.burst:
                level = self.burst
        self.at = now
        self.level = level - amount if level >= amount else level
        return level >= amount
