"""Relays held by other nodes: shown here while their holder is heard of (S5).

A node says once per lease which relays of a project it holds, so a lost reject or withdrawal mends itself. The last
node that announced a relay owns it; a holder's restart has another generation and owns nothing of the one before.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from .edits import Actor, Edit, EditId
from .limits import HOLDER_SILENT_AFTER, LEASE_EVERY

SETTLED = 2 * LEASE_EVERY
"""A relay younger than this may be missing in a lease that was written before it."""

FORGOTTEN = 120.0
"""A hidden relay is dropped after this many seconds; its commit, if it comes, brings the body."""


@dataclass(slots=True, eq=False)
class Foreign:
    """A relay from another node; `since` in seconds."""

    edit: Edit
    actor: Actor
    node: str
    generation: str
    since: float
    hidden: bool = False


@dataclass(slots=True)
class ForeignRelays:
    """Relays by edit id, and when each node was last heard of."""

    relays: dict[EditId, Foreign] = field(default_factory=dict)
    by_client: dict[str, dict[EditId, None]] = field(default_factory=dict)
    heard: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Per node its generation and when it spoke last."""
    leased: dict[str, float] = field(default_factory=dict)
    """Per node when it last said which members it has: whatever else it says tells nothing about them (M1)."""

    def hear(self, node: str, generation: str, now: float) -> list[EditId]:
        """A node spoke. Returns shown relays of its earlier life, which are gone with it."""
        before = self.heard.get(node)
        self.heard[node] = (generation, now)
        self.leased.setdefault(node, now)
        if before is None or before[0] == generation:
            return []
        return self.drop(
            [id for id, relay in self.relays.items() if relay.node == node and relay.generation != generation]
        )

    def announce(self, edit: Edit, actor: Actor, node: str, generation: str, now: float) -> bool:
        """A node holds an edit; true when it is to be shown (anew)."""
        known = self.relays.get(edit.id)
        self.relays[edit.id] = Foreign(edit, actor, node, generation, now)
        self.by_client.setdefault(edit.id.client, {})[edit.id] = None
        return known is None or known.hidden

    def lease(self, node: str, holding: Collection[EditId], now: float) -> tuple[list[EditId], list[Foreign]]:
        """A node says what it holds: (shown relays that it does not hold any more, hidden ones to show again)."""
        self.leased[node] = now
        lost = [
            id
            for id, relay in self.relays.items()
            if relay.node == node and id not in holding and now - relay.since > SETTLED
        ]
        back = [
            relay for relay in self.relays.values() if relay.node == node and relay.hidden and relay.edit.id in holding
        ]
        for relay in back:
            relay.hidden = False
        return self.drop(lost), back

    def drop(self, ids: Collection[EditId]) -> list[EditId]:
        """Forget relays; returns those that were shown."""
        dropped = [(id, self.relays.pop(id)) for id in ids if id in self.relays]
        for id, _ in dropped:
            of_client = self.by_client[id.client]
            del of_client[id]
            if not of_client:
                del self.by_client[id.client]
        return [id for id, relay in dropped if not relay.hidden]

    def withdraw(self, node: str, ids: Collection[EditId]) -> list[EditId]:
        """A node gave edits back to their authors; counts only for those that it still owns."""
        return self.drop([id for id in ids if id in self.relays and self.relays[id].node == node])

    def passed(self, client: str, counter: int) -> list[EditId]:
        """A client's edits up to a counter have their outcomes: their relays mean nothing any more."""
        return self.drop([id for id in self.by_client.get(client, ()) if id.n <= counter])

    def hide_unheard(self, now: float) -> list[EditId]:
        """Hide relays whose holder is silent (S5), and forget those hidden for long; returns the newly hidden."""
        hidden: list[EditId] = []
        for id, relay in list(self.relays.items()):
            silence = now - self.heard.get(relay.node, ("", relay.since))[1]
            if silence > FORGOTTEN:
                self.drop([id])
            elif silence >= HOLDER_SILENT_AFTER and not relay.hidden:
                relay.hidden = True
                hidden.append(id)
        return hidden

    def silent_nodes(self, now: float, after: float) -> list[str]:
        """Nodes without a lease for `after` seconds; each is named once."""
        silent = [node for node, at in self.leased.items() if now - at >= after]
        for node in silent:
            del self.leased[node]
            self.heard.pop(node, None)
        return silent

    def shown(self) -> list[Foreign]:
        """The relays that members see."""
        return [relay for relay in self.relays.values() if not relay.hidden]
