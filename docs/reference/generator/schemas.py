"""JSON Schema (draft 2020-12) of every frame, from the models that hub and client judge frames with.

pydantic's own schema is tidied: scalars that occur everywhere get a name, what tells frames apart is required, and the
words under a model's field become its description.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter

from scenehub.protocol import edits, messages, ops, presence
from scenehub.protocol.edits import EditId
from scenehub.protocol.errors import ErrorCode
from scenehub.protocol.limits import Limits
from scenehub.protocol.messages import ClientFrame, EntityRow, HubFrame
from scenehub.protocol.scalars import Id

Schema = dict[str, Any]
REF = "#/$defs/"
TAGS = ("t", "kind")
RULES = re.compile(r" \((?:[A-Z]\d+(?:[–,] ?)?)+\)")

NAMED = {
    "Id": (Id, "An id made by a client, unique in the installation."),
    "EditId": (EditId, "An edit's id: the client that made it and the client's counter, contiguous from 1."),
    "EntityRow": (EntityRow, "Kind, id and cells (by field) of an entity."),
}
VALUE = {
    "description": "A free JSON value: integers within ±(2^53 − 1), no U+0000, no lone surrogates, no key `__proto__`, "
    "32 deep at most."
}
LABELS = {
    "CellRow": ("value", "seq", "client", "n", "user"),
    "EditId": ("client", "n"),
    "EntityRow": ("kind", "id", "cells"),
    "FieldKey": ("kind", "id", "field"),
    "Foundation": ("scene", "relay"),
    "Position": ("epoch", "seq", "id"),
}
"""What the places of a row are called."""


def frame_models(union: Any) -> dict[str, type[BaseModel]]:
    """The models of a union of frames or ops, by what tells them apart, in the order of their declaration."""
    models = get_args(get_args(union)[0])
    return {_tag_of(model): model for model in models}


def _tag_of(model: type[BaseModel]) -> str:
    return next(str(model.model_fields[tag].default) for tag in TAGS if tag in model.model_fields)


def schema() -> Schema:
    """The schema of all frames: its definitions `ClientFrame` and `HubFrame` are the two unions."""
    wanted = {"ClientFrame": ClientFrame, "HubFrame": HubFrame}
    adapters: list[tuple[str, Any, TypeAdapter[Any]]] = [
        (name, "validation", TypeAdapter(union)) for name, union in wanted.items()
    ]
    unions, shared = TypeAdapter.json_schemas(adapters, ref_template=REF + "{model}")
    definitions: Schema = {name: _tidy(body) for name, body in shared["$defs"].items()}
    definitions |= {name: _tidy(unions[name, "validation"]) for name in wanted}
    definitions["ClientFrame"]["description"] = "What a client sends; unknown keys are refused by name."
    definitions["HubFrame"]["description"] = (
        "What the hub sends; pass over keys, frames and kinds that you do not know."
    )
    definitions["ErrorCode"] = {"enum": [code.value for code in ErrorCode], "type": "string"}
    for name, (kind, words) in NAMED.items():
        definitions[name] = {**_tidy(TypeAdapter(kind).json_schema(ref_template=REF + "{model}"), name), **_said(words)}
        definitions[name].pop("$defs", None)
    definitions["Value"] = VALUE
    _describe(definitions)
    _spell_as_on_the_wire(definitions)
    for name, labels in LABELS.items():
        for place, label in zip(definitions[name]["prefixItems"], labels, strict=True):
            place["title"] = label
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scenehub frames",
        "anyOf": [{"$ref": REF + "ClientFrame"}, {"$ref": REF + "HubFrame"}],
        "$defs": _for_readers(dict(sorted(definitions.items()))),
    }


def _said(words: str) -> Schema:
    return {"description": words}


# Tidying what pydantic writes.


def _tidy(body: Any, own_name: str = "") -> Any:
    """A schema without titles, with named scalars and rows referred to by name."""
    if isinstance(body, list):
        return [_tidy(member) for member in body]
    if not isinstance(body, dict):
        return body
    bare = {key: value for key, value in body.items() if key not in ("title", "default", "description")}
    kept = {key: body[key] for key in ("description", "default") if body.get(key) is not None}
    name = _name_of(bare)
    if name is not None and name != own_name:
        return {"$ref": REF + name, **kept}
    bare.pop("discriminator", None)
    if "patternProperties" in bare:
        ((pattern, value),) = bare.pop("patternProperties").items()
        bare["propertyNames"] = {**bare.get("propertyNames", {}), "pattern": pattern}
        bare["additionalProperties"] = value
    tidy: Schema = {}
    for key, value in bare.items():
        if key in ("properties", "$defs"):
            tidy[key] = {inner: _tidy(inner_body) for inner, inner_body in value.items()}
        elif key in ("enum", "required", "propertyNames"):
            tidy[key] = value
        else:
            tidy[key] = _tidy(value)
    for tag in TAGS:
        constant = tidy.get("properties", {}).get(tag, {})
        if "const" in constant:
            constant.pop("default", None)
            tidy["required"] = [tag, *tidy.get("required", [])]
    return {**kept, **tidy}


_BARE = {
    name: {key: value for key, value in TypeAdapter(kind).json_schema().items() if key not in ("title", "$defs")}
    for name, (kind, _) in NAMED.items()
}


def _name_of(bare: Schema) -> str | None:
    if bare == {}:
        return "Value"
    return next((name for name, known in _BARE.items() if known == bare), None)


def _describe(definitions: Schema) -> None:
    """Take over the words that stand under the fields of a model."""
    for module in (messages, edits, ops, presence):
        for name, model in vars(module).items():
            if name in definitions and inspect.isclass(model):
                definitions[name].setdefault("description", inspect.getdoc(model))
                for field, words in words_under_fields(model).items():
                    if field in definitions[name].get("properties", {}):
                        definitions[name]["properties"][field]["description"] = words
    for field, words in words_under_fields(Limits).items():
        definitions["Limits"]["properties"][field]["description"] = words


def words_under_fields(model: type) -> dict[str, str]:
    """The docstrings of a class's fields."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, after in zip(tree.body, tree.body[1:], strict=False):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[name] = " ".join(words.split())
    return found


def _for_readers(body: Any) -> Any:
    """The words without the numbers of the design's rules, and null for None."""
    if isinstance(body, list):
        return [_for_readers(member) for member in body]
    if not isinstance(body, dict):
        return body
    plain = {key: _for_readers(value) for key, value in body.items()}
    if isinstance(words := plain.get("description"), str):
        plain["description"] = re.sub(r"\bNone\b", "null", RULES.sub("", words))
    return plain


def _spell_as_on_the_wire(definitions: Schema) -> None:
    """Say what pydantic's schema cannot: what `wire()` leaves out, and rules that are code."""
    relay = definitions["Relay"]
    definitions["RelayRow"] = {
        "description": "A relay within a state.",
        "properties": {name: body for name, body in relay["properties"].items() if name != "t"},
        "required": [name for name in relay["required"] if name != "t"],
        "type": "object",
    }
    definitions["State"]["properties"]["relays"]["items"] = {"$ref": REF + "RelayRow"}
    for name, body in definitions.items():
        if name.endswith("Fields"):  # what is left out is not written, so nothing has a default
            body["minProperties"] = 1
            for field in body["properties"].values():
                field.pop("default", None)
    for holder in ("Error", "Reject", "RejectRow"):
        definitions[holder]["properties"]["code"] = {
            "type": "string",
            "description": "One of `ErrorCode`; a newer hub may know more.",
        }
