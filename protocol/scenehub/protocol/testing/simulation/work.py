"""The work of a simulated member: edits of every kind, sound and unsound, on few fields and on many."""

from __future__ import annotations

from itertools import count
from random import Random

from scenehub.protocol.document import Scene
from scenehub.protocol.edits import EditId, FieldKey, Role
from scenehub.protocol.ops import (
    ComponentSet,
    MemorySet,
    MessageAdd,
    Op,
    ProjectFields,
    ProjectSet,
    SceneAdd,
    SceneDelete,
    SceneFields,
    SceneMove,
    SceneRestore,
    SceneSet,
)
from scenehub.protocol.presence import Presence

from .climate import Climate
from .member import Member
from .oracle import Oracle

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TAKEN = "taken"
"""A scene id that belongs to another project: no store can store it here."""


class Work:
    """What one member does next."""

    def __init__(self, member: Member, chance: Random, climate: Climate, oracle: Oracle) -> None:
        self.member = member
        self._chance = chance
        self._climate = climate
        self._oracle = oracle
        self._numbers = count(1)
        self._own: list[EditId] = []

    def once(self) -> None:
        """Do one thing."""
        member, chance = self.member, self._chance
        if not member.running:
            return
        if chance.random() < 0.15:
            member.do(member.replica.presence(Presence(playhead=chance.randrange(1000)), member.now))
        scenes = member.replica.view.scenes
        dice = chance.random()
        if scenes and dice < self._climate.code:
            self._code(chance.choice(scenes))
        elif chance.random() < 0.12:
            self._unsound(scenes)
        elif chance.random() < 0.1 and self._own and scenes:
            id = self._edit(self._plain(scenes), undoes=chance.choice(self._own))
            del id
        else:
            self._edit(self._plain(scenes), guarded=chance.random() < 0.15)

    def _edit(self, ops: list[Op], **more: object) -> EditId | None:
        def note(id: EditId) -> None:
            if self._chance.random() < 0.04:
                self.member.old.add(id)

        id = self.member.edit(ops, note, **more)
        if id is not None:
            self._own = [*self._own[-5:], id]
        return id

    def _token(self) -> str:
        return f"{self.member.name}{next(self._numbers)}"

    def _plain(self, scenes: list[Scene]) -> list[Op]:
        chance = self._chance
        ops = [self._op(scenes)]
        if chance.random() < 0.15:
            ops.append(self._op(scenes))
        return ops

    def _op(self, scenes: list[Scene]) -> Op:
        chance = self._chance
        if len(scenes) < self._climate.scenes:
            return self._add()
        match chance.randrange(14):
            case 0:
                return self._add()
            case 1 if scenes:
                return SceneDelete(id=chance.choice(scenes).id)
            case 2:
                gone = self.member.replica.view.deleted_scenes
                return SceneRestore(id=chance.choice(gone)) if gone else self._add()
            case 3 if scenes:
                return SceneMove(id=chance.choice(scenes).id, position=self._position())
            case 4:
                return MessageAdd(id=f"m-{self._token()}", text=self._token())
            case 5:
                return MemorySet(key=chance.choice("xyz"), value=chance.choice((None, self._token())))
            case 6:
                return ProjectSet(set=ProjectFields(name=self._token()))
            case _ if scenes:
                return SceneSet(id=chance.choice(scenes).id, set=self._fields())
            case _:
                return self._add()

    def _fields(self) -> SceneFields:
        match self._chance.randrange(3):
            case 0:
                return SceneFields(name=self._token())
            case 1:
                return SceneFields(duration=self._chance.randrange(1, 4))
            case _:
                return SceneFields(props={self._chance.choice("ab"): self._chance.choice((None, 1, [self._token()]))})

    def _position(self) -> str:
        if self._chance.random() < 0.03:
            return "a" + "V" * 101 + self._chance.choice(DIGITS[1:])
        return "a" + "".join(self._chance.choice(DIGITS[1:]) for _ in range(self._chance.choice((1, 1, 3))))

    def _add(self) -> Op:
        token = self._token()
        lines = [f"{token}-{line}" for line in range(4)]
        self._oracle.wrote_tokens(lines)
        return SceneAdd(id=f"s-{token}", position=self._position(), name=token, duration=30, tsx_code="\n".join(lines))

    def _code(self, scene: Scene) -> None:
        chance = self._chance
        text = self.member.replica.view.value(FieldKey("scene", scene.id, "tsx_code")) or ""
        lines = text.split("\n") if text else []
        token = self._token()
        removed: list[str] = []
        line = chance.randrange(len(lines)) if lines else 0
        match chance.randrange(3):
            case 0 if lines:
                removed.append(lines[line])
                lines[line] = token
            case 1 if len(lines) > 3:
                removed.append(lines.pop(line))
                token = ""
            case _:
                lines.insert(line, token)
        ops: list[Op] = [SceneSet(id=scene.id, set=SceneFields(tsx_code="\n".join(lines)))]

        def note(id: EditId) -> None:
            self._oracle.code_edit(self.member, id, token, removed)

        self.member.edit(ops, note)

    def _unsound(self, scenes: list[Scene]) -> None:
        chance = self._chance
        match chance.randrange(6):
            case 0:
                self._edit([SceneSet(id="nowhere", set=SceneFields(name="x"))])
            case 1 if scenes:
                scene = chance.choice(scenes)
                self._edit([SceneAdd(id=scene.id, position="a1", name="again", duration=1)])
            case 2:
                if self.member.role is not Role.VIEWER:
                    self._edit([ComponentSet(id="nowhere", component="x")])
            case 3 if scenes:
                gone = self.member.replica.view.deleted_scenes or [scenes[0].id]
                self._edit([SceneSet(id=chance.choice(gone), set=SceneFields(name=self._token()))])
            case 4:
                self.member.edit([ProjectSet(set=ProjectFields(name="z"))], self.member.garbled.add)
            case _:
                if chance.random() < self._climate.poison * 10:
                    self._edit([SceneAdd(id=TAKEN, position="a1", name="taken", duration=1)])


__all__ = ["TAKEN", "Work"]
