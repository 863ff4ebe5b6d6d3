"""Project: the asynchronous client's view of a project that it is a member of; `connect` makes it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from time import monotonic, time
from weakref import WeakSet

from scenehub.protocol import keeping
from scenehub.protocol.codec import Flavour
from scenehub.protocol.happenings import Changed, Happening, Overwritten
from scenehub.protocol.keeping import Kept

from .authoring import Authoring
from .connection import Connection
from .desk import Desk
from .errors import Left, NotReached, Refused, Unsaved
from .events import EditHandle, Events
from .keep import Keep
from .keeper import Keeper
from .reconnect import Route
from .tokens import Token

log = logging.getLogger("scenehub.client")

NOTICES_KEPT = 256
"""The latest conflict notices that a project remembers."""


OnEvent = Callable[[Happening], None]


class Project(Authoring[EditHandle]):
    """A project that this client is a member of; made by `connect`."""

    restored: list[EditHandle]
    """Edits that an earlier program left unsaved; only with `keep`."""

    def __init__(
        self,
        route: Route,
        token: Token,
        *,
        ids: Iterator[str],
        agent: str,
        flavour: Flavour,
        on_event: OnEvent | None = None,
        first_token: str | None = None,
        keep: Keep | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._desk: Desk[EditHandle] = Desk(self, EditHandle, ids=ids, agent=agent, flavour=flavour, clock=clock)
        self._route = route
        self._still = nullcontext()
        self._notices: deque[Overwritten] = deque(maxlen=NOTICES_KEPT)
        self._on_event = on_event
        self._consumers: WeakSet[Events] = WeakSet()
        self._stirred = asyncio.Event()
        self._changed = asyncio.Event()
        self._connection = Connection(
            self._desk, route, token, first_token, flavour=flavour, clock=clock, ended=self._over
        )
        self._keeper = None if keep is None else Keeper(keep, self._desk, clock, route.timing.keep)
        self.restored = [] if keep is None or keep.kept is None else self._restore(keep.kept, clock())

    def _restore(self, kept: Kept, now: float) -> list[EditHandle]:
        keeping.load(self._desk.replica, kept, now, int(time() * 1000))
        return self._desk.adopt()

    # What the desk tells.

    def hear(self, happening: Happening) -> None:
        """Something happened."""
        if isinstance(happening, Overwritten):
            self._notices.append(happening)
        elif isinstance(happening, Changed):
            self._changed.set()
            self._changed = asyncio.Event()
        self._connection.hear(happening)
        self._wake(happening)
        if self._on_event is not None:
            try:
                self._on_event(happening)
            except Exception:
                log.exception("on_event failed for %r", happening)

    def outgoing(self) -> None:
        """There is something to send."""
        self._connection.stir()

    def to_keep(self) -> None:
        """There is something to keep."""
        if self._keeper is not None:
            self._keeper.stir()

    def _wake(self, happening: Happening | None) -> None:
        self._stirred.set()
        self._stirred = asyncio.Event()
        for consumer in self._consumers:
            consumer.put(happening)

    def _over(self) -> None:
        self._changed.set()
        self._wake(None)

    # Waiting.

    @property
    def ended(self) -> Exception | None:
        """Why nothing more will be heard: `Refused` by the hub, or `Left`; None while the project is live."""
        return self._desk.ended

    def events(self) -> Events:
        """What happens from now on, for `async for`; see `scenehub.client.happenings`.

        Raises Refused within the loop when the hub does not want this client any more.
        """
        consumer = Events(lambda: self._desk.ended)
        self._consumers.add(consumer)
        return consumer

    async def changed(self, timeout: float | None = None) -> None:
        """Wait until the view may differ from now. Raises TimeoutError, or what ended the project."""
        changed = self._changed
        self._raise_if_ended()
        async with asyncio.timeout(timeout):
            await changed.wait()
        self._raise_if_ended()

    async def until(self, so: Callable[[Project], bool], timeout: float | None = None) -> None:
        """Wait until `so(project)` holds. Raises TimeoutError, or what ended the project."""
        async with asyncio.timeout(timeout):
            while True:
                stirred = self._stirred
                if so(self):
                    return
                self._raise_if_ended()
                await stirred.wait()

    async def kept(self) -> None:
        """Wait until every edit of now is on disk or saved. Raises RuntimeError without `keep`."""
        if self._keeper is None:
            raise RuntimeError("nothing is kept: give connect() keep=True or a folder")
        await self._keeper.kept()

    def _raise_if_ended(self) -> None:
        if self._desk.ended is not None:
            raise self._desk.ended

    # Joining and leaving: `connect` is the way to get here.

    @asynccontextmanager
    async def joined(self, timeout: float, drain: float) -> AsyncIterator[None]:
        """Be a member while the block lasts; every task that this takes ends with it."""
        failure: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                owned = [tasks.create_task(self._connection.run(), name=f"scenehub-{self._route.node.project}")]
                if self._keeper is not None:
                    owned.append(tasks.create_task(self._keeper.run(), name="scenehub-keeper"))
                try:
                    await self._arrive(timeout)
                    yield
                    await self._drain(drain)
                finally:
                    for task in owned:
                        task.cancel()
        except BaseExceptionGroup as group:
            # Raised outside of this block, so that the caller's exception is what it was.
            failure = group.exceptions[0] if len(group.exceptions) == 1 else group
        finally:
            await self._put_away()
        if failure is not None:
            raise failure

    async def _arrive(self, timeout: float) -> None:
        try:
            await self.until(lambda _: self._desk.replica.connected, timeout)
        except TimeoutError:
            raise NotReached([node.url for node in self._route.nodes], timeout, self._desk.words) from None

    async def _drain(self, seconds: float) -> None:
        """Wait for the outcomes of what is pending. Raises Unsaved if some are missing and nothing keeps the edits."""
        with suppress(TimeoutError, Refused):
            await self.until(lambda _: not self._desk.replica.pending, seconds)
        left = len(self._desk.replica.pending)
        if left and self._keeper is None:
            raise Unsaved(left, self._desk.words or f"waited {seconds:g} s for the hub") from self.ended

    async def _put_away(self) -> None:
        left = len(self._desk.replica.pending)
        self._desk.end(Left())
        self._over()
        if self._keeper is not None:
            await self._keeper.close()
            if left:
                log.warning("%d edits have no outcome yet: kept in %s", left, self._keeper.keep.path)
        elif left:
            log.warning("%d edits had no outcome when the project was left", left)
