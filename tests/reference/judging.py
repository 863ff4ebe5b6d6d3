"""A judge of plain values by the JSON Schema of the reference: as much of draft 2020-12 as that schema uses.

It refuses words that it does not know, so that nothing in the schema is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
SILENT = {"$schema", "$defs", "title", "description", "default"}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
BOUNDS = {
    "maximum": lambda value, bound: value <= bound,
    "minimum": lambda value, bound: value >= bound,
    "maxLength": lambda value, bound: len(value) <= bound,
    "minLength": lambda value, bound: len(value) >= bound,
    "maxItems": lambda value, bound: len(value) <= bound,
    "minItems": lambda value, bound: len(value) >= bound,
    "minProperties": lambda value, bound: len(value) >= bound,
    "pattern": lambda value, bound: re.search(re.sub(r"\$$", r"\\Z", bound), value) is not None,
    "const": lambda value, bound: value == bound,
    "enum": lambda value, bound: value in bound,
    "required": lambda value, bound: set(bound) <= value.keys(),
}


class Judge:
    """Says what is wrong with a value: a path and words for each thing, nothing if it is as a definition says."""

    def __init__(self, schema: Schema) -> None:
        self._definitions: Schema = schema["$defs"]

    def faults(self, value: object, definition: str) -> list[str]:
        """What is wrong with a value that should be one of a definition."""
        return list(self._wrong(value, {"$ref": f"#/$defs/{definition}"}, definition))

    def _wrong(self, value: Any, schema: Schema | bool, path: str) -> Iterator[str]:
        if isinstance(schema, bool):
            if not schema:
                yield f"{path}: not allowed"
            return
        if "type" in schema and not _is(value, schema["type"]):
            yield f"{path}: {value!r} is no {schema['type']}"
            return
        for word, rule in schema.items():
            if word in BOUNDS:
                if not BOUNDS[word](value, rule):
                    yield f"{path}: {value!r} is not within {word} {rule!r}"
            elif word == "$ref":
                yield from self._wrong(value, self._definitions[rule.removeprefix("#/$defs/")], path)
            elif word in ("oneOf", "anyOf"):
                yield from self._none_of(value, word, rule, path)
            elif word in ("properties", "additionalProperties", "propertyNames"):
                yield from self._members(value, word, schema, path)
            elif word in ("items", "prefixItems"):
                yield from self._places(value, word, rule, path)
            elif word != "type" and word not in SILENT:
                raise NotImplementedError(f"the judge does not know {word}")

    def _none_of(self, value: Any, word: str, schemas: list[Schema], path: str) -> Iterator[str]:
        faults = [list(self._wrong(value, one, path)) for one in schemas]
        fitting = faults.count([])
        if fitting == 0 or (word == "oneOf" and fitting > 1):
            nearest = [fault for some in faults for fault in some if "const" not in fault]
            yield f"{path}: fits {fitting} of {word}: {'; '.join(nearest)[:500]}"

    def _members(self, value: dict[str, Any], word: str, schema: Schema, path: str) -> Iterator[str]:
        known = schema.get("properties", {})
        for key, member in value.items():
            if word == "propertyNames":
                yield from self._wrong(key, schema[word], f"{path}.{key}")
            elif word == "properties" and key in known:
                yield from self._wrong(member, known[key], f"{path}.{key}")
            elif word == "additionalProperties" and key not in known:
                yield from self._wrong(member, schema[word], f"{path}.{key}")

    def _places(self, value: list[Any], word: str, rule: Any, path: str) -> Iterator[str]:
        schemas = rule if word == "prefixItems" else [rule] * len(value)
        for number, (member, schema) in enumerate(zip(value, schemas, strict=False)):
            yield from self._wrong(member, schema, f"{path}.{number}")


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, TYPES[kind]) and (kind != "integer" or float(value).is_integer())  # type: ignore[arg-type]
