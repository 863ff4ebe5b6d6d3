"""The bus over Redis or Valkey: pub/sub over one connection that comes back by itself.

`publish` packs and queues; at the end of the loop's turn everything queued is written, one message a channel. Nothing
waits: when the server does not take what is written the queue's oldest events go, when it is away all of them do.
What is lost is repaired from the store (N3).
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from redis.exceptions import RedisError

from scenehub.server.bus.address import Address
from scenehub.server.bus.counts import Counts
from scenehub.server.bus.envelope import Envelope, hear
from scenehub.server.bus.link import Link, LinkLost
from scenehub.server.bus.outgoing import Outgoing
from scenehub.server.bus.port import Deliver

__all__ = ["RedisBus"]

#: Seconds. The longest pause between two attempts leaves time for the attempt itself: presence is back within 1 s.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.8
#: Seconds between two signs of life, and for which one is awaited: a link that is half open is noticed within 3 s.
PING_EVERY, PATIENCE = 1.0, 2.0
#: Seconds for the last events to leave when the bus is closed.
FAREWELL = 0.5
#: Bytes written at a time while a backlog is worked off, so that a message stays small.
PORTION = 256 * 1024
QUEUE = 8 * 1024 * 1024

_log = logging.getLogger(__name__)


class RedisBus:
    """A node's place on the bus: ``async with RedisBus(url, node, generation) as bus``.

    Entering waits for the first attempt to connect (at most 2 s), successful or not. ``on_restored`` is called whenever
    the bus comes back into reach after that, when all projects are subscribed again. ``queue`` bounds the bytes that
    wait to be written. ``prefix`` keeps several installations on one Redis apart. A URL that means no Redis raises
    ValueError; see `address.py` for its forms.
    """

    def __init__(
        self,
        url: str,
        node: str,
        generation: str,
        *,
        on_restored: Callable[[], None] | None = None,
        prefix: str = "scenehub:",
        queue: int = QUEUE,
    ) -> None:
        self.counts = Counts()
        self._address = Address(url)
        self._envelope = Envelope(node, generation)
        self._on_restored = on_restored
        self._prefix = prefix
        self._name = f"bus of {node}"
        self._outgoing = Outgoing(queue)
        self._flush_is_due = False
        self._listeners: dict[bytes, Deliver] = {}
        self._link: Link | None = None
        self._attempts = 0
        self._told: str | None = None

    # --- the port ---------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Events can leave and arrive; False at the latest 3 s after they cannot."""
        return self._link is not None and self._link.ready

    @property
    def waiting(self) -> int:
        """Bytes that wait to be written: more than none for long means that the server does not keep up."""
        return self._outgoing.size

    def publish(self, project: str, event: dict[str, Any]) -> None:
        """As the port says. Raises TypeError, ValueError or OverflowError for an event that is not plain."""
        packed = self._envelope.event(event)
        if not self.connected:
            self.counts.dropped += 1
            return
        self.counts.dropped += self._outgoing.add(self._channel(project), packed)
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def subscribe(self, project: str, deliver: Deliver) -> None:
        """As the port says; a second time, ``deliver`` takes the place of the first."""
        channel = self._channel(project)
        known = channel in self._listeners
        self._listeners[channel] = deliver
        if not known and self._link is not None:
            self._link.subscribe([channel])

    def unsubscribe(self, project: str) -> None:
        channel = self._channel(project)
        if self._listeners.pop(channel, None) is not None and self._link is not None:
            self._link.unsubscribe([channel])

    def _channel(self, project: str) -> bytes:
        # The braces keep a project on one slot of a cluster.
        return f"{self._prefix}{{{project}}}".encode()

    # --- what goes out and comes in ---------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._flush_is_due = False
        link = self._link
        while link is not None and link.ready and link.writable and self._outgoing:
            taken = self._outgoing.take(PORTION)
            link.publish((channel, self._envelope.message(events), len(events)) for channel, events in taken.items())

    def _hear(self, channel: bytes, message: bytes) -> None:
        if channel in self._listeners and not self._envelope.is_own(message):
            hear(message, channel, self._listeners, self.counts)

    # --- the life of its links --------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        tried = asyncio.Event()
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._linking = self._tasks.create_task(self._stay_linked(tried), name=self._name)
        try:
            await tried.wait()
        except asyncio.CancelledError:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._farewell()
        finally:
            await self._end()

    async def _end(self) -> None:
        self._linking.cancel()
        await self._tasks.__aexit__(None, None, None)  # without the body's error: the group would wrap it

    async def _farewell(self) -> None:
        """Let what was published last, such as a node's leave-taking, arrive."""
        try:
            async with asyncio.timeout(FAREWELL):
                self._flush()
                while self.connected and self._link is not None and (self._outgoing or self._link.unanswered):
                    await self._link.until_settled()
        except TimeoutError:
            pass  # it is dropped, and counted

    async def _stay_linked(self, tried: asyncio.Event) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                reason, held = await self._hold_a_link(tried)
            finally:
                tried.set()
            self._tell(reason, held > 0)
            # One that breaks as soon as it is made counts as a failed attempt.
            pause = FIRST_PAUSE if held > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1))

    async def _hold_a_link(self, tried: asyncio.Event) -> tuple[Exception, float]:
        """Connect and stay until the link is lost; why it was, and for how many seconds it had been ready."""
        clock = asyncio.get_running_loop().time
        link: Link | None = None
        since = math.inf
        try:
            async with asyncio.timeout(PATIENCE):
                link = await self._address.connect(lambda: Link(self.counts, self._hear, self._flush))
                self._link = link
                link.greet(self._greeting(), self._listeners)
                await link.until_ready()
            since = clock()
            self._arrived()
            tried.set()
            reason = await self._watch(link)
        except TimeoutError:
            reason = LinkLost(f"no answer within {PATIENCE:.0f} s")
        except (OSError, RedisError) as error:
            reason = error
        except Exception as error:  # noqa: BLE001
            # The bus makes the hub faster; nothing that is wrong with it may end the hub.
            _log.exception("a link to %s failed in a way that is not foreseen", self._address)
            reason = error
        finally:
            self._let_go(link)
        return reason, max(clock() - since, 0.0)

    async def _watch(self, link: Link) -> Exception:
        """Ask for signs of life until there are none; why the link was lost."""
        while (reason := await link.until_lost(within=PING_EVERY)) is None:
            if link.silence() > PATIENCE:
                return LinkLost(f"nothing heard for {PATIENCE:.0f} s")
            link.ping()
        return reason

    def _greeting(self) -> list[str]:
        credentials = self._address.credentials
        return ["AUTH", *credentials] if credentials else []

    def _arrived(self) -> None:
        self._attempts += 1
        if self._attempts == 1:
            return
        self.counts.reconnects += 1
        self._told = None
        _log.info("%s is in reach again", self._address)
        if self._on_restored is not None:
            try:
                self._on_restored()
            except Exception:  # noqa: BLE001
                _log.exception("what follows a restored bus failed")

    def _let_go(self, link: Link | None) -> None:
        self._link = None
        self.counts.dropped += self._outgoing.clear()
        if link is not None:
            self.counts.dropped += link.unacknowledged
            link.abandon(LinkLost("given up"))

    def _tell(self, reason: Exception, held: bool) -> None:
        """Log why the bus is away, once for each reason."""
        self._attempts = max(self._attempts, 1)  # a first attempt that fails makes the next a return
        words = str(reason) or type(reason).__name__
        if held or words != self._told:
            self._told = words
            _log.warning("%s is away (%s); nodes repair from the store until it is back", self._address, words)
