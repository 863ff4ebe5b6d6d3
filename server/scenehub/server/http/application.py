"""The ASGI application: the socket's endpoint, health, the list of projects, and in `dev` tokens for guests."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from scenehub.protocol.edits import Role
from scenehub.protocol.scalars import Name
from scenehub.server.hub import Hub
from scenehub.server.hub.access import Refused, colour_of
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


def application(hub: Hub, *, guests: bool = False) -> Starlette:
    """The application around a hub. `guests` hands out tokens to anyone who asks: for `dev` on this machine only."""
    routes: list[BaseRoute] = [
        socket_route(hub.attach, outbox_bytes=hub.options.limits.outbox_bytes),
        Route("/healthz", _health(hub)),
        Route("/v1/projects", _projects(hub)),
    ]
    if guests:
        routes.append(Route("/v1/dev/token", _guest_token(hub), methods=["POST"]))
    return Starlette(routes=routes)


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


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused("send a token as `Authorization: Bearer …`")
    return token


def _guest_token(hub: Hub) -> Endpoint:
    async def token(request: Request) -> Response:
        body = await request.body()
        try:
            if len(body) > MOST_BYTES:
                raise ValueError
            guest = _Guest.model_validate_json(body) if body else _Guest()
        except (ValidationError, ValueError):
            return _problem(422, "invalid", "send nothing, or {name?, role?} as JSON")
        user = f"guest-{secrets.token_hex(4)}"
        name = guest.name or f"{secrets.choice(NAMES)} (guest)"
        made = hub.access.token(user, name=name, role=guest.role, seconds=GUEST_SECONDS)
        shown = {"token": made, "user": user, "name": name, "role": guest.role.value, "colour": colour_of(user)}
        return JSONResponse(shown, headers={"cache-control": "no-store"})

    return token


def _problem(status: int, code: str, words: str) -> Response:
    """An error as problem details (RFC 9457)."""
    body = {"type": "about:blank", "status": status, "title": code, "detail": words}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
