"""A connection: reads frames, holds them to the protocol, and hands them to the room it belongs to (O7, F7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from scenehub.protocol.closing import Close as CloseCode
from scenehub.protocol.codec import client_frame, frame_wire, pack, unpack
from scenehub.protocol.edits import EditId, digest_of_raw
from scenehub.protocol.errors import ErrorCode, ProtocolError, Refusal
from scenehub.protocol.limits import TokenBucket
from scenehub.protocol.messages import (
    Auth,
    Bye,
    Cancel,
    ClientFrame,
    Error,
    Hello,
    HubFrame,
    Ping,
    SendEdit,
    SendPresence,
    State,
    Sync,
)
from scenehub.server.transport.port import Peer

from .access import Refused, TokenExpired

if TYPE_CHECKING:
    from .hub import Hub
    from .live import LiveRoom

STRIKES: Final = 20
"""Bad frames that a connection may send in a row; one a second is forgiven."""
TOKENS: Final = 10
"""New tokens that a connection may bring in a row, and one a second: each is told to every member."""

_ids: TypeAdapter[EditId] = TypeAdapter(EditId)


class Connection:
    """One peer of one project; the transport's listener. Its `session` number is its generation on this node (M5)."""

    def __init__(self, hub: Hub, peer: Peer, project: str, session: int) -> None:
        self.hub = hub
        self.peer = peer
        self.project = project
        self.session = session
        self.client = ""
        self.live: LiveRoom | None = None
        self.lagging_now = False
        self.gone = False
        self._greeted = False
        self._parts: list[bytes] = []
        self._tokens = TokenBucket.full(1.0, TOKENS, hub.now())
        self._strikes = TokenBucket.full(1.0, STRIKES, hub.now())
        limits = hub.options.limits
        most = 4.0 * limits.edits_per_second + 200.0
        self._frames = TokenBucket.full(most, 2 * most, hub.now())

    # The transport's listener.

    def received(self, payload: bytes | str) -> None:
        """A message came in: a frame of this protocol, or a strike."""
        if self.gone:
            return
        if not self._frames.take(self.hub.now()):
            self.end(CloseCode.RATE_LIMITED, "far more frames than `welcome.limits` allows", 5000)
            return
        raw: dict[str, Any] | None = None
        try:
            raw = unpack(payload, self.peer.flavour)
            self._take(client_frame(raw), len(payload))
        except ProtocolError as error:
            self._refuse(raw, error.refusal)

    def alive(self) -> None:
        """The peer answered a ping."""
        if self.live is not None:
            self.live.perform(self.live.room.alive(self.session, self.hub.now()))

    def lagging(self) -> None:
        """The peer does not read fast enough."""
        self.lagging_now = True
        if self.live is not None:
            self.live.lagging(self.session)

    def drained(self) -> None:
        """The peer has read everything."""
        self.lagging_now = False
        if self.live is not None:
            self.live.drained(self.session)

    def closed(self) -> None:
        """The peer is gone."""
        self.gone = True
        self.hub.connections.discard(self)
        if self.live is not None:
            self.live.leave(self.session)
            self.live = None

    # What the hub does to it.

    def send(self, frame: HubFrame) -> None:
        """Send one frame to this peer alone."""
        if not self.gone:
            self.peer.send(self.peer.framed(pack(frame.wire(), self.peer.flavour)))

    def send_state(self, part: State) -> None:
        """Send a part of a state; the parts leave together, so that a large one is not cut off half-way (M2)."""
        self._parts.append(self.peer.framed(pack(part.wire(), self.peer.flavour)))
        if part.part == part.parts - 1:
            parts, self._parts = self._parts, []
            if not self.gone:
                self.peer.send_together(parts)

    def end(self, code: int, words: str, retry_ms: int = 0) -> None:
        """Close with a code; a time to come back goes before it in a `bye`."""
        if self.gone:
            return
        if retry_ms:
            self.send(Bye(code=code, words=words, retry_ms=retry_ms))
        self.peer.close(code, words)
        live, self.live, self.gone = self.live, None, True
        self.hub.connections.discard(self)
        if live is not None:
            live.leave(self.session)

    # Frames.

    def _take(self, frame: ClientFrame, size: int) -> None:
        live = self.live
        if live is None:
            self._take_first(frame)
            return
        if isinstance(frame, SendEdit):
            if not self.hub.draining:
                live.edit(self.session, frame, size)
            return
        room, now = live.room, self.hub.now()
        match frame:
            case SendPresence():
                live.perform(room.presence(self.session, frame.presence, now))
            case Ping():
                live.perform(room.ping(self.session, frame.nonce, now))
            case Sync():
                live.perform(room.sync(self.session, frame.position, now))
            case Auth():
                self._authenticate(frame)
            case Cancel():
                words = f"there is no run {frame.run}"
                self.send(Error(code=ErrorCode.NOT_FOUND, words=words, culprit="run"))
            case Hello():
                self.send(Error(code=ErrorCode.UNEXPECTED_FRAME, words="hello was said already", culprit="t"))

    def _take_first(self, frame: ClientFrame) -> None:
        if self._greeted:
            self.send(Error(code=ErrorCode.UNEXPECTED_FRAME, words="wait for `welcome`", culprit="t"))
        elif isinstance(frame, Hello):
            self._greeted = True
            self.hub.admit(self, frame)
        else:
            self.end(CloseCode.PROTOCOL_VIOLATION, "the first frame is `hello`")

    def _authenticate(self, frame: Auth) -> None:
        live = self.live
        if live is None:
            return
        if not self._tokens.take(self.hub.now()):
            self.send(Error(code=ErrorCode.RATE_LIMITED, words="too many new tokens: slow down", culprit="token"))
            return
        try:
            identity = self.hub.access.identity(frame.token, self.project)
        except TokenExpired as expired:
            self.send(Error(code=ErrorCode.TOKEN_EXPIRED, words=str(expired), culprit="token"))
        except Refused as refused:
            self.send(Error(code=ErrorCode.UNAUTHENTICATED, words=str(refused), culprit="token"))
        else:
            live.perform(live.room.auth(self.session, identity, self.hub.now()))

    def _refuse(self, raw: dict[str, Any] | None, refusal: Refusal) -> None:
        """Answer a bad frame: a bad edit in its turn (O7), anything else at once; too many of them end it."""
        if not self._greeted:
            self.end(CloseCode.PROTOCOL_VIOLATION, f"the first frame is `hello`: {refusal.words}"[:120])
            return
        if not self._strikes.take(self.hub.now()):
            self.end(CloseCode.PROTOCOL_VIOLATION, "too many frames that are not of this protocol")
            return
        live, id = self.live, edit_id_of(raw)
        if live is not None and id is not None and raw is not None:
            live.perform(live.room.bad_edit(self.session, id, digest_of_raw(raw), refusal, self.hub.now()))
            return
        self.send(Error(code=refusal.code, words=refusal.words, culprit=refusal.culprit))


def edit_id_of(raw: dict[str, Any] | None) -> EditId | None:
    """The id of an edit whose body cannot be read, if that much can."""
    if raw is None or raw.get("t") != "edit" or not isinstance(raw.get("edit"), dict):
        return None
    try:
        return _ids.validate_python(raw["edit"].get("id"))
    except ValidationError:
        return None


__all__ = ["Connection", "edit_id_of", "frame_wire"]
