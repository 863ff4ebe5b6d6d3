"""Attendance: who is in a room, here and on other nodes, and where they are (M1, M3, M4, M5).

Presence is coalesced: the latest of each member goes out once per interval, in one frame for all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from .edits import Actor, ActorKind, Role
from .limits import GONE_AFTER, IDLE_AFTER, PRESENCE_INTERVAL, Limits, TokenBucket
from .presence import Member, Presence


class Identity(NamedTuple):
    """Who a token says somebody is; `expires` in seconds of the hub's clock, None for never."""

    user: str
    name: str
    colour: str
    role: Role
    kind: ActorKind = ActorKind.PERSON
    expires: float | None = None


@dataclass(slots=True, eq=False)
class Session:
    """One connection of a client; times in seconds."""

    id: int
    client: str
    generation: int
    identity: Identity
    heard: float
    edits: TokenBucket
    moves: TokenBucket
    syncs: TokenBucket
    joined: bool = False
    """False while it waits for the room to reach the state that the store showed it."""
    read_only: bool = False
    idle: bool = False
    presence: Presence | None = None
    lagging_since: float | None = None
    lag_seq: int = 0
    actor: Actor = field(init=False)
    """The actor of what this session does."""
    told_from: int = 0
    """The store's head when it was admitted: conflicts up to there were told with the welcome."""

    @classmethod
    def begin(cls, id: int, client: str, generation: int, identity: Identity, limits: Limits, now: float) -> Session:
        """A session that has just said hello."""
        return cls(
            id,
            client,
            generation,
            identity,
            now,
            TokenBucket.full(limits.edits_per_second, limits.edit_burst, now),
            TokenBucket.full(limits.presence_per_second, limits.presence_per_second, now),
            TokenBucket.full(1.0, 10.0, now),
        )

    def __post_init__(self) -> None:
        self.become(self.identity)

    def become(self, identity: Identity) -> None:
        """Take the identity of a newer token."""
        self.identity = identity
        self.actor = Actor(user=identity.user, kind=identity.kind)

    def token_ms(self, now: float) -> int | None:
        """Time left on the token in milliseconds; None when it does not expire."""
        expires = self.identity.expires
        return None if expires is None else max(0, int((expires - now) * 1000))

    @property
    def member(self) -> Member:
        """This session as the others see it."""
        who = self.identity
        return Member(
            client=self.client,
            user=who.user,
            name=who.name,
            colour=who.colour,
            role=who.role,
            kind=who.kind,
            idle=self.idle,
            presence=self.presence,
        )


class Remote(NamedTuple):
    """A member on another node."""

    node: str
    generation: int
    member: Member


@dataclass(slots=True)
class Attendance:
    """The members of a project as one node knows them."""

    sessions: dict[int, Session] = field(default_factory=dict)
    clients: dict[str, Session] = field(default_factory=dict)
    """The living session of each local client."""
    remote: dict[str, Remote] = field(default_factory=dict)
    moved: dict[str, Presence] = field(default_factory=dict)
    """Presence not sent on yet, from here and from other nodes; `own` says which are from here."""
    own: set[str] = field(default_factory=set)
    flush_at: float | None = None

    def enter(self, session: Session) -> None:
        """A session begins."""
        self.sessions[session.id] = session
        self.clients[session.client] = session
        ghost = self.remote.get(session.client)
        if ghost is not None and ghost.generation < session.generation:
            del self.remote[session.client]

    def leave(self, session_id: int) -> Session | None:
        """A session ends; None if it had ended before (M5)."""
        session = self.sessions.pop(session_id, None)
        if session is not None and self.clients.get(session.client) is session:
            del self.clients[session.client]
            self.moved.pop(session.client, None)
            self.own.discard(session.client)
        return session

    def members(self) -> list[Member]:
        """Everybody, local sessions before remote ghosts of the same client."""
        local = [session.member for session in self.clients.values() if session.joined]
        return local + [remote.member for client, remote in self.remote.items() if client not in self.clients]

    def move(self, client: str, presence: Presence, now: float, *, own: bool) -> None:
        """Note where a member is; the flush tells."""
        self.moved[client] = presence
        if own:
            self.own.add(client)
        if self.flush_at is None:
            self.flush_at = now + PRESENCE_INTERVAL

    def take_moves(self) -> tuple[dict[str, Presence], dict[str, Presence]]:
        """What is to be told here, and which of it also to the other nodes."""
        moved, own = self.moved, {client: self.moved[client] for client in self.own if client in self.moved}
        self.moved, self.own, self.flush_at = {}, set(), None
        return moved, own

    def remote_news(self, node: str, generation: int, member: Member) -> bool:
        """A member on another node came or changed; false when that is no news here."""
        known = self.remote.get(member.client)
        here = self.clients.get(member.client)
        if max(known.generation if known else 0, here.generation if here else 0) > generation:
            return False
        self.remote[member.client] = Remote(node, generation, member)
        return member.client not in self.clients and (known is None or known.member != member)

    def remote_gone(self, node: str, clients: Iterable[str]) -> list[str]:
        """Members of another node left; returns those who are not here by another way."""
        gone = [client for client in clients if client in self.remote and self.remote[client].node == node]
        for client in gone:
            del self.remote[client]
        return [client for client in gone if client not in self.clients]

    def unknown(self, clients: Iterable[str]) -> bool:
        """Whether one of these members of another node is not known here."""
        return any(client not in self.remote and client not in self.clients for client in clients)

    def of_node(self, node: str) -> list[str]:
        """The clients whose latest sign came from a node."""
        return [client for client, remote in self.remote.items() if remote.node == node]

    def silent(self, now: float) -> tuple[list[Session], list[Session]]:
        """Sessions that have just become idle, and those that are silent for too long."""
        idle: list[Session] = []
        gone: list[Session] = []
        for session in self.sessions.values():
            silence = now - session.heard
            if silence >= GONE_AFTER:
                gone.append(session)
            elif silence >= IDLE_AFTER and not session.idle:
                session.idle = True
                idle.append(session)
        return idle, gone
