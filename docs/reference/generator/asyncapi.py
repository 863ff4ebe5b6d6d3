"""The AsyncAPI 3 document: where the socket is, which frames go which way, and what each looks like.

AsyncAPI's own schema language is draft 07, so rows are written as `items` lists there.
"""

from __future__ import annotations

from typing import Any

from scenehub.protocol.codec import Flavour
from scenehub.protocol.messages import MINOR, ClientFrame, HubFrame

from .schemas import REF, frame_models

Schema = dict[str, Any]
ADDRESS = "/v1/projects/{project_id}/ws"


def asyncapi(schema: Schema) -> Schema:
    """The document for a schema of all frames. Actions are the hub's: it receives what clients send."""
    sides = {"client": frame_models(ClientFrame), "hub": frame_models(HubFrame)}
    names = {side: {f"{side}.{tag}": model.__name__ for tag, model in models.items()} for side, models in sides.items()}
    described = {name: schema["$defs"][name] for side in names.values() for name in side.values()}
    messages = {key: _message(key, model, described[model]) for side in names.values() for key, model in side.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Scenehub frames",
            "version": f"1.{MINOR}",
            "description": "One WebSocket a project. Every frame is a map whose `t` names it. The subprotocol chooses "
            f"how frames are written: {_flavours()}. Nothing but frames is sent; the first is `hello`.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8787",
                "protocol": "ws",
                "description": "A hub as `scenehub dev` starts it; elsewhere wss behind a proxy.",
            }
        },
        "channels": {
            "project": {
                "address": ADDRESS,
                "description": "The upgrade is always accepted; a refusal is a close code.",
                "parameters": {"project_id": {"description": "The project's id, 1–64 characters of A–Z a–z 0–9 _ -."}},
                "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in messages},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            "fromClient": _operation("receive", "What clients send.", list(names["client"])),
            "fromHub": _operation("send", "What the hub sends.", list(names["hub"])),
        },
        "components": {
            "messages": messages,
            "schemas": {name: _as_draft_7(body) for name, body in schema["$defs"].items()},
        },
    }


def _flavours() -> str:
    kinds = {Flavour.MSGPACK: "binary", Flavour.JSON: "text"}
    return " or ".join(f"`{flavour.value}` ({kinds[flavour]})" for flavour in Flavour)


def _operation(action: str, words: str, keys: list[str]) -> Schema:
    return {
        "action": action,
        "summary": words,
        "channel": {"$ref": "#/channels/project"},
        "messages": [{"$ref": f"#/channels/project/messages/{key}"} for key in keys],
    }


def _message(key: str, model: str, body: Schema) -> Schema:
    words = body.get("description", model)
    return {
        "name": key.partition(".")[2],
        "title": model,
        "summary": words.split("\n", 1)[0],
        "payload": {"$ref": f"#/components/schemas/{model}"},
    }


def _as_draft_7(body: Any) -> Any:
    if isinstance(body, list):
        return [_as_draft_7(member) for member in body]
    if not isinstance(body, dict):
        return body
    if "$ref" in body:  # draft 07 passes over whatever stands beside a reference
        return {"$ref": body["$ref"].replace(REF, "#/components/schemas/")}
    older = {key: value if key == "enum" else _as_draft_7(value) for key, value in body.items()}
    if "prefixItems" in older:
        older["items"] = older.pop("prefixItems")
        older["additionalItems"] = False
    return older
