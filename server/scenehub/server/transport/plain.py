"""The fallback: a peer over plain ASGI `receive` and `send`, for any server.

One reader and one writer a connection. What the server has taken from the writer is out of sight here, so `waiting`
counts only what it has not; a server that waits for its socket in `send` (uvicorn does) makes that the whole truth.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from scenehub.protocol.codec import Flavour

from .outbox import CLOSE_TIMEOUT, Outbox, fitting

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send

logger = logging.getLogger(__name__)

READ_AT_MOST: Final = 64
"""Messages of one client that are handled before the other connections get their turn."""


class PlainPeer(Outbox):
    """A connection of any ASGI server."""

    __slots__ = ("_code", "_deadline", "_leaving", "_reason", "_text", "_woken", "_writer")

    def __init__(self, flavour: Flavour, address: str, bound: int) -> None:
        super().__init__(flavour, address, bound)
        self._text = flavour is Flavour.JSON
        self._leaving = 0
        """Bytes of the frames that the writer has taken but the server has not."""
        self._woken = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._code, self._reason = 1000, ""
        self._unasked = self._unasked_now()

    @property
    def waiting(self) -> int:
        """Bytes that the server has not taken."""
        return self._bytes + self._leaving

    def framed(self, payload: bytes) -> bytes:
        """The payload itself: the server makes the frame."""
        return payload

    def close(self, code: int, reason: str) -> None:
        """Have the server close after what is queued; a peer that does not read it in time is given up."""
        if self.closing:
            return
        self._code, self._reason = code, fitting(reason)
        self._begin_closing()
        self._woken.set()
        if self._writer is not None:
            self._deadline = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._writer.cancel)

    async def converse(self, receive: Receive, send: Send) -> None:
        """Serve an accepted connection until it ends; the listener has then heard `closed`."""
        reader = asyncio.create_task(self._read(receive), name=f"read {self.address}")
        self._writer = asyncio.create_task(self._write(send), name=f"write {self.address}")
        both = {reader, self._writer}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not reader.done():
                await asyncio.wait({reader}, timeout=CLOSE_TIMEOUT)
        finally:
            if self._deadline is not None:
                self._deadline.cancel()
            for task in both:
                task.cancel()
            outcomes = await asyncio.gather(*both, return_exceptions=True)
            self.gone()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                # A send to a peer that has just gone fails in the server's own way.
                logger.debug("the connection of %s ended with %r", self.address, outcome)

    async def _read(self, receive: Receive) -> None:
        share = READ_AT_MOST
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self._begin_closing()
                return
            if not self.closing:
                self.deliver(_payload(message))
            share -= 1
            if share == 0:
                share = READ_AT_MOST
                await asyncio.sleep(0)

    async def _write(self, send: Send) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            self._tell_lag()
            while self._frames:
                frames, self._frames = self._frames, []
                self._leaving, self._bytes = self._bytes, 0
                for frame in frames:
                    await send(self._event(frame))
                    self._leaving -= len(frame)
            if self.closing:
                await send({"type": "websocket.close", "code": self._code, "reason": self._reason})
                return
            self._tell_drained()

    def _event(self, frame: bytes) -> Message:
        if self._text:
            return {"type": "websocket.send", "text": frame.decode()}
        return {"type": "websocket.send", "bytes": frame}

    def gone(self) -> None:
        """The connection is over."""
        self._leaving = 0
        super().gone()

    def _wake(self) -> None:
        self._woken.set()

    def _wake_to_lag(self) -> None:
        # The writer may be waiting for the very peer that lags.
        asyncio.get_running_loop().call_soon(self._tell_lag)
        self._woken.set()

    def _unasked_now(self) -> int:
        return 0


def _payload(message: Message) -> bytes | str:
    binary: bytes | None = message.get("bytes")
    if binary is not None:
        return binary
    text: str = message["text"]
    return text
