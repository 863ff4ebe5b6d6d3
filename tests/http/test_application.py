"""What a node answers over HTTP: health, projects and their making, guests only where they are allowed."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from scenehub.protocol.edits import Role
from scenehub.server.app import Misconfigured, Node, is_loopback, node
from scenehub.server.store.memory import MemoryStore
from tests.server.raw import running, settings_for, token_for

OPENER = build_opener(ProxyHandler({}))


async def ask(hub: Node, method: str, path: str, token: str | None = None, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = Request(hub.url + path, content, headers, method=method)

    def asked() -> tuple[int, str, Any]:
        try:
            with OPENER.open(request, timeout=10) as answer:
                return answer.status, answer.headers["content-type"], json.load(answer)
        except HTTPError as error:
            with error:
                return error.code, error.headers["content-type"], json.load(error)

    status, kind, answer = await asyncio.to_thread(asked)
    if status >= 400:
        assert kind == "application/problem+json"
        assert answer["status"] == status
    return status, answer


async def test_a_project_is_made_once() -> None:
    async with running() as hub:
        token = token_for(hub)
        wanted = {"id": "spring", "name": "Spring", "fps": 60}
        status, made = await ask(hub, "POST", "/v1/projects", token, wanted)
        assert (status, made) == (201, {"id": "spring", "name": "Spring", "fps": 60, "width": 1920, "height": 1080})
        status, problem = await ask(hub, "POST", "/v1/projects", token, {"id": "spring", "name": "Other"})
        assert (status, problem["title"]) == (409, "id_taken")
        _, listed = await ask(hub, "GET", "/v1/projects", token)
        assert {row["id"]: row["name"] for row in listed["projects"]} == {"film": "Film", "spring": "Spring"}


async def test_an_id_is_made_where_none_is_given() -> None:
    async with running() as hub:
        _, one = await ask(hub, "POST", "/v1/projects", token_for(hub), {"name": "A"})
        _, two = await ask(hub, "POST", "/v1/projects", token_for(hub), {"name": "A"})
        assert one["id"] != two["id"]


@pytest.mark.parametrize(
    ("role", "status"), [(Role.OWNER, 201), (Role.EDITOR, 201), (Role.COMMENTER, 403), (Role.VIEWER, 403)]
)
async def test_only_who_may_edit_makes_projects(role: Role, status: int) -> None:
    """M3: checked at every entry."""
    async with running() as hub:
        answered, _ = await ask(hub, "POST", "/v1/projects", token_for(hub, role=role), {"name": "A"})
        assert answered == status


async def test_a_token_is_needed_and_one_for_a_project_makes_no_other() -> None:
    """M3."""
    async with running() as hub:
        narrow = token_for(hub, project="film")
        for token in (None, "nonsense", narrow):
            assert (await ask(hub, "POST", "/v1/projects", token, {"id": "x", "name": "A"}))[0] == 401
        assert (await ask(hub, "GET", "/v1/projects", narrow))[0] == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[]", b"null", b"{}", {"name": ""}, {"name": "A", "id": "a/b"}, {"name": "A", "fps": 0},
     {"name": "A", "width": 1}, {"name": "A", "colour": "red"}, {"name": "A\x00"}, b" " * 5000],
)  # fmt: skip
async def test_a_bad_project_is_refused_by_name(body: Any) -> None:
    """F7: no bad body is more than a 422."""
    async with running() as hub:
        status, problem = await ask(hub, "POST", "/v1/projects", token_for(hub), body)
        assert (status, problem["title"]) == (422, "invalid")
        assert problem["detail"]


async def test_a_store_that_is_away_is_said() -> None:
    store = MemoryStore()
    async with running(store) as hub:
        store.away = True
        for method, body in (("GET", None), ("POST", {"name": "A"})):
            assert (await ask(hub, method, "/v1/projects", token_for(hub), body))[0] == 503


async def test_the_front_says_what_this_is_and_where_to_look() -> None:
    async with running() as hub:
        status, front = await ask(hub, "GET", "/")
        assert status == 200
        assert front["ways"]["socket"] == "/v1/projects/{id}/ws"
        assert (await ask(hub, "GET", front["ways"]["health"]))[1]["status"] == "ok"


async def test_guests_get_tokens_only_from_a_hub_that_may_give_them() -> None:
    """M3: a node in production knows no guests, and a guest's hub listens to this machine only."""
    async with running() as hub:
        status, guest = await ask(hub, "POST", "/v1/dev/token", body={"name": "Ada"})
        assert (status, guest["name"], guest["role"]) == (200, "Ada", "editor")
        assert (await ask(hub, "GET", "/v1/projects", guest["token"]))[0] == 200
        assert (await ask(hub, "POST", "/v1/dev/token", body={"role": "king"}))[0] == 422
    async with node(settings_for(), MemoryStore()) as production:
        assert (await ask(production, "POST", "/v1/dev/token", body=b""))[0] == 404
    with pytest.raises(Misconfigured, match="scenehub serve"):
        async with node(settings_for(host="0.0.0.0"), MemoryStore(), guests=True):
            pass


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("no.such.host.invalid", False), ("", False)],
)  # fmt: skip
def test_a_loopback_address_is_known_from_one_that_others_reach(host: str, own: bool) -> None:
    assert is_loopback(host) is own
