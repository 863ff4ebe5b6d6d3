"""The fast path: a WebSocket protocol class for uvicorn (`ws=`) that never awaits between socket and hub.

Three things make it fast. Messages go to the listener from within `data_received`: no task, no queue, no pausing of
reads for each. Frames to peers come encoded and are not touched again. Everything for a peer within one turn of the
loop leaves in one write, because the system call is the cost.

The application takes a connection over, before it accepts it, through the scope: `scope["extensions"]["scenehub.peer"]`
is a `TakeOver`. Without that, the class behaves as uvicorn's own. Whole data frames are read here; everything else
(fragments, control frames, whatever breaks a rule) is given to websockets' sans-I/O protocol, frame by frame.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias
from weakref import WeakKeyDictionary

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from scenehub.protocol.closing import SERVICE_RESTART, Close
from scenehub.protocol.codec import Flavour

from .outbox import CLOSE_TIMEOUT, Outbox, fitting

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent
    from uvicorn.config import Config
    from uvicorn.server import ServerState
    from websockets.utils import apply_mask
else:
    try:
        from websockets.speedups import apply_mask
    except ImportError:
        from websockets.utils import apply_mask

logger = logging.getLogger(__name__)

EXTENSION: Final = "scenehub.peer"
HIGH_WATER: Final = 64 * 1024
"""Bytes in the transport's buffer above which frames stay in the outbox, where members share them."""
WRITE_AT_MOST: Final = 256 * 1024
"""Bytes that are joined for one write."""
READ_AT_MOST: Final = 64
"""Messages of one client that are handled in one turn of the loop; each 4 KiB of a message count as one."""
HELD_AT_MOST: Final = 128 * 1024
"""Bytes kept for a client that talks before the connection is accepted, until its socket is no longer read."""
SHORTEST: Final = 6
"""Bytes of a client's shortest frame: head and mask."""
KINDS: Final = frozenset(b"\x00\x01\x02\x80\x81\x82\x88\x89\x8a")
"""First bytes that a frame may have; one with another is not waited for."""
SHUTDOWN_TIMEOUT: Final = 1.0
"""Seconds that a peer has for its side of the close when the server ends."""

TakeOver: TypeAlias = Callable[[Flavour, str, int], "FastPeer"]
"""Makes a peer of the connection, given flavour, address and bound (bytes); its `listener` is to be set at once."""


class Turn:
    """The peers of a loop that have something to write when its turn is over."""

    __slots__ = ("_loop", "_peers")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._peers: list[FastPeer] = []

    def add(self, peer: FastPeer) -> None:
        """Have a peer's outbox emptied after this turn."""
        if not self._peers:
            self._loop.call_soon(self._end)
        self._peers.append(peer)

    def _end(self) -> None:
        peers, self._peers = self._peers, []
        for peer in peers:
            try:
                peer.flush()
            except Exception:
                logger.exception("a connection could not be written to")
                peer.abort()


class FastPeer(Outbox):
    """A connection that this module's protocol class serves."""

    __slots__ = ("_clogged", "_deadline", "_half_close", "_head", "_protocol", "_transport", "_turn")

    def __init__(
        self,
        protocol: FastProtocol,
        transport: asyncio.Transport,
        turn: Turn,
        flavour: Flavour,
        address: str,
        bound: int,
    ) -> None:
        super().__init__(flavour, address, bound)
        self._protocol: FastProtocol | None = protocol
        self._transport = transport
        self._turn = turn
        self._head = 0x82 if flavour is Flavour.MSGPACK else 0x81
        self._clogged = False
        self._half_close = False
        self._deadline: asyncio.TimerHandle | None = None
        self._unasked = self._unasked_now()
        # Low is zero: so the transport says when everything has left (`drained`); the kernel's buffer spans the gap.
        transport.set_write_buffer_limits(high=HIGH_WATER, low=0)

    @property
    def waiting(self) -> int:
        """Bytes in the outbox and in the transport's buffer."""
        return self._bytes + self._unwritten()

    def framed(self, payload: bytes) -> bytes:
        """A whole WebSocket frame: unmasked, as servers send them, so it is the same for everyone."""
        size = len(payload)
        if size < 126:
            return bytes((self._head, size)) + payload
        if size < 65536:
            return struct.pack("!BBH", self._head, 126, size) + payload
        return struct.pack("!BBQ", self._head, 127, size) + payload

    def joined(self, frames: Sequence[bytes]) -> Sequence[bytes]:
        """One piece: frames follow one another on a stream."""
        return frames if len(frames) < 2 else (b"".join(frames),)

    def close(self, code: int, reason: str) -> None:
        """Send a close frame after what is queued; a peer that does not answer it in time is cut off."""
        self._close(code, reason, CLOSE_TIMEOUT)

    def ping(self) -> None:
        """Send a ping; browsers and client libraries answer it by themselves."""
        if self._protocol is not None and not self.closing and self._protocol.conn.state is State.OPEN:
            self._protocol.conn.send_ping(b"")
            self.speak()

    def shut(self) -> None:
        """The server ends: say so, and do not wait long."""
        if self.closing:
            self.cut_off_in(SHUTDOWN_TIMEOUT)
        else:
            self._close(SERVICE_RESTART, "the server restarts", SHUTDOWN_TIMEOUT)

    def _close(self, code: int, reason: str, timeout: float) -> None:
        if self.closing or self._protocol is None:
            return
        if self._protocol.conn.state is not State.OPEN:
            self.abort()
            return
        self._protocol.conn.send_close(code, fitting(reason))
        self._begin_closing()
        self.speak()
        self.cut_off_in(timeout)

    def speak(self) -> None:
        """Queue what the WebSocket protocol itself has to say: pongs, close frames, the end of the stream."""
        if self._protocol is None:
            return
        said = self._protocol.conn.data_to_send()
        if b"" in said:
            self._half_close = True
            self._begin_closing()
        # Pongs to a peer that sends pings and reads nothing would pile up.
        pieces = [piece for piece in said if piece]
        if pieces and (self.closing or self.waiting <= self.bound):
            self._queue(pieces)
        if self._half_close:
            self._turn.add(self)

    def cut_off_in(self, seconds: float) -> None:
        """Abort the connection unless it has ended by then."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.abort)

    def abort(self) -> None:
        """End the connection at once; what waits is lost."""
        self._begin_closing()
        self._transport.abort()

    def flush(self) -> None:
        """Write what is queued, as far as the transport takes it, and climb the ladder."""
        if self._protocol is None:
            return
        if self._lagging and not self._told:
            # From here on the transport reports any byte that waits, so that the end of it is heard.
            self._transport.set_write_buffer_limits(high=0, low=0)
            self._tell_lag()
        while self._frames and not self._clogged:
            self._transport.write(self._next_write())
        if self._frames or self._clogged:
            return
        if self._half_close:
            self._end_stream()
        elif self._told and not self._unwritten():
            self._transport.set_write_buffer_limits(high=HIGH_WATER, low=0)
            self._tell_drained()

    def clogged(self) -> None:
        """The transport's buffer is full."""
        self._clogged = True
        self._unasked = 0

    def unclogged(self) -> None:
        """The transport's buffer is empty."""
        self._clogged = False
        self._unasked = self._unasked_now()
        self.flush()

    def gone(self) -> None:
        """The connection is lost."""
        self._protocol = None
        if self._deadline is not None:
            self._deadline.cancel()
        super().gone()

    def _wake(self) -> None:
        self._turn.add(self)

    def _wake_to_lag(self) -> None:
        self._turn.add(self)

    def _unwritten(self) -> int:
        return 0 if self._protocol is None else self._transport.get_write_buffer_size()

    def _unasked_now(self) -> int:
        if self.closing or self._lagging or self._clogged:
            return 0
        return max(0, self.bound - HIGH_WATER)

    def _next_write(self) -> bytes:
        frames = self._frames
        if self._bytes <= WRITE_AT_MOST:
            joined = frames[0] if len(frames) == 1 else b"".join(frames)
            frames.clear()
            self._bytes = 0
            return joined
        count = size = 0
        while count < len(frames) and (size == 0 or size + len(frames[count]) <= WRITE_AT_MOST):
            size += len(frames[count])
            count += 1
        joined = b"".join(frames[:count])
        del frames[:count]
        self._bytes -= size
        return joined

    def _end_stream(self) -> None:
        """Both close frames are on their way, or the peer broke a rule: end our side.

        A socket closed with unread bytes resets, and the reset may overtake the close frame: half-close and let the
        peer end its side, unless it has said that it sends nothing more.
        """
        protocol = self._protocol
        if protocol is None or self._transport.is_closing():
            return
        if protocol.conn.close_rcvd is None and self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
        self.cut_off_in(CLOSE_TIMEOUT)


class FastProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sans-I/O WebSocket protocol with a direct line to a listener."""

    _turns: ClassVar[WeakKeyDictionary[ServerState, Turn]] = WeakKeyDictionary()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        turn = self._turns.get(server_state)
        if turn is None:
            turn = self._turns[server_state] = Turn(self.loop)
        self._turn = turn
        self.peer: FastPeer | None = None
        self._largest = config.ws_max_size
        self._accepted = False
        self._unread = bytearray()
        """Bytes that are not handled yet: less than a frame, or more than this turn's share."""
        self._held = False
        self._message = bytearray()
        self._message_is_text = False

    def take_over(self, flavour: Flavour, address: str, bound: int) -> FastPeer:
        """Make a peer of this connection; from the accept on, its listener hears the messages."""
        self.peer = FastPeer(self, self.transport, self._turn, flavour, address, bound)
        return self.peer

    # The opening: uvicorn's, but for bytes that come too early and an application that returns.

    async def run_asgi(self) -> None:
        """Run the application; for a connection that it takes over, only until it has accepted."""
        self.scope["extensions"] = {**(self.scope["extensions"] or {}), EXTENSION: self.take_over}  # type: ignore[dict-item]
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
            self.send_500_response()
            if self.peer is not None and self._accepted:
                self.peer.close(Close.INTERNAL, "internal error")
        else:
            if not self.handshake_complete:
                self.logger.error("ASGI callable returned without completing handshake.")
                self.send_500_response()
        if (self.peer is None or not self._accepted) and self.close_timer is None:
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        """Send an event of the application; an accept lets in what the client said before it."""
        await super().send(message)
        if message["type"] != "websocket.accept" or not self.handshake_complete or self._accepted:
            return
        self._accepted = True
        if self.peer is None:
            early, self._unread = self._unread, bytearray()
            if self._held:
                self._held = False
                self.transport.resume_reading()
            if early:
                super().data_received(bytes(early))
        else:
            self._forget_the_opening()
            self._go_on()

    def _forget_the_opening(self) -> None:
        """Drop what only the handshake and the ASGI channel need: most of an idle connection's memory."""
        del self.scope, self.request, self.response, self.queue, self.writable

    # Reading.

    def data_received(self, data: bytes) -> None:
        """Handle what came in, up to this turn's share."""
        if self._accepted and self.peer is not None:
            if self._unread:
                self._unread += data
                if not self._held:
                    del self._unread[: self._read(self._unread)]
            else:
                used = self._read(data)
                if used < len(data):
                    self._unread = bytearray(memoryview(data)[used:])
        elif self.handshake_initiated and not self._accepted and not self.handshake_complete:
            self._unread += data
            if len(self._unread) > HELD_AT_MOST and not self._held:
                self._held = True
                self.transport.pause_reading()
        else:
            super().data_received(data)

    def _go_on(self) -> None:
        """Handle the next share of what is unread; when all is handled, read the socket again."""
        if self.disconnected:
            return
        self._held, was_held = False, self._held
        del self._unread[: self._read(self._unread)]
        if was_held and not self._held:
            self.transport.resume_reading()

    def _hold(self) -> None:
        """This client has had its share of the turn: others first."""
        if not self._held:
            self._held = True
            self.transport.pause_reading()
        self.loop.call_soon(self._go_on)

    def _read(self, buffer: bytes | bytearray) -> int:
        """Handle the whole frames in a buffer, up to a share; returns how many of its bytes are done with."""
        peer, conn = self.peer, self.conn
        assert peer is not None
        at, end, share = 0, len(buffer), READ_AT_MOST
        while end - at >= SHORTEST and not conn.eof_sent:
            body, stop = self._extent(buffer, at, end)
            kind = buffer[at]
            if stop > end:
                if kind in KINDS:
                    break
                stop = end
            if (kind == 0x82 or kind == 0x81) and body and conn.current_size is None and not peer.closing:
                self._heard(peer, apply_mask(buffer[body:stop], buffer[body - 4 : body]), kind == 0x81)
            else:
                self._by_the_book(peer, bytes(buffer[at:stop]))
            share -= 1 + (stop - at >> 12)
            at = stop
            if share <= 0 and at < end:
                self._hold()
                break
        return end if conn.eof_sent else at

    def _extent(self, buffer: bytes | bytearray, at: int, end: int) -> tuple[int, int]:
        """Where a frame's payload begins and ends. (0, end) if it has no mask or is too large: refused by its head."""
        size = buffer[at + 1] - 128
        body = at + 6
        if size == 126:
            body = at + 8
            if end < body:
                return body, end + 1
            size = buffer[at + 2] << 8 | buffer[at + 3]
        elif size == 127:
            body = at + 14
            if end < body:
                return body, end + 1
            size = int.from_bytes(buffer[at + 2 : at + 10], "big")
        if size < 0 or size > self._largest:
            return 0, end
        return body, body + size

    def _heard(self, peer: FastPeer, payload: bytes, is_text: bool) -> None:
        if not is_text:
            peer.deliver(payload)
            return
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            self.conn.fail(1007, "the text is not UTF-8")
            peer.speak()
        else:
            peer.deliver(text)

    def _by_the_book(self, peer: FastPeer, frame: bytes) -> None:
        """Let the sans-I/O protocol judge a frame, and do as it says."""
        self.conn.receive_data(frame)
        for event in self.conn.events_received():
            if isinstance(event, Frame):
                self._frame(peer, event)
        peer.speak()

    def _frame(self, peer: FastPeer, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._message_is_text = frame.opcode is Opcode.TEXT
            self._message = bytearray(frame.data)
        elif frame.opcode is Opcode.CONT:
            self._message += frame.data
        elif frame.opcode is Opcode.PONG:
            peer.alive()
            return
        else:
            return
        if frame.fin:
            payload, self._message = bytes(self._message), bytearray()
            if not peer.closing:
                self._heard(peer, payload, self._message_is_text)

    # The transport's calls.

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        if self.peer is not None:
            self.peer.clogged()
        if not (self._accepted and self.peer is not None):
            super().pause_writing()

    def resume_writing(self) -> None:
        """The transport's buffer is empty."""
        if not (self._accepted and self.peer is not None):
            super().resume_writing()
        if self.peer is not None:
            self.peer.unclogged()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: the listener hears it once."""
        peer, self.peer = self.peer, None
        if peer is not None and self._accepted:
            self.connections.discard(self)
            self.disconnected = True
        else:
            super().connection_lost(exc)
        self._unread.clear()
        if peer is not None:
            peer.gone()

    def shutdown(self) -> None:
        """The server ends."""
        if self.peer is not None and self._accepted:
            self.peer.shut()
        else:
            super().shutdown()
