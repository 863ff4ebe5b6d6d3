"""The synchronous client: `with connect_sync(url, token) as project:`, for scripts and for load tests under gevent."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, time

from scenehub.protocol import keeping
from scenehub.protocol.codec import Flavour
from scenehub.protocol.document import Document
from scenehub.protocol.edits import Edit
from scenehub.protocol.happenings import Happening, Overwritten
from scenehub.protocol.view import View

from .address import addresses
from .authoring import Authoring
from .backlog import Backlog
from .desk import Desk, client_ids
from .errors import Left, NotReached, Refused, Unsaved
from .handles import Handle
from .joining import FLAVOURS, FlavourName, default_agent
from .keep import Folder, Keep, open_keep
from .project import NOTICES_KEPT, OnEvent
from .reconnect import Route, Timing
from .sync_connection import SyncConnection
from .sync_keeper import SyncKeeper
from .tokens import Token, fresh_sync, user_of

log = logging.getLogger("scenehub.client")


class SyncEdit(Handle):
    """An edit whose outcome can be waited for."""

    def __init__(self, edit: Edit) -> None:
        super().__init__(edit)
        self._settled = threading.Event()

    def wait_saved(self, timeout: float | None = None) -> int:
        """Block until it is durable; gives its seq, or an upper bound of it.

        Raises Rejected, or TimeoutError after `timeout` seconds (the edit goes on), or what ended the project.
        """
        if not self._settled.wait(timeout):
            raise TimeoutError(f"{self!r} had no outcome within {timeout} s")
        return self.result()

    def _wake(self) -> None:
        self._settled.set()


class SyncProject(Authoring[SyncEdit]):
    """A project that this client is a member of; made by `connect_sync`. May be used from several threads.

    `on_event` is called on whatever thread something happens: it may use the project, but must not wait.
    """

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
        self._still = threading.RLock()
        self._news = threading.Condition(self._still)
        self._desk: Desk[SyncEdit] = Desk(self, SyncEdit, ids=ids, agent=agent, flavour=flavour, clock=clock)
        self._notices: deque[Overwritten] = deque(maxlen=NOTICES_KEPT)
        self._route = route
        self._on_event = on_event
        self._backlogs: list[Backlog] = []
        self._changes = 0
        self._connection = SyncConnection(
            self._desk, self._still, route, token, first_token, flavour=flavour, clock=clock, ended=self._over
        )
        self._keeper = None if keep is None else SyncKeeper(keep, self._desk, self._news, clock, route.timing.keep)
        self.restored: list[SyncEdit] = []
        """Edits that an earlier program left unsaved; only with `keep`."""
        if keep is not None and keep.kept is not None:
            keeping.load(self._desk.replica, keep.kept, clock(), int(time() * 1000))
            self.restored = self._desk.adopt()

    # What the desk tells; under the lock.

    def hear(self, happening: Happening) -> None:
        """Something happened."""
        if isinstance(happening, Overwritten):
            self._notices.append(happening)
        for backlog in self._backlogs:
            backlog.put(happening)
        self._changes += 1
        self._news.notify_all()
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

    def _over(self) -> None:
        with self._news:
            self._news.notify_all()

    # Reading and waiting.

    @property
    def view(self) -> View:
        """The project as this member sees it now: a copy that stays as it is while frames come in."""
        with self._still:
            replica = self._desk.replica
            copy = Document()
            copy.entities = {entity: dict(cells) for entity, cells in replica.confirmed.entities.items()}
            unsaved = [(relay.edit, relay.actor.user) for relay in replica.relays.values()]
            return View(copy, [*unsaved, *((pending.edit, replica.user) for pending in replica.pending)], 0)

    @property
    def ended(self) -> Exception | None:
        """Why nothing more will be heard: `Refused` by the hub, or `Left`; None while the project is live."""
        return self._desk.ended

    def wait_changed(self, timeout: float | None = None) -> None:
        """Block until something happens. Raises TimeoutError, or what ended the project."""
        with self._news:
            before = self._changes
            self.until(lambda _: self._changes != before, timeout)

    def until(self, so: Callable[[SyncProject], bool], timeout: float | None = None) -> None:
        """Block until `so(project)` holds. Raises TimeoutError, or what ended the project."""
        with self._news:
            came = self._news.wait_for(lambda: so(self) or self._desk.ended is not None, timeout)
            if so(self):
                return
            if self._desk.ended is not None:
                raise self._desk.ended
            if not came:
                raise TimeoutError(f"it was not so within {timeout} s; status: {self._desk.status}")

    def events(self) -> Iterator[Happening]:
        """What happens from now on; ends when the project is left. Raises Refused when the hub refuses this client.

        A slow consumer gets one `Changed(None)` for all that it missed.
        """
        backlog = Backlog()
        with self._news:
            self._backlogs.append(backlog)
        return self._events(backlog)

    def _events(self, backlog: Backlog) -> Iterator[Happening]:
        try:
            while True:
                with self._news:
                    self._news.wait_for(lambda: backlog or self._desk.ended is not None)
                    if not backlog:
                        if self._desk.ended is None or isinstance(self._desk.ended, Left):
                            return
                        raise self._desk.ended
                    happening = backlog.take()
                yield happening
        finally:
            with self._news:
                self._backlogs.remove(backlog)

    def wait_kept(self, timeout: float | None = None) -> None:
        """Block until every edit of now is on disk or saved. Raises RuntimeError without `keep`, or TimeoutError."""
        if self._keeper is None:
            raise RuntimeError("nothing is kept: give connect_sync() keep=True or a folder")
        self._keeper.wait_kept(timeout)

    # Joining and leaving: `connect_sync` is the way to get here.

    @contextmanager
    def joined(self, timeout: float, drain: float) -> Iterator[None]:
        """Be a member while the block lasts; every thread that this takes ends with it."""
        self._connection.start()
        if self._keeper is not None:
            self._keeper.start()
        try:
            self._arrive(timeout)
            yield
            self._drain(drain)
        finally:
            self._connection.leave()
            with self._news:
                left = len(self._desk.replica.pending)
                self._desk.end(Left())
                self._over()
            if self._keeper is not None:
                self._keeper.close()
            if left:
                kept = "" if self._keeper is None else f": kept in {self._keeper.keep.path}"
                log.warning("%d edits had no outcome when the project was left%s", left, kept)

    def _arrive(self, timeout: float) -> None:
        try:
            self.until(lambda _: self._desk.replica.connected, timeout)
        except TimeoutError:
            raise NotReached([node.url for node in self._route.nodes], timeout, self._desk.words) from None

    def _drain(self, seconds: float) -> None:
        with suppress(TimeoutError, Refused):
            self.until(lambda _: not self._desk.replica.pending, seconds)
        left = len(self._desk.replica.pending)
        if left and self._keeper is None:
            raise Unsaved(left, self._desk.words or f"waited {seconds:g} s for the hub") from self.ended


@contextmanager
def connect_sync(
    url: str | Sequence[str],
    token: Token,
    *,
    project: str | None = None,
    client_id: str | None = None,
    flavour: FlavourName = "msgpack",
    keep: Folder = None,
    agent: str | None = None,
    on_event: OnEvent | None = None,
    timeout: float = 10.0,
    drain: float = 5.0,
    timing: Timing | None = None,
) -> Iterator[SyncProject]:
    """Join a project from a program without asyncio; everything as in `connect`, with plain functions for tokens."""
    nodes = addresses(url, project)
    if keep and client_id is not None:
        raise ValueError("give client_id or keep: a kept client has an id of its own")
    first_token = fresh_sync(token) if keep else None
    owner = None if first_token is None else user_of(first_token) or first_token
    member = SyncProject(
        Route(nodes, timing or Timing(), can_renew=callable(token)),
        token,
        ids=client_ids(client_id),
        agent=agent or default_agent(),
        flavour=FLAVOURS[flavour],
        on_event=on_event,
        first_token=first_token,
        keep=open_keep(keep, nodes[0], owner),
    )
    with member.joined(timeout, drain):
        yield member
