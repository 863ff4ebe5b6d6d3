"""Connecting: which hub a command talks to, as whom, and the few things it asks over HTTP."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import typer

from scenehub.client import Project, Refused, connect, guest_token
from scenehub.client.address import address, http_url
from scenehub.client.project import OnEvent
from scenehub.protocol.closing import Close

from .terminal import Failed

DEFAULT_URL = "http://127.0.0.1:8787"
PATIENCE = 10.0
"""Seconds that the hub has to answer."""

UrlOption = Annotated[
    str, typer.Option("--url", envvar="SCENEHUB_URL", help="Where the hub is.", rich_help_panel="The hub")
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="SCENEHUB_TOKEN",
        help="Who you are (see `scenehub token`); without one, a guest of a `dev` hub.",
        rich_help_panel="The hub",
        show_default=False,
    ),
]
ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's id, such as launch-video.")]


@dataclass(frozen=True, slots=True)
class Way:
    """A hub, and who comes."""

    url: str
    token: str | None

    def bearer(self) -> str:
        """The token; a guest's when there is none. Raises ClientError."""
        return self.token or guest_token(self.url, name=_user_name())

    @asynccontextmanager
    async def joined(self, project: str, *, on_event: OnEvent | None = None) -> AsyncIterator[Project]:
        """Be a member of a project. Raises Failed for an address that is none, ClientError."""
        self.checked(project)
        # One guest for the whole stay: another token would be another user, whom the client's id does not belong to.
        token = await asyncio.to_thread(self.bearer)
        try:
            async with connect(self.url, token, project=project, on_event=on_event) as joined:
                yield joined
        except Refused as refused:
            raise Failed(self._why(refused, project)) from None

    def _why(self, refused: Refused, project: str) -> str:
        if refused.code == Close.PROJECT_NOT_FOUND:
            return f"there is no project {project} at {self.url}: `scenehub projects` lists those that are"
        if refused.code in (Close.TOKEN_INVALID, Close.TOKEN_EXPIRED):
            words = refused.words.partition(": give connect()")[0]
            return f"the hub does not take this token ({words}): give another one with --token or SCENEHUB_TOKEN"
        return str(refused)

    def checked(self, project: str) -> None:
        """Raises Failed when the address or the project's id can be none."""
        try:
            address(self.url, project)
        except ValueError as error:
            raise Failed(str(error)) from None

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask over HTTP: status and JSON. Raises Failed when no hub answers."""
        try:
            target = http_url(self.url, path)
        except ValueError as error:
            raise Failed(str(error)) from None
        headers = {"Authorization": f"Bearer {self.bearer()}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = Request(target, content, headers, method=method)  # noqa: S310 - http_url lets only http pass
        opener = build_opener(ProxyHandler({})) if address(self.url, "any").is_local else build_opener()
        try:
            with opener.open(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            with error:
                return error.code, _json(error.read())
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", error)
            raise Failed(f"no hub answers at {self.url} ({why}): is `scenehub dev` running, is --url right?") from None


def words_of(status: int, answer: Any) -> str:
    """What a hub said about a request that it refused."""
    detail = answer.get("detail") if isinstance(answer, dict) else None
    return str(detail or f"it answered with status {status}")


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return {}


def _user_name() -> str | None:
    try:
        return getpass.getuser()[:200] or None
    except (OSError, KeyError):
        return None
