"""TypeScript types of every frame, printed from the JSON Schema: one exported type a definition."""

from __future__ import annotations

import json
from typing import Any

from scenehub.protocol.closing import Close
from scenehub.protocol.codec import Flavour
from scenehub.protocol.limits import Limits

from .schemas import REF

Schema = dict[str, Any]
PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
WIDTH = 110
VALUE = "null | boolean | number | string | Value[] | { [key: string]: Value }"


def typescript(schema: Schema) -> str:
    """The module's text."""
    lines = [
        "// The frames of Scenehub, generated from its models by docs/reference/generate.py: do not edit.",
        "",
        "/** WebSocket subprotocols: how frames are written. */",
        f"export const FLAVOURS = {json.dumps([flavour.value for flavour in Flavour])} as const;",
        "",
        "/** Why the hub ends a session: 40xx do not come back, 41xx with a new token, 42xx later, 43xx afresh. */",
        "export const CLOSE = {",
        *(f"  {close.name}: {close.value}," for close in Close),
        "} as const;",
        "",
        "/** What `welcome.limits` announces where an operator has not changed it. */",
        "export const DEFAULT_LIMITS: Limits = {",
        *(f"  {name}: {value}," for name, value in Limits().model_dump().items()),
        "};",
    ]
    for name, body in schema["$defs"].items():
        lines += ["", *_comment(body.get("description"), ""), *_definition(name, body)]
    return "\n".join(lines) + "\n"


def _definition(name: str, body: Schema) -> list[str]:
    if name == "Value":
        return [f"export type Value = {VALUE};"]
    if body.get("type") == "object" and "properties" in body:
        return [f"export interface {name} {{", *_members(body), "}"]
    alternatives = body.get("oneOf") or body.get("anyOf")
    if alternatives:
        return [f"export type {name} =", *_ended(f"  | {type_of(one)}" for one in alternatives)]
    if "enum" in body and len(body["enum"]) > 6:
        return [f"export type {name} =", *_ended(f"  | {json.dumps(one)}" for one in body["enum"])]
    return [f"export type {name} = {type_of(body)};"]


def _ended(lines: Any) -> list[str]:
    *most, last = lines
    return [*most, last + ";"]


def _members(body: Schema) -> list[str]:
    lines: list[str] = []
    required = body.get("required", [])
    for field, inner in body["properties"].items():
        lines += _comment(inner.get("description"), "  ")
        lines.append(f"  {field}{'' if field in required else '?'}: {type_of(inner)};")
    return lines


def _comment(words: str | None, indent: str) -> list[str]:
    if not words:
        return []
    flat = " ".join(words.split())
    if len(flat) + len(indent) + 7 <= WIDTH:
        return [f"{indent}/** {flat} */"]
    lines, line = [], ""
    for word in flat.split(" "):
        if line and len(indent) + 4 + len(line) + len(word) > WIDTH:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [f"{indent}/**", *(f"{indent} * {one}" for one in [*lines, line]), f"{indent} */"]


def type_of(body: Schema) -> str:
    """A schema as a TypeScript type."""
    if not body.get("type") and set(body) <= {"description"}:
        return VALUE
    if "$ref" in body:
        return str(body["$ref"]).removeprefix(REF)
    if "const" in body:
        return json.dumps(body["const"])
    if "enum" in body:
        return " | ".join(json.dumps(one) for one in body["enum"])
    alternatives = body.get("oneOf") or body.get("anyOf")
    if alternatives:
        return " | ".join(dict.fromkeys(type_of(one) for one in alternatives))
    if body.get("type") == "array":
        return _array(body)
    if body.get("type") == "object":
        return f"{{ [key: string]: {type_of(body.get('additionalProperties', {'$ref': REF + 'Value'}))} }}"
    return PLAIN[body["type"]]


def _array(body: Schema) -> str:
    if "prefixItems" not in body:
        inner = type_of(body["items"])
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    places = [(place.get("title"), type_of(place)) for place in body["prefixItems"]]
    if all(label for label, _ in places):
        return f"[{', '.join(f'{label}: {kind}' for label, kind in places)}]"
    return f"[{', '.join(kind for _, kind in places)}]"
