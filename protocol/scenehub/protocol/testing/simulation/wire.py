"""The simulated connection of a client: in order each way, slow at times, cut at any moment."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import TYPE_CHECKING, Any

from scenehub.protocol.codec import client_frame, hub_frame, pack_frame, unpack
from scenehub.protocol.messages import Commit, HubFrame, SendEdit, State

from .climate import Climate
from .clock import Clock

if TYPE_CHECKING:
    from .member import Member
    from .node import Node

Encoded = dict[int, bytes]
"""Frames of one broadcast, packed once for all."""


class Wire:
    """One connection between a member and one life of a node."""

    def __init__(
        self, clock: Clock, chance: Random, climate: Climate, member: Member, node: Node, session: int
    ) -> None:
        self.member = member
        self.node = node
        self.session = session
        self.member_open = True
        self.node_open = True
        self.greeted = False
        self.welcomed = False
        self.lagging = False
        self.stalled = False
        self.last_commit = 0
        """Seq of the last commit (or state) that was queued for the member."""
        self._clock = clock
        self._chance = chance
        self._codec = climate.codec
        self._delay = climate.wire_delay
        self._outbox_bound = climate.outbox
        self._outbox: deque[Any] = deque()
        self._up_at = 0.0
        self._down_at = 0.0
        self._up_lost = False

    # Up.

    def up(self, frame: Any, *, garbled: bool = False) -> None:
        """The member sends a frame; garbled, its ops are of a kind that nobody knows."""
        if not self.member_open:
            return
        self._up_at = max(self._up_at, self._clock.now + self._chance.random() * self._delay)
        sent: Any = frame
        if self._codec or garbled:
            sent = pack_frame(frame)
        self._clock.at(self._up_at, lambda: self._arrive(sent, garbled))

    def _arrive(self, sent: Any, garbled: bool) -> None:
        if not self.node_open or (self._up_lost and not self.member_open):
            return
        if not isinstance(sent, bytes):
            self.node.received(self, sent, 100)
            return
        raw = unpack(sent)
        if garbled:
            raw["edit"]["ops"][0]["kind"] = "scene.zap"
            self.node.received_garbled(self, raw)
        else:
            frame = client_frame(raw)
            if isinstance(frame, SendEdit):
                assert frame.edit.wire == client_frame(unpack(pack_frame(frame))).edit.wire  # type: ignore[union-attr]
            self.node.received(self, frame, len(sent))

    # Down.

    def down(self, frame: HubFrame, encoded: Encoded | None = None) -> None:
        """The hub sends a frame; a slow reader's outbox fills, and what is more than its bound is lost (M2)."""
        if not self.node_open or self.lagging:
            return
        sent: Any = frame
        if self._codec:
            packed = None if encoded is None else encoded.get(id(frame))
            sent = packed if packed is not None else pack_frame(frame)
            if encoded is not None:
                encoded[id(frame)] = sent
        if isinstance(frame, Commit):
            self.last_commit = frame.seq + len(frame.edits) - 1
        elif isinstance(frame, State) and frame.part == frame.parts - 1:
            self.last_commit = frame.position.seq
        if self.stalled:
            self._outbox.append(sent)
            if len(self._outbox) > self._outbox_bound:
                self.lagging = True
                self.node.lagging(self)
            return
        self._carry(sent)

    def _carry(self, sent: Any) -> None:
        self._down_at = max(self._down_at, self._clock.now + self._chance.random() * self._delay)
        self._clock.at(self._down_at, lambda: self._reach(sent))

    def _reach(self, sent: Any) -> None:
        if not self.member_open:
            return
        frame = hub_frame(unpack(sent)) if isinstance(sent, bytes) else sent
        self.member.received(self, frame)

    def stall(self, seconds: float) -> None:
        """The member stops reading for a while."""
        if not self.stalled:
            self.stalled = True
            self._clock.after(seconds, self._unstall)

    def _unstall(self) -> None:
        self.stalled = False
        while self._outbox:
            self._carry(self._outbox.popleft())
        if self.lagging:
            self.lagging = False
            if self.node_open:
                self.node.drained(self)

    # The end.

    def close(self, code: int) -> None:
        """The hub closes: the member hears of it after everything that was sent before."""
        if not self.node_open:
            return
        self.node_open = False
        while self._outbox and not self.lagging:
            self._carry(self._outbox.popleft())
        self._down_at = max(self._down_at, self._clock.now + self._chance.random() * self._delay)
        self._clock.at(self._down_at, lambda: self._ended(code))
        self._clock.at(self._down_at + self._chance.random() * self._delay, lambda: self.node.closed(self))

    def _ended(self, code: int | None) -> None:
        if self.member_open:
            self.member_open = False
            self.member.closed(self, code)

    def cut(self, *, told_after: float) -> None:
        """The line breaks: frames on their way are lost, and the node hears of it later."""
        self._up_lost = self._chance.random() < 0.5
        self._ended(None)
        self._clock.after(told_after, self._node_told)

    def _node_told(self) -> None:
        if self.node_open:
            self.node_open = False
            self.node.closed(self)
