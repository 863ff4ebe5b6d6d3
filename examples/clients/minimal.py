"""A client of Scenehub on bare `websockets`, without our library; docs/howto/write-a-client.md explains it.

python minimal.py ws://127.0.0.1:8787/v1/projects/PROJECT/ws TOKEN [EDITS] adds a scene and counts in one of its
properties. It comes back by itself when the line is cut. Frames go to standard error.

It takes what has changed from `state` alone, which it asks for once a second at most; minimal.mjs applies each edit.
"""

import json
import random
import secrets
import sys
import time

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

AGAIN = ("counter_gap", "too_many_in_flight", "rate_limited", "store_away", "read_only")


class Client:
    def __init__(self, url, token):
        self.url, self.token, self.id = url, token, secrets.token_urlsafe(16)
        self.counter, self.attempt, self.pause, self.position = 0, 0, 0.1, None
        self.cells, self.pending = {}, []

    def edit(self, *ops):
        self.counter += 1
        epoch, base, _ = self.position or ("none", 0, None)
        self.pending.append({"id": [self.id, self.counter], "epoch": epoch, "base": base, "ops": ops})

    def run(self, until):
        while True:
            try:
                with connect(self.url, subprotocols=["scenehub.v1.json"], max_size=2**24) as self.socket:
                    return self.talk(until)
            except (OSError, EOFError, WebSocketException) as error:
                code = error.rcvd.code if isinstance(error, ConnectionClosed) and error.rcvd else 1006
                print(f"✂ {code}", file=sys.stderr)
                if 4000 <= code < 4200 or code == 4301:
                    raise SystemExit(f"the hub does not want this client back: {code}") from None
                self.position = None if 4300 <= code < 4400 else self.position
            time.sleep(self.pause * random.uniform(0.5, 1))
            self.pause = min(2 * self.pause, 10)

    def talk(self, until):
        self.attempt, self.sent, self.joined, self.stale = self.attempt + 1, 0, False, False
        self.asked = time.monotonic()
        hello = {"client": self.id, "counter": self.counter, "attempt": self.attempt, "position": self.position}
        self.say("hello", token=self.token, **hello)
        while not (until() and self.joined and not self.stale):
            for edit in self.pending[: self.limits["in_flight"]] if self.joined else []:
                if edit["id"][1] > self.sent:
                    self.say("edit", edit=edit)
                    self.sent = edit["id"][1]
            if self.stale and time.monotonic() > self.asked + 1:
                self.asked = time.monotonic()
                self.say("sync", position=self.position)
            try:
                frame = json.loads(self.socket.recv(timeout=1 if self.stale else 8))
            except TimeoutError:
                self.say("ping")  # a hub that is gone fails the library's own pings
                continue
            print("←", json.dumps(frame), file=sys.stderr)
            self.hear(frame)

    def say(self, t, **more):
        print("→", json.dumps({"t": t, **more} | ({"token": "…"} if "token" in more else {})), file=sys.stderr)
        self.socket.send(json.dumps({"t": t, **more}))

    def hear(self, frame):
        match frame["t"]:
            case "welcome":
                self.limits = frame["limits"]
            case "state":
                self.replace(frame)
            case "commit":
                self.settle([row["id"] for row in frame["edits"]])
                self.stale = True
            case "reject":
                self.settle([frame["id"]])
            case "unsaved" if not frame.get("held") and any(id[0] == self.id for id in frame.get("ids", [])):
                raise ConnectionError("handed back")  # the next hello tells what is to be sent again
            case "error" if frame["code"] in AGAIN:
                raise ConnectionError(frame["words"])
            case "error":
                raise SystemExit(frame["words"])
            case "bye":
                self.pause = frame.get("retry_ms", 100) / 1000

    def settle(self, ids):
        self.pending = [edit for edit in self.pending if edit["id"] not in ids]

    def replace(self, frame):
        self.parts = [*self.parts, frame] if frame["part"] else [frame]
        if len(self.parts) < frame["parts"]:
            return
        if frame["reason"] == "snapshot":
            self.cells = {}
        elif frame["since"] > self.position[1]:
            self.stale = True  # it builds upon what this client has not got: ask again, from its own position
            return
        for kind, id, cells in (row for part in self.parts for row in part["entities"]):
            if cells.get("deleted", [False])[0]:
                self.cells[kind, id] = {}
            self.cells.setdefault((kind, id), {}).update({field: cell[0] for field, cell in cells.items()})
        self.position, self.joined, self.stale, self.pause = frame["position"], True, False, 0.1
        done = frame["outcomes"]["counter"] if frame.get("outcomes") else 0
        self.settle([edit["id"] for edit in self.pending if edit["id"][1] <= done])


def main(url, token, edits="10"):
    client, scene, numbers = Client(url, token), secrets.token_urlsafe(12), iter(range(1, int(edits)))

    def counted():
        if not client.pending and (number := next(numbers, None)) is not None:
            client.edit({"kind": "scene.set", "id": scene, "set": {"props": {"count": number}}})
        return not client.pending

    client.edit({"kind": "scene.add", "id": scene, "position": "a0", "name": "Counting", "duration": 30})
    client.run(until=counted)
    print(json.dumps({"client": client.id, "connections": client.attempt, "scene": client.cells["scene", scene]}))


main(*sys.argv[1:])
