"""Conversations between bare clients and a real node, written down frame by frame: the reference's transcripts.

They are tests and documentation at once: `test_reference.py` judges every frame by the schema, `transcripts.py` prints
them. Client ids are fixed and everybody waits for what is named, so that they read the same every time.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from scenehub.protocol.codec import Flavour, pack, unpack
from scenehub.protocol.edits import Role
from scenehub.server.app import Node
from tests.server.raw import PROJECT, Bare, Frame, bare, scene_add, scene_set, token_for


class Said(NamedTuple):
    """A frame that went one way, or the close of a connection."""

    who: str
    arrow: str
    frame: Frame | int


@dataclass(slots=True)
class Stage:
    """A node, how frames are written, and what was said so far."""

    node: Node
    flavour: Flavour
    said: list[Said] = field(default_factory=list)
    everything: list[tuple[str, Frame]] = field(default_factory=list)
    """Each frame, by who sent it (client or hub), passed over in the transcript or not."""

    @contextlib.asynccontextmanager
    async def line(self, who: str, project: str = PROJECT) -> AsyncIterator[Line]:
        """A connection of somebody."""
        async with bare(self.node, project, self.flavour) as connection:
            connection.client = f"{who}-tab-1"
            yield Line(self, who, connection)

    @contextlib.asynccontextmanager
    async def member(self, who: str, role: Role = Role.EDITOR, **more: Any) -> AsyncIterator[Line]:
        """Somebody who has joined, as all do: it is not written down in full."""
        async with self.line(who) as line:
            told = len(self.said)
            await line.joins(role, **more)
            self.said[told:] = [Said(who, "joins", {"role": role.value})]
            yield line


@dataclass(slots=True)
class Line:
    """Somebody's connection; what goes over it is written down."""

    stage: Stage
    who: str
    connection: Bare

    async def says(self, t: str, **more: Any) -> None:
        """Send a frame."""
        frame = {"t": t, **more}
        self.stage.said.append(Said(self.who, "→", frame))
        self.stage.everything.append(("client", unpack(pack(frame, self.stage.flavour), self.stage.flavour)))
        await self.connection.send(frame)

    async def hears(self, *kinds: str, where: Callable[[Frame], bool] | None = None) -> Frame:
        """Wait for frames of these kinds, one after the other, passing over others; the last one."""
        frame: Frame = {}
        for kind in kinds:
            known = len(self.connection.seen)
            frame = await self.connection.next(kind, where)
            self.stage.everything += [("hub", seen) for seen in self.connection.seen[known:]]
            self.stage.said.append(Said(self.who, "←", frame))
        return frame

    async def joins(self, role: Role = Role.EDITOR, **more: Any) -> None:
        """Say hello and hear the state."""
        token = token_for(self.stage.node, self.who, role)
        await self.says("hello", token=token, client=self.connection.client, **more)
        self.connection.epoch = (await self.hears("welcome"))["epoch"]
        await self.hears("state")

    async def edits(self, *ops: Frame, base: int = 0, n: int | None = None, **more: Any) -> None:
        """Send an edit under the next counter."""
        self.connection.counter = n or self.connection.counter + 1
        id = [self.connection.client, self.connection.counter]
        await self.says("edit", edit={"id": id, "epoch": self.connection.epoch, "base": base, "ops": list(ops), **more})

    async def is_closed(self) -> None:
        """Wait for the close."""
        self.stage.said.append(Said(self.who, "←", await self.connection.closed()))

    def is_cut(self) -> None:
        """The line breaks, without a close."""
        self.connection.socket.transport.abort()
        self.stage.said.append(Said(self.who, "✂", {}))


# The conversations.


async def joining(stage: Stage) -> None:
    """Join, edit, and say that you are alive."""
    async with stage.line("ada") as ada:
        await ada.joins(counter=0, attempt=1, minor=[0, 0], agent="a client of mine")
        await ada.edits(scene_add("opening", name="Opening", props={"word": "you"}))
        await ada.hears("commit")
        await ada.says("ping", nonce=1)
        await ada.hears("pong")


async def together(stage: Stage) -> None:
    """Two members: an edit is shown to the other before it is saved."""
    async with stage.member("ada", counter=1) as ada, stage.member("bob") as bob:
        await ada.hears("presence", where=lambda frame: "members" in frame)
        await ada.says("presence", presence={"scene": "opening", "field": "props.word", "selection": [0, 3]})
        await bob.hears("presence", where=lambda frame: "moved" in frame)
        await ada.edits(scene_set("opening", props={"word": "we"}), base=1, n=2)
        await bob.hears("relay", "commit")
        await ada.hears("commit")


async def conflicts(stage: Stage) -> None:
    """Two edits of one field, neither author having seen the other's: the later one wins, and both are told.

    The same again, guarded: it is rejected with what stands there.
    """
    async with stage.member("ada", counter=2) as ada, stage.member("bob") as bob:
        await ada.edits(scene_set("opening", duration=60), base=2, n=3)
        await ada.hears("commit")
        await bob.hears("relay", "commit")
        await bob.edits(scene_set("opening", duration=90), base=2)
        await bob.hears("commit")
        await ada.hears("relay", "commit")
        await ada.edits(scene_set("opening", duration=75), base=3, guarded=True)
        await ada.hears("reject")


async def refused(stage: Stage) -> None:
    """What is wrong with an edit is said once, by name; its counter is used. What is no edit is an error."""
    async with stage.member("cleo") as cleo:
        await cleo.edits(scene_set("opening", duration=0))
        await cleo.hears("reject")
        await cleo.edits(scene_set("ending", duration=30))
        await cleo.hears("reject")
        await cleo.edits(scene_set("opening", duration=30), n=9)
        await cleo.hears("error")
        await cleo.says("dance")
        await cleo.hears("error")
    async with stage.member("vic", role=Role.VIEWER) as vic:
        await vic.edits({"kind": "scene.delete", "id": "opening"})
        await vic.hears("reject")


async def resuming(stage: Stage) -> None:
    """A line is cut while an edit is under way: nobody knows whether it was saved.

    On resume `outcomes.counter` tells. An edit that is sent again all the same is not saved twice.
    """
    async with stage.member("dan") as dan:
        async with stage.member("eve") as eve:
            await eve.edits({"kind": "message.add", "id": "hi", "text": "saved?"}, base=4)
            await dan.hears("commit")
            eve.is_cut()
        await dan.hears("presence", where=lambda frame: "gone" in frame)
        await dan.edits(scene_set("opening", name="The opening"), base=5)
        await dan.hears("commit")
        async with stage.line("eve") as eve:
            await eve.joins(counter=1, attempt=2, position=[dan.connection.epoch, 4, ["bob-tab-1", 1]])
            await eve.edits({"kind": "message.add", "id": "hi", "text": "saved?"}, base=4)
            await eve.hears("state")


async def tokens(stage: Stage) -> None:
    """A newer token within the session, and closes that say whether to come back."""
    async with stage.member("fay") as fay:
        await fay.says("auth", token=token_for(stage.node, "fay", Role.OWNER))
        await fay.hears("role")
    async with stage.line("gus") as gus:
        await gus.says("hello", token="forged", client="gus-tab-1")
        await gus.is_closed()
    async with stage.line("gus", "nowhere") as gus:
        await gus.says("hello", token=token_for(stage.node, "gus"), client="gus-tab-1")
        await gus.is_closed()


async def deleting(stage: Stage) -> None:
    """A deleted scene refuses edits; restored, it comes back whole. A client that is unsure asks for the state."""
    async with stage.member("ada", counter=4) as ada, stage.member("hal") as hal:
        await ada.edits({"kind": "scene.delete", "id": "opening"}, base=6, n=5)
        await ada.hears("commit")
        await hal.hears("commit")
        await hal.edits(scene_set("opening", duration=30), base=6)
        await hal.hears("reject")
        await hal.edits({"kind": "scene.restore", "id": "opening"}, base=7)
        await hal.hears("commit")
        await ada.hears("commit")
        await ada.says("sync", position=[ada.connection.epoch, 7, ["ada-tab-1", 5]])
        await ada.hears("state")
        await ada.says("cancel", run="nothing-runs")
        await ada.hears("error")


async def stopping(stage: Stage) -> None:
    """A node is stopped: it says when to come back, and closes."""
    async with stage.member("ada", counter=5) as ada:
        await stage.node.hub.drain()
        await ada.hears("bye")
        await ada.is_closed()


CONVERSATIONS: tuple[Callable[[Stage], Awaitable[None]], ...] = (
    joining,
    together,
    conflicts,
    refused,
    resuming,
    tokens,
    deleting,
    stopping,
)
"""In order, on one project: each goes on from where the one before it left."""


async def conversed(node: Node, flavour: Flavour) -> dict[str, Stage]:
    """All conversations on one node, by name."""
    stages = {}
    for conversation in CONVERSATIONS:
        stages[conversation.__name__] = stage = Stage(node, flavour)
        await conversation(stage)
    return stages
