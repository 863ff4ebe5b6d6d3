"""What error codes, close codes and times mean, in words for people who write a client; no code may be missing here."""

from __future__ import annotations

from scenehub.protocol.closing import Close
from scenehub.protocol.errors import ErrorCode

ERRORS: dict[ErrorCode, tuple[str, str]] = {
    ErrorCode.MALFORMED: ("The message is not of this flavour, or no map.", "Mend the client."),
    ErrorCode.UNKNOWN_FRAME: ("The hub knows no such `t`.", "Mend the client, or ask `welcome.features` first."),
    ErrorCode.UNEXPECTED_FRAME: ("A second `hello`, or anything before `welcome`.", "Wait for `welcome`."),
    ErrorCode.RATE_LIMITED: ("More a second than `welcome.limits` allows.", "Send it again a little later."),
    ErrorCode.INVALID: ("The frame breaks a rule of its schema; `culprit` is the path.", "Show the words."),
    ErrorCode.UNKNOWN_OP: ("The hub knows no such kind of op.", "Do without it with this hub."),
    ErrorCode.TOO_LARGE: ("Too many bytes, ops or characters.", "Split it; obey `welcome.limits`."),
    ErrorCode.FORBIDDEN: ("The member's role, or the author of a message, does not allow it.", "Show the words."),
    ErrorCode.READ_ONLY: ("The token has expired; reading goes on for a minute.", "`auth`, then send it again."),
    ErrorCode.STALE: (
        "A guarded edit met a value written after its `base`; `current` has it.",
        "Merge and make a new edit, or let a person choose.",
    ),
    ErrorCode.SCENE_DELETED: (
        "The scene was deleted.",
        "Offer `scene.restore` and the op together, as one edit.",
    ),
    ErrorCode.NOT_FOUND: ("There is no such scene, message or run.", "Drop it; `sync` if you show one."),
    ErrorCode.ID_TAKEN: ("There is something with this id already, perhaps in another project.", "Take another id."),
    ErrorCode.QUOTA: ("The project is full of this.", "Show the words."),
    ErrorCode.CLIENT_ID_TAKEN: (
        "This client id and counter are known with another body.",
        "Take a new client id, connect anew, and send what is pending under it, from counter 1.",
    ),
    ErrorCode.COUNTER_GAP: (
        "An earlier edit of this client is missing; `expected` is the next counter.",
        "Send again from `expected`, in order; if you have no such edit any more, `sync` for its outcome.",
    ),
    ErrorCode.TOO_MANY_IN_FLIGHT: ("`limits.in_flight` edits wait for their outcome.", "Wait for some, send it again."),
    ErrorCode.UNAUTHENTICATED: ("The token is not valid here.", "Get another one."),
    ErrorCode.TOKEN_EXPIRED: ("The token was valid once.", "Get a new one."),
    ErrorCode.PROJECT_NOT_FOUND: ("There is no such project.", "Give up."),
    ErrorCode.UNSUPPORTED_VERSION: ("The hub does not speak this version of the protocol.", "Upgrade the client."),
    ErrorCode.STORE_AWAY: ("The database cannot be reached; stands in `unsaved.why`.", "Keep the edits, say so."),
    ErrorCode.STOPPING: ("This node is being stopped.", "Come back, perhaps to another node."),
    ErrorCode.INTERNAL: ("A mistake of the hub's own.", "Come back later."),
}
"""Per code: what it means, and what a client does."""

CLOSES: dict[Close, str] = {
    Close.SUPERSEDED: "A newer connection of the same client took over.",
    Close.FORBIDDEN: "This user may not be here.",
    Close.PROJECT_NOT_FOUND: "There is no such project, or not any more.",
    Close.UNSUPPORTED_VERSION: "The hub speaks none of the subprotocols or minors that were offered.",
    Close.PROTOCOL_VIOLATION: "The first frame was no `hello` of at most 64 KiB, or too many frames were bad.",
    Close.REMOVED: "This user was removed from the project.",
    Close.TOKEN_EXPIRED: "The token has expired, and no new one came with `auth`.",
    Close.TOKEN_INVALID: "The token is not valid here, or the one in `auth` is of another user.",
    Close.STOPPING: "This node is being stopped.",
    Close.STORE_AWAY: "The database cannot be reached.",
    Close.TOO_SLOW: "The connection did not read what was sent for 30 seconds.",
    Close.RATE_LIMITED: "Far more frames than `welcome.limits` allows.",
    Close.SILENT: "Nothing was heard for 25 seconds.",
    Close.INTERNAL: "A mistake of the hub's own, or of an older connection's hello that came late.",
    Close.FULL: "The project has as many members on this node as it may have.",
    Close.HELLO_TIMEOUT: "No `hello` within 5 seconds.",
    Close.HISTORY_REPLACED: "The project's history was replaced, as by a restore from a backup: the epoch is another.",
    Close.CLIENT_ID_TAKEN: "This client id belongs to another user: take a new one.",
    Close.DIVERGED: "The client's state is not the hub's.",
}
"""Why the hub closes, per code."""

missing = [code for code in ErrorCode if code not in ERRORS] + [code for code in Close if code not in CLOSES]
if missing:
    raise LookupError(f"docs/reference/generator/meanings.py says nothing of {', '.join(map(repr, missing))}")
