"""Who somebody is: JSON Web Tokens (HS256) with user, name, colour and role, made and read in this one place (M3, M4).

Claims: `sub` the user's id, `name`, `colour` (#rrggbb), `role`, optionally `project` (a token for that project only),
`kind` (person, brain), and `exp`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import jwt
from pydantic import BaseModel, ConfigDict, ValidationError

from scenehub.protocol.attendance import Identity
from scenehub.protocol.edits import ActorKind, Role
from scenehub.protocol.scalars import Colour, Id, Name

ALGORITHM = "HS256"
COLOURS = ("#e5484d", "#f76b15", "#ffc53d", "#46a758", "#12a594", "#0090ff", "#6e56cf", "#d6409f")
"""Colours of members whose token names none."""


class Refused(Exception):
    """The token does not let its bearer in; the words say why and name no secret."""


class TokenExpired(Refused):
    """The token was good once."""


class _Claims(BaseModel):
    model_config = ConfigDict(extra="ignore")

    sub: Id
    name: Name = "Somebody"
    colour: Colour | None = None
    role: Role = Role.VIEWER
    kind: ActorKind = ActorKind.PERSON
    project: Id | None = None
    exp: int | None = None


class Access:
    """Makes and reads tokens with one secret. `clock` is UTC in seconds, `now` the hub's monotonic clock."""

    def __init__(self, secret: str, *, now: Callable[[], float], clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._now = now
        self._clock = clock

    def token(
        self, user: str, *, name: str, role: Role, colour: str | None = None, project: str | None = None, seconds: int
    ) -> str:
        """A token for a user that is good for `seconds`."""
        claims: dict[str, Any] = {
            "sub": user,
            "name": name,
            "colour": colour or colour_of(user),
            "role": role.value,
            "exp": int(self._clock()) + seconds,
        }
        if project is not None:
            claims["project"] = project
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def identity(self, token: str, project: str) -> Identity:
        """Who bears a token, for a project. Raises Refused or TokenExpired."""
        claims = self._claims(token)
        if claims.project is not None and claims.project != project:
            raise Refused("this token is for another project")
        expires = None if claims.exp is None else self._now() + (claims.exp - self._clock())
        colour = claims.colour or colour_of(claims.sub)
        return Identity(claims.sub, claims.name, colour, claims.role, _kind(claims.kind), expires)

    def _claims(self, token: str) -> _Claims:
        try:
            raw = jwt.decode(token, self._secret, algorithms=[ALGORITHM], options={"require": ["sub"]})
            return _Claims.model_validate(raw)
        except jwt.ExpiredSignatureError:
            raise TokenExpired("the token has expired: come back with a new one") from None
        except (jwt.InvalidTokenError, ValidationError, UnicodeError, ValueError):
            raise Refused("the token is not valid here: ask for a new one") from None


def _kind(kind: ActorKind) -> ActorKind:
    """A token may speak for a person or for the brain, never for the system."""
    return ActorKind.PERSON if kind is ActorKind.SYSTEM else kind


def colour_of(user: str) -> str:
    """A user's colour when nobody chose one: always the same."""
    return COLOURS[sha256(user.encode()).digest()[0] % len(COLOURS)]
