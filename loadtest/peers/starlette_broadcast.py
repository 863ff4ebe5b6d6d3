"""The baseline: a broadcast server as a starlette tutorial would write it, on uvicorn's defaults (and uvloop).

python starlette_broadcast.py --port 8788
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

rooms: dict[str, set[WebSocket]] = defaultdict(set)


async def project(websocket: WebSocket) -> None:
    members = rooms[websocket.path_params["project_id"]]
    await websocket.accept(subprotocol="scenehub.v1.msgpack")
    members.add(websocket)
    try:
        while True:
            message = await websocket.receive_bytes()
            for member in list(members):
                await member.send_bytes(message)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        members.discard(websocket)


app = Starlette(routes=[WebSocketRoute("/v1/projects/{project_id}/ws", project)])

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8788)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port, loop="uvloop", log_level="warning")
