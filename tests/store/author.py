"""A room in small: it plans edits on a document of its own, as the hub does, and makes batches of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenehub.protocol.document import Cell, Document
from scenehub.protocol.edits import Actor, ActorKind, Edit, EditId, FieldKey, digest_of
from scenehub.protocol.errors import ErrorCode, Refusal
from scenehub.protocol.ledger import Batch, Committed, Head, Loaded, Outcome, Rejected, Verdict
from scenehub.protocol.limits import Limits
from scenehub.protocol.ops import Op, SceneAdd, SceneFields, SceneSet
from scenehub.protocol.planning import Draft, plan
from scenehub.server.store.port import Store

START = 1_790_000_000_000


class Author:
    """Plans edits of any client on one project; `save` stores what was planned since the last save."""

    def __init__(self, project: str, loaded: Loaded) -> None:
        self.project = project
        self.head = loaded.head
        self.document = loaded.document
        self.now = max(loaded.at, START)
        self.counters: dict[str, int] = {}
        self.users: dict[str, str] = {}
        self._outcomes: list[Outcome] = []
        self._before: dict[str, int] = {}
        self._fence = loaded.head

    @classmethod
    async def of(cls, store: Store, project: str) -> Author:
        return cls(project, await store.load(project))

    def edit(
        self,
        client: str,
        *ops: Op,
        user: str | None = None,
        actor: ActorKind = ActorKind.PERSON,
        base: int | None = None,
        later: int = 1,
        n: int | None = None,
        **more: Any,
    ) -> Committed | Rejected:
        """Plan an edit, `later` milliseconds after the one before."""
        user = user or self.users.get(client, f"user-of-{client}")
        self.users[client] = user
        self.now += later
        counter = n or self.counters.get(client, 0) + 1
        self._before.setdefault(client, counter - 1)
        self.counters[client] = counter
        edit = Edit(
            id=EditId(client, counter),
            epoch=self.head.epoch,
            base=self.head.seq if base is None else base,
            ops=ops,
            **more,
        )
        outcome = self._decide(edit, Actor(user=user, kind=actor, run=more.get("run")))
        self._outcomes.append(outcome)
        return outcome

    def reject(self, client: str) -> Rejected:
        """Plan an edit that is refused."""
        counter = self.counters.get(client, 0) + 1
        self._before.setdefault(client, counter - 1)
        self.counters[client] = counter
        user = self.users.setdefault(client, f"user-of-{client}")
        refusal = Refusal(ErrorCode.QUOTA, f"refused number {counter}")
        rejected = Rejected(EditId(client, counter), bytes(16), user, refusal)
        self._outcomes.append(rejected)
        return rejected

    def _decide(self, edit: Edit, actor: Actor) -> Committed | Rejected:
        draft = Draft(self.document)
        seq = self.head.seq + 1
        planned = plan(draft, edit, actor, seq=seq, at=self.now, base=edit.base, guarded=edit.guarded, limits=Limits())
        if isinstance(planned, Refusal):
            return Rejected(edit.id, digest_of(edit), actor.user, planned)
        self.document.absorb({key: Cell(value, seq, edit.id, actor.user) for key, value in planned.writes})
        self.head = self.head._replace(seq=seq, id=edit.id)
        return Committed(
            seq,
            self.now,
            edit,
            actor,
            digest_of(edit),
            planned.writes,
            planned.replaced,
            planned.overwrote,
            planned.restored,
        )

    def batch(self) -> Batch:
        """What was planned since the last batch."""
        counters = {
            client: (before, self.counters[client], self.users[client]) for client, before in self._before.items()
        }
        batch = Batch(self.project, self._fence, tuple(self._outcomes), counters)
        self._outcomes, self._before, self._fence = [], {}, self.head
        return batch

    async def save(self, store: Store) -> Verdict:
        [verdict] = await store.commit([self.batch()])
        return verdict


def scene(id: str, name: str = "Intro", position: str = "a", code: str = "", **more: Any) -> SceneAdd:
    """An op that adds a scene."""
    return SceneAdd(id=id, position=position, name=name, duration=30, tsx_code=code, **more)


def renamed(id: str, name: str) -> SceneSet:
    """An op that renames a scene."""
    return SceneSet(id=id, set=SceneFields(name=name))


def recoded(id: str, code: str) -> SceneSet:
    """An op that writes a scene's code."""
    return SceneSet(id=id, set=SceneFields(tsx_code=code))


async def made(store: Store, project: str = "launch") -> Author:
    """A new project."""
    assert await store.create(project, name="Launch", fps=30, width=1920, height=1080)
    return await Author.of(store, project)


def cells(document: Document) -> Mapping[tuple[str, str], Mapping[str, Cell]]:
    """Everything that a document holds."""
    return {entity: dict(cells) for entity, cells in document.entities.items() if cells}


def value(document: Document, kind: str, id: str, field: str) -> Any:
    """A field's value."""
    cell = document.cell(FieldKey(kind, id, field))
    assert cell is not None
    return cell.value


def fence_with(batch: Batch, **changed: Any) -> Batch:
    """The batch with another fence."""
    fence: Head = batch.fence._replace(**changed)
    return Batch(batch.project, fence, batch.outcomes, batch.counters)
