"""Relays as a replica holds them: others' unsaved edits, in order of arrival (S1, S4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from .document import SCENE, writes_of
from .edits import EditId, FieldKey
from .messages import Relay
from .ops import Op, SceneDelete

Keys = frozenset[FieldKey]


def keys_of(ops: Iterable[Op]) -> Keys:
    """The fields that ops write; a delete or a restore counts as its marker."""
    return frozenset(key for op in ops for key, _ in writes_of(op, "", 0))


class Relays:
    """Relays by edit id, found by field and by client without going through all of them."""

    def __init__(self) -> None:
        self._relays: dict[EditId, tuple[Relay, Keys]] = {}
        self._by_client: dict[str, dict[int, EditId]] = {}
        self._by_entity: dict[tuple[str, str], dict[EditId, None]] = {}

    def __iter__(self) -> Iterator[EditId]:
        return iter(self._relays)

    def __len__(self) -> int:
        return len(self._relays)

    def __contains__(self, id: object) -> bool:
        return id in self._relays

    def __getitem__(self, id: EditId) -> Relay:
        return self._relays[id][0]

    def get(self, id: EditId) -> Relay | None:
        """The relay of an edit."""
        held = self._relays.get(id)
        return None if held is None else held[0]

    def values(self) -> list[Relay]:
        """All of them, in order of arrival."""
        return [relay for relay, _ in self._relays.values()]

    def put(self, relay: Relay) -> Keys:
        """Hold a relay; returns the fields it writes."""
        id = relay.edit.id
        if id in self._relays:
            return self._relays[id][1]
        keys = keys_of(relay.edit.ops)
        self._relays[id] = (relay, keys)
        self._by_client.setdefault(id.client, {})[id.n] = id
        for key in keys:
            self._by_entity.setdefault((key.kind, key.id), {})[id] = None
        return keys

    def pop(self, id: EditId) -> Keys:
        """Drop a relay; returns the fields that it wrote."""
        held = self._relays.pop(id, None)
        if held is None:
            return frozenset()
        of_client = self._by_client[id.client]
        del of_client[id.n]
        if not of_client:
            del self._by_client[id.client]
        for entity in {(key.kind, key.id) for key in held[1]}:
            of_entity = self._by_entity[entity]
            of_entity.pop(id, None)
            if not of_entity:
                del self._by_entity[entity]
        return held[1]

    def passed(self, id: EditId) -> set[FieldKey]:
        """An edit has its outcome, and so has everything that its client made before; returns the fields."""
        keys: set[FieldKey] = set()
        for n, earlier in list(self._by_client.get(id.client, {}).items()):
            if n <= id.n:
                keys |= self.pop(earlier)
        return keys

    def replace(self, relays: Iterable[Relay]) -> None:
        """Hold these and no others (E3)."""
        self.clear()
        for relay in relays:
            self.put(relay)

    def clear(self) -> None:
        """Hold none."""
        self._relays.clear()
        self._by_client.clear()
        self._by_entity.clear()

    def on(self, ops: Collection[Op], keys: Keys) -> Iterator[tuple[EditId, Keys]]:
        """Relays that write one of the fields, or any field of a scene that the ops delete, with those fields."""
        deleted = {op.id for op in ops if isinstance(op, SceneDelete)}
        for entity in dict.fromkeys((key.kind, key.id) for key in keys):
            for id in self._by_entity.get(entity, ()):
                written = self._relays[id][1]
                if entity[0] == SCENE and entity[1] in deleted:
                    yield id, frozenset(key for key in written if key[:2] == entity)
                elif common := written & keys:
                    yield id, common
