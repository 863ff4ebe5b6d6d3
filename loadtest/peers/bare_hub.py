"""The transport's ceiling: the hub's frames over the real transport, with no rules, no validation and no store.

Every edit is relayed to the other members as it came and committed to everyone at the end of the loop's turn.

    python bare_hub.py --port 8789 [--adapter plain]
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import msgpack
from starlette.applications import Starlette

from scenehub.protocol.limits import Limits
from scenehub.server.transport.endpoint import socket_route
from scenehub.server.transport.port import Peer
from scenehub.server.transport.server import listening_socket, run, serve, stop_signal

ACTOR = {"user": "somebody", "kind": "person"}


class Room:
    """The members of a project, and what it has committed in this turn."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.seq = 0
        self.rows: list[dict[str, Any]] = []

    def edit(self, author: Member, edit: dict[str, Any]) -> None:
        frame = author.peer.framed(msgpack.packb({"t": "relay", "edit": edit, "actor": ACTOR}))
        for member in self.members:
            if member is not author:
                member.peer.send(frame)
        if not self.rows:
            asyncio.get_running_loop().call_soon(self.commit)
        self.rows.append({"id": edit["id"], "at": 0})

    def commit(self) -> None:
        rows, self.rows = self.rows, []
        packed = msgpack.packb({"t": "commit", "seq": self.seq + 1, "edits": rows})
        self.seq += len(rows)
        frame = self.members[0].peer.framed(packed) if self.members else b""
        for member in self.members:
            member.peer.send(frame)


class Member:
    """One connection."""

    def __init__(self, peer: Peer, room: Room) -> None:
        self.peer = peer
        self.room = room

    def received(self, payload: bytes | str) -> None:
        frame = msgpack.unpackb(payload)
        match frame["t"]:
            case "edit":
                self.room.edit(self, frame["edit"])
            case "hello":
                self.room.members.append(self)
                self.say({"t": "welcome", "session": 1, "limits": Limits().model_dump()})
                position = ["epoch", self.room.seq, None]
                self.say({"t": "state", "reason": "snapshot", "part": 0, "parts": 1, "position": position})
            case "ping":
                self.say({"t": "pong"})
            case _:
                pass

    def say(self, frame: dict[str, Any]) -> None:
        self.peer.send(self.peer.framed(msgpack.packb(frame)))

    def alive(self) -> None:
        """Nobody is asked here."""

    def lagging(self) -> None:
        """What is sent to it is lost; a real hub sends it one delta when it has drained."""

    def drained(self) -> None:
        self.say({"t": "state", "reason": "delta", "part": 0, "parts": 1, "position": ["epoch", self.room.seq, None]})

    def closed(self) -> None:
        if self in self.room.members:
            self.room.members.remove(self)


async def main(port: int, adapter: str) -> None:
    rooms: dict[str, Room] = {}
    app = Starlette(routes=[socket_route(lambda peer, project_id: Member(peer, rooms.setdefault(project_id, Room())))])
    options: dict[str, Any] = {"ws": "websockets-sansio"} if adapter == "plain" else {}
    with stop_signal() as stop:
        async with serve(app, listening_socket("127.0.0.1", port), **options):
            await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8789)
    parser.add_argument("--adapter", choices=["fast", "plain"], default="fast")
    chosen = parser.parse_args()
    run(lambda: main(chosen.port, chosen.adapter))
