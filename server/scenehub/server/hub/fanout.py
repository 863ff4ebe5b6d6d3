"""Fan-out: what a room says to all its peers, gathered over a turn of the loop and given to each of them at once.

An edit costs one append here, whatever the number of members. When the turn is over each frame is packed once for all,
neighbours of one author are joined once for all, and a peer's share is a few of these pieces: what is not from itself.
What is said to one peer alone must not overtake this: flush first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scenehub.protocol.codec import Flavour, pack
from scenehub.protocol.effects import Broadcast, BroadcastCommit
from scenehub.server.transport.port import Peer


class Fanout:
    """The peers of a room that keep up, by session, and what they are about to hear."""

    def __init__(self, head: int, at_end_of_turn: Callable[[Callable[[], None]], object]) -> None:
        """`head` is the seq that the room is at."""
        self.readers: dict[int, Peer] = {}
        self._at_end_of_turn = at_end_of_turn
        self._said: list[Broadcast] = []
        self._told = head
        """The seq of the last commit that was sent."""
        self._told_until: dict[int, int] = {}
        """The same for peers that lost what came after it, and have not reported their lag yet."""

    def say(self, broadcast: Broadcast) -> None:
        """Send a frame to all readers but one, when this turn of the loop is over."""
        if not self._said:
            self._at_end_of_turn(self.flush)
        self._said.append(broadcast)

    def say_at_once(self, broadcast: Broadcast, most_waiting: int) -> None:
        """Send a frame now, to those readers for whom no more than `most_waiting` bytes wait (M2)."""
        self.flush()
        shares: dict[tuple[Flavour, type], _Shares] = {}
        for session, peer in list(self.readers.items()):
            if session != broadcast.but and peer.waiting <= most_waiting:
                self._give(session, peer, [broadcast], shares)

    def flush(self) -> None:
        """Send now what was said in this turn."""
        said, self._said = self._said, []
        if not said:
            return
        shares: dict[tuple[Flavour, type], _Shares] = {}
        # A peer that lags in the middle of this may leave `readers`: hence the copy.
        for session, peer in list(self.readers.items()):
            self._give(session, peer, said, shares)
        for broadcast in reversed(said):
            if isinstance(broadcast, BroadcastCommit):
                self._told = broadcast.last
                break

    def _give(
        self, session: int, peer: Peer, said: Sequence[Broadcast], shares: dict[tuple[Flavour, type], _Shares]
    ) -> None:
        kind = (peer.flavour, type(peer))
        of_kind = shares.get(kind)
        if of_kind is None:
            of_kind = shares[kind] = _Shares(said, peer)
        share = of_kind.of(session)
        if share and not peer.send_together(share):
            self._told_until.setdefault(session, self._told)

    def lags(self, session: int) -> int | None:
        """A peer lost something and is no reader now. Returns the last seq that it was told; None if it was none."""
        self.flush()
        told = self._told_until.pop(session, self._told)
        return None if self.readers.pop(session, None) is None else told

    def leaves(self, session: int) -> None:
        """A peer is gone."""
        self.readers.pop(session, None)
        self._told_until.pop(session, None)


class _Shares:
    """What was said in a turn, as the bytes for one kind of peer."""

    def __init__(self, said: Sequence[Broadcast], peer: Peer) -> None:
        self._pieces: list[tuple[int | None, Sequence[bytes]]] = []
        """Frames that stand together and are kept from one session (or none)."""
        self._whole: Sequence[bytes] | None = None
        frames: list[bytes] = []
        last = said[0].but
        for broadcast in said:
            if broadcast.but != last:
                self._pieces.append((last, peer.joined(frames)))
                frames, last = [], broadcast.but
            is_msgpack = peer.flavour is Flavour.MSGPACK
            packed = broadcast.packed() if is_msgpack else pack(broadcast.frame.wire(), peer.flavour)
            frames.append(peer.framed(packed))
        self._pieces.append((last, peer.joined(frames)))
        self._authors = {but for but, _ in self._pieces}
        self._peer = peer

    def of(self, session: int) -> Sequence[bytes]:
        """What one session is to hear of it, in the order in which it was said."""
        if session in self._authors:
            return [frame for but, piece in self._pieces if but != session for frame in piece]
        if self._whole is None:
            self._whole = self._peer.joined([frame for _, piece in self._pieces for frame in piece])
        return self._whole
