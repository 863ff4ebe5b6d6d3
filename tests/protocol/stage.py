"""A stage for readable scenes: rooms, replicas and a store, where nothing happens that the test does not do.

Frames arrive at once. Batches are stored by `save`, other nodes hear by `tell`, time passes by `wait`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from scenehub.protocol.attendance import Identity
from scenehub.protocol.codec import client_frame, hub_frame, pack_frame, unpack
from scenehub.protocol.edits import EditId, FieldKey, Role
from scenehub.protocol.effects import Broadcast, CatchUp, Close, Condemn, Effect, Publish, Send, WantsSave
from scenehub.protocol.happenings import Happening, Reconnect, SendFrame
from scenehub.protocol.ledger import Verdict
from scenehub.protocol.limits import Limits
from scenehub.protocol.messages import HubFrame, Welcome
from scenehub.protocol.ops import Op, SceneAdd, SceneFields, SceneSet
from scenehub.protocol.replica import Replica
from scenehub.protocol.room import Room
from scenehub.protocol.testing.ledger import MemoryLedger


def scene(id: str = "s1", code: str = "a\nb\nc", **more: Any) -> SceneAdd:
    """An op that adds a scene."""
    return SceneAdd(id=id, position=more.pop("position", "a1"), name=id, duration=30, tsx_code=code, **more)


def code(text: str, id: str = "s1") -> SceneSet:
    """An op that writes a scene's code."""
    return SceneSet(id=id, set=SceneFields(tsx_code=text))


def name(text: str, id: str = "s1") -> SceneSet:
    """An op that writes a scene's name."""
    return SceneSet(id=id, set=SceneFields(name=text))


class Client:
    """A replica on the stage, everything it heard and everything it was sent."""

    def __init__(self, stage: Stage, who: str, role: Role = Role.EDITOR) -> None:
        self.stage = stage
        self.who = who
        self.role = role
        self.replica = Replica("token", (f"{who}{number}" for number in count(1)))
        self.node: str | None = None
        self.session = 0
        self.heard: list[Happening] = []
        self.frames: list[HubFrame] = []
        self.sent: list[Any] = []
        self.closed_with: int | None = None
        self.deaf = False
        """Frames from the hub are lost."""
        self.mute = False
        """Frames to the hub are lost."""

    def join(self, node: str = "A") -> Client:
        """Connect to a node."""
        self.node = node
        self.session = self.stage.next_session()
        self.stage.sessions[node][self.session] = self
        self.closed_with = None
        self.do(self.replica.open(self.stage.now))
        return self

    def cut(self, *, told: bool = True) -> None:
        """Lose the connection; `told`: the node hears of it."""
        node, self.node = self.node, None
        assert node is not None
        if told:
            self.stage.sessions[node].pop(self.session, None)
            self.stage.perform(node, self.stage.rooms[node].leave(self.session))
        self.do(self.replica.closed(None))

    def edit(self, *ops: Op, **more: Any) -> EditId:
        """Make an edit."""
        id, outputs = self.replica.edit(ops, self.stage.now, **more)
        self.do(outputs)
        return id

    def do(self, outputs: Any) -> None:
        for output in outputs:
            match output:
                case SendFrame(frame):
                    self.sent.append(frame)
                    if self.node is not None and not self.mute:
                        self.stage.receive(self.node, self, client_frame(unpack(pack_frame(frame))))
                case Reconnect():
                    self.heard.append(output)  # type: ignore[arg-type]
                case _:
                    self.heard.append(output)

    def receive(self, frame: HubFrame) -> None:
        if self.deaf:
            return
        self.frames.append(frame)
        self.do(self.replica.received(hub_frame(unpack(pack_frame(frame))), self.stage.now))

    def told(self, kind: type[Any]) -> list[Any]:
        """What it heard of one kind."""
        return [one for one in self.heard if isinstance(one, kind)]

    def got(self, t: str) -> list[Any]:
        """The frames of one kind that it got."""
        return [frame for frame in self.frames if frame.t == t]

    def value(self, field: str, id: str = "s1") -> Any:
        """What its view shows."""
        return self.replica.view.value(FieldKey("scene", id, field))

    @property
    def scenes(self) -> list[str]:
        return [scene.id for scene in self.replica.view.scenes]


class Stage:
    """Nodes `A`, `B`, … with a room each, one store, and a bus that is the test's hands."""

    def __init__(self, *nodes: str, limits: Limits | None = None) -> None:
        self.now = 1.0
        self.ledger = MemoryLedger()
        self.ledger.create("p", epoch="e1", name="Film", fps=30, width=1920, height=1080)
        self.limits = limits or Limits()
        self.rooms: dict[str, Room] = {}
        self.sessions: dict[str, dict[int, Client]] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.condemned: list[str] = []
        self.store_away = False
        self._ids: Iterator[int] = count(1)
        for node in nodes or ("A",):
            self.load(node)

    def load(self, node: str, generation: str = "1") -> Room:
        """Load a node's room anew."""
        self.sessions[node] = {}
        self.rooms[node] = Room(
            "p",
            self.ledger.load("p"),
            node=node,
            generation=generation,
            limits=self.limits,
            wall=lambda now: int(now * 1000),
        )
        return self.rooms[node]

    def next_session(self) -> int:
        return next(self._ids)

    def client(self, who: str, node: str = "A", role: Role = Role.EDITOR) -> Client:
        """A client that has joined."""
        return Client(self, who, role).join(node)

    def receive(self, node: str, client: Client, frame: Any) -> None:
        room, session = self.rooms[node], client.session
        match frame.t:
            case "hello":
                user = f"user-{client.who}"
                admission = self.ledger.admit("p", frame.client, user, frame.position)
                identity = Identity(user, client.who, "#112233", client.role)
                self.perform(node, room.join(session, frame, identity, admission, self.now))
            case "edit":
                self.perform(node, room.edit(session, frame.edit, age_ms=frame.age, size=200, now=self.now))
            case "presence":
                self.perform(node, room.presence(session, frame.presence, self.now))
            case "sync":
                self.perform(node, room.sync(session, frame.position, self.now))
            case "ping":
                self.perform(node, room.ping(session, frame.nonce, self.now))
            case other:
                raise AssertionError(other)

    def perform(self, node: str, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(session, frame):
                    self._send(node, session, frame)
                case Broadcast(frame, but, _):
                    for session in list(self.sessions[node]):
                        if session != but and session in self.rooms[node].attendance.sessions:
                            self._send(node, session, frame)
                case Close(session, code):
                    gone = self.sessions[node].pop(session, None)
                    if gone is not None and gone.session == session:
                        gone.closed_with, gone.node = code, None
                        gone.do(gone.replica.closed(code))
                case Publish(event):
                    self.events.append((node, event))
                case CatchUp(position, clients):
                    caught = None if self.store_away else self.ledger.catch_up("p", position, clients)
                    self.perform(node, self.rooms[node].caught_up(caught, self.now))
                case Condemn(why):
                    self.condemned.append(why)
                case WantsSave():
                    pass

    def _send(self, node: str, session: int, frame: HubFrame) -> None:
        client = self.sessions[node].get(session)
        if client is not None and client.session == session and (client.node == node or isinstance(frame, Welcome)):
            client.receive(frame)

    # What the test does.

    def save(self, node: str = "A", verdict: Verdict | None = None) -> None:
        """Store everything that waits; or have the store answer something else, once."""
        room = self.rooms[node]
        while (batch := room.take(self.now)) is not None:
            answer = verdict if verdict is not None else self.ledger.commit(batch)
            self.perform(node, room.verdict(answer, self.now))
            if verdict is not None:
                return

    def tell(self, to: str, *kinds: str, lose: bool = False) -> list[dict[str, Any]]:
        """Let a node hear what the others published (of these kinds, or all), and forget it."""
        told = [(node, event) for node, event in self.events if node != to and (not kinds or event["e"] in kinds)]
        self.events = [pair for pair in self.events if pair not in told]
        for _, event in told:
            if not lose:
                self.perform(to, self.rooms[to].hear(event, self.now))
        return [event for _, event in told]

    def check_head(self, node: str) -> None:
        """The periodic check of heads."""
        room = self.rooms[node]
        self.perform(node, room.head_seen(self.ledger.heads(["p"])["p"], room.head.seq))

    def wait(self, seconds: float, *nodes: str) -> None:
        """Let time pass in these rooms (all), a quarter second at a time, and at their clients."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.25)
            for node in nodes or tuple(self.rooms):
                self.perform(node, self.rooms[node].tick(self.now))
            for node in list(self.sessions):
                for client in list(self.sessions[node].values()):
                    if client.node == node:
                        client.do(client.replica.tick(self.now))


def two(stage: Stage | None = None) -> tuple[Stage, Client, Client]:
    """Ann and Ben in one room with a saved scene."""
    stage = stage or Stage()
    ann, ben = stage.client("ann"), stage.client("ben")
    ann.edit(scene())
    stage.save()
    return stage, ann, ben
