"""The ASGI application: the socket's endpoint, health, the list of projects, and in `dev` tokens for guests."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from scenehub.protocol.edits import Role
from scenehub.protocol.ops import Rate, Side
from scenehub.protocol.scalars import Id, Name
from scenehub.server.hub import Hub
from scenehub.server.hub.access import COLOURS, Refused
from scenehub.server.store.port import StoreAway
from scenehub.server.transport.endpoint import socket_route

GUEST_SECONDS = 12 * 3600
MOST_BYTES = 4096
NAMES = ("Ada", "Grace", "Lin", "Noor", "Mira", "Tomas", "Yuki", "Ines", "Kofi", "Sol", "Rafa", "Wren")

Endpoint = Callable[[Request], Awaitable[Response]]


class _Guest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    role: Role = Role.EDITOR


class _NewProject(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: Id | None = None
    name: Name
    fps: Rate = 30
    width: Side = 1920
    height: Side = 1080


def application(hub: Hub, *, guests: bool = False) -> Starlette:
    """The application around a hub. `guests` hands out tokens to anyone who asks: for `dev` on this machine only."""
    routes: list[BaseRoute] = [
        socket_route(hub.attach, outbox_bytes=hub.options.limits.outbox_bytes),
        Route("/", _front(hub, guests=guests)),
        Route("/healthz", _health(hub)),
        Route("/v1/projects", _projects(hub), methods=["GET"]),
        Route("/v1/projects", _create(hub), methods=["POST"]),
    ]
    if guests:
        routes.append(Route("/v1/dev/token", _guest_token(hub), methods=["POST"]))
    return Starlette(routes=routes, exception_handlers={HTTPException: _not_served})


async def _not_served(_: Request, error: Exception) -> Response:
    """What starlette refuses by itself: no such path, no such method."""
    assert isinstance(error, HTTPException)
    words = {404: "there is nothing at this address: `/` says what there is", 405: "not with this method"}
    answer = _problem(
        error.status_code, error.detail.lower().replace(" ", "_"), words.get(error.status_code, error.detail)
    )
    answer.headers.update(error.headers or {})
    return answer


def _front(hub: Hub, *, guests: bool) -> Endpoint:
    ways = {
        "health": "/healthz",
        "projects": "/v1/projects",
        "socket": "/v1/projects/{id}/ws",
        **({"guest_token": "/v1/dev/token"} if guests else {}),
    }
    words = "This is a Scenehub hub. Look in with `scenehub watch PROJECT`, or join with the Python client."

    async def front(_: Request) -> Response:
        return JSONResponse({"scenehub": words, "node": hub.options.node, "ways": ways})

    return front


def _health(hub: Hub) -> Endpoint:
    async def health(_: Request) -> Response:
        return JSONResponse({"status": "draining" if hub.draining else "ok", "node": hub.options.node})

    return health


def _projects(hub: Hub) -> Endpoint:
    async def projects(request: Request) -> Response:
        try:
            hub.access.identity(_bearer(request), "")
            rows = await hub.store.projects()
        except Refused as refused:
            return _problem(401, "unauthenticated", str(refused))
        except StoreAway:
            return _problem(503, "store_away", "the database cannot be reached: try again")
        return JSONResponse({"projects": [row._asdict() for row in rows]})

    return projects


def _create(hub: Hub) -> Endpoint:
    async def create(request: Request) -> Response:
        try:
            token = _bearer(request)
            wanted = _NewProject.model_validate_json(await _body(request))
            id = wanted.id or secrets.token_urlsafe(12)
            identity = hub.access.identity(token, id)
            if identity.role not in (Role.OWNER, Role.EDITOR):
                return _problem(
                    403, "forbidden", f"a {identity.role.value} may not make projects: ask for another role"
                )
            made = await hub.store.create(
                id, name=wanted.name, fps=wanted.fps, width=wanted.width, height=wanted.height
            )
        except Refused as refused:
            return _problem(401, "unauthenticated", str(refused))
        except ValidationError as error:
            return _problem(422, "invalid", _blamed(error))
        except StoreAway:
            return _problem(503, "store_away", "the database cannot be reached: try again")
        if not made:
            return _problem(409, "id_taken", f"there is a project {id} already: give another id, or join that one")
        shown = {"id": id, **wanted.model_dump(exclude={"id"})}
        return JSONResponse(shown, status_code=201, headers={"location": f"/v1/projects/{id}"})

    return create


async def _body(request: Request) -> bytes:
    """The body, as far as it is allowed to be; a longer one is no JSON when it is cut."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            return b"\xff"
    return body


def _blamed(error: ValidationError) -> str:
    """What is wrong with a body, by field."""
    told: dict[str, str] = {}
    for row in error.errors(include_url=False, include_input=False):
        place = ".".join(str(step) for step in row["loc"] if "." not in str(step))
        told.setdefault(place or "body", row["msg"])
    return "; ".join(f"{place}: {words}" for place, words in list(told.items())[:5])


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused("send a token as `Authorization: Bearer …`")
    return token


def _guest_token(hub: Hub) -> Endpoint:
    # Steps of five through eight colours: guests who come one after another look different.
    colours = itertools.cycle([COLOURS[index * 5 % len(COLOURS)] for index in range(len(COLOURS))])

    async def token(request: Request) -> Response:
        body = await _body(request)
        try:
            guest = _Guest.model_validate_json(body) if body else _Guest()
        except ValidationError:
            return _problem(422, "invalid", "send nothing, or {name?, role?} as JSON")
        user = f"guest-{secrets.token_hex(4)}"
        name = guest.name or f"{secrets.choice(NAMES)} (guest)"
        colour = next(colours)
        made = hub.access.token(user, name=name, role=guest.role, colour=colour, seconds=GUEST_SECONDS)
        shown = {"token": made, "user": user, "name": name, "role": guest.role.value, "colour": colour}
        return JSONResponse(shown, headers={"cache-control": "no-store"})

    return token


def _problem(status: int, code: str, words: str) -> Response:
    """An error as problem details (RFC 9457)."""
    body = {"type": "about:blank", "status": status, "title": code, "detail": words}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
