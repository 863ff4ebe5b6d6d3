"""The wire: round trips in both flavours, the scalar rules, and garbage that raises nothing but ProtocolError."""

from __future__ import annotations

import json
import math
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenehub.protocol.codec import Flavour, client_frame, frame_wire, hub_frame, pack, pack_frame, unpack
from scenehub.protocol.edits import Actor, Edit, EditId, FieldKey, Foundation, Position
from scenehub.protocol.errors import ErrorCode, ProtocolError
from scenehub.protocol.messages import (
    CellRow,
    Commit,
    CommitRow,
    Hello,
    Notice,
    Outcomes,
    PresenceNews,
    Reject,
    RejectRow,
    Relay,
    SendEdit,
    State,
    Unsaved,
)
from scenehub.protocol.ops import MemorySet, SceneAdd, SceneFields, SceneSet
from scenehub.protocol.scalars import MAX_INT

FLAVOURS = list(Flavour)
EDIT = Edit(
    id=EditId("c", 3), epoch="e", base=2, guarded=True, saw=(EditId("d", 1),), upon=(Foundation("s", EditId("d", 1)),),
    undoes=EditId("c", 1), run="r",
    ops=(SceneSet(id="s", set=SceneFields(tsx_code="ä\n😀", props={"a": {"b": [1, 2.5, None, True]}})),),
)  # fmt: skip
CELL = CellRow("x", 1, "c", 3, "u")
NOTICE = Notice(key=FieldKey("scene", "s", "name"), lost=EditId("c", 1), lost_user="u", lost_seq=1, lost_value=[1],
                by=EditId("d", 1), by_user="v", by_seq=2)  # fmt: skip
HUB_FRAMES = [
    Relay(edit=EDIT, actor=Actor(user="u", run="r")),
    Commit(seq=4, edits=(CommitRow(id=EditId("c", 3), at=5, edit=EDIT, actor=Actor(user="u"),
                                   overwrote=((FieldKey("scene", "s", "name"), EditId("d", 1), "v", 2),),
                                   restored={"s": {"name": CELL}}),)),
    State(reason="delta", since=1, position=Position("e", 4, EditId("c", 3)),
          entities=(("scene", "s", {"name": CELL}),),
          relays=(Relay(edit=EDIT, actor=Actor(user="u")),),
          outcomes=Outcomes(counter=3, rejects=(RejectRow(n=1, code="stale", words="w"),), conflicts=(NOTICE,))),
    Reject(id=EditId("c", 3), code="stale", current=(("scene", "s", "tsx_code", "x", 4),)),
    Unsaved(ids=(EditId("c", 3),), why="store_away", retry_ms=5),
    PresenceNews(gone=("c",), whole=True),
]  # fmt: skip


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("frame", HUB_FRAMES, ids=lambda frame: frame.t)
def test_a_frame_of_the_hub_comes_out_as_it_went_in(frame: Any, flavour: Flavour) -> None:
    again = hub_frame(unpack(pack_frame(frame, flavour), flavour))
    assert again is not None
    assert again == frame
    assert again.wire() == hub_frame(unpack(pack_frame(again, flavour), flavour)).wire()  # type: ignore[union-attr]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_edit_comes_out_as_it_went_in(flavour: Flavour) -> None:
    frame = client_frame(unpack(pack_frame(SendEdit(edit=EDIT, age=7), flavour), flavour))
    assert isinstance(frame, SendEdit)
    assert frame.edit == EDIT
    assert frame.edit.wire == EDIT.wire


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INT, MAX_INT)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=5), inner
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("flavour", FLAVOURS)
@given(value=VALUES)
def test_any_legal_value_travels(flavour: Flavour, value: Any) -> None:
    """Design §6, scalars."""
    op = MemorySet(key="k", value=value)
    edit = Edit(id=EditId("c", 1), epoch="e", base=0, ops=(op,))
    frame = client_frame(unpack(pack_frame(SendEdit(edit=edit), flavour), flavour))
    assert isinstance(frame, SendEdit)
    assert frame.edit.wire == edit.wire


def edit_with(value: Any, **more: Any) -> dict[str, Any]:
    op = {"kind": "memory.set", "key": "k", "value": value, **more}
    return {"t": "edit", "edit": {"id": ["c", 1], "epoch": "e", "base": 0, "ops": [op]}}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, MAX_INT + 1, -MAX_INT - 1, 2**63, "\x00", "\ud800", {"__proto__": 1}, nested(33),
     {"a": {"__proto__": 1}}, b"bytes", {"\x00": 1}],
    ids=repr,
)  # fmt: skip
def test_an_illegal_value_is_refused(value: Any) -> None:
    """Design §6: no NaN or infinity, no U+0000, no lone surrogates, no __proto__, depth ≤ 32, ±(2^53 − 1)."""
    with pytest.raises(ProtocolError) as refused:
        client_frame(edit_with(value))
    assert refused.value.refusal.code is ErrorCode.INVALID
    assert refused.value.refusal.culprit


def test_thirty_two_levels_are_allowed() -> None:
    client_frame(edit_with(nested(32)))


def test_a_whole_float_is_an_integer() -> None:
    """Design §6: 30.0 is accepted, for JavaScript does not tell it from 30."""
    ops = [{"kind": "scene.add", "id": "s", "position": "a0", "name": "n", "duration": 30.0}]
    raw = {"t": "edit", "edit": {"id": ["c", 1.0], "epoch": "e", "base": 0.0, "ops": ops}}
    frame = client_frame(raw)
    assert isinstance(frame, SendEdit)
    (op,) = frame.edit.ops
    assert isinstance(op, SceneAdd)
    assert (op.duration, type(op.duration)) == (30, int)


@pytest.mark.parametrize("duration", [30.5, "30", True, None, -1, 0, 2**60])
def test_a_duration_is_a_whole_number_of_frames(duration: Any) -> None:
    ops = [{"kind": "scene.add", "id": "s", "position": "a0", "name": "n", "duration": duration}]
    with pytest.raises(ProtocolError) as refused:
        client_frame({"t": "edit", "edit": {"id": ["c", 1], "epoch": "e", "base": 0, "ops": ops}})
    assert "duration" in str(refused.value.refusal.culprit)


@pytest.mark.parametrize(
    ("raw", "code", "culprit"),
    [
        ({"t": "jump"}, ErrorCode.UNKNOWN_FRAME, "t"),
        ({"t": "ping", "extra": 1}, ErrorCode.INVALID, "extra"),
        (edit_with(1, extra=1), ErrorCode.INVALID, "edit.ops.0.extra"),
        ({"t": "edit", "edit": {"id": ["c", 1], "epoch": "e", "base": 0, "ops": [{"kind": "scene.zap"}]}},
         ErrorCode.UNKNOWN_OP, "edit.ops.0"),
        ({"t": "edit", "edit": {"id": ["c", 0], "epoch": "e", "base": 0, "ops": []}}, ErrorCode.INVALID, "edit.id.1"),
    ],
)  # fmt: skip
def test_the_hub_refuses_unknown_things_by_name(raw: dict[str, Any], code: ErrorCode, culprit: str) -> None:
    """Design §6, O7."""
    with pytest.raises(ProtocolError) as refused:
        client_frame(raw)
    assert (refused.value.refusal.code, refused.value.refusal.culprit) == (code, culprit)


def test_a_client_ignores_unknown_keys_and_frames() -> None:
    """Design §6."""
    assert hub_frame({"t": "of-the-future", "x": 1}) is None
    frame = hub_frame({**frame_wire(HUB_FRAMES[4]), "future": 1})
    assert frame == HUB_FRAMES[4]


@pytest.mark.parametrize("flavour", FLAVOURS)
@given(payload=st.binary(max_size=200))
def test_hostile_bytes_raise_nothing_but_a_protocol_error(flavour: Flavour, payload: bytes) -> None:
    """O7."""
    try:
        client_frame(unpack(payload, flavour))
    except ProtocolError:
        pass


@given(
    raw=st.dictionaries(
        st.sampled_from(["t", "edit", "token", "client", "position", "presence", "nonce", "x"]),
        st.sampled_from(["edit", "hello", "ping", "presence", "sync", "auth", "cancel"]) | VALUES,
    )
)
def test_hostile_maps_raise_nothing_but_a_protocol_error(raw: dict[str, Any]) -> None:
    """O7."""
    for flavour in FLAVOURS:
        try:
            client_frame(unpack(pack(raw, flavour), flavour))
        except ProtocolError:
            pass


@pytest.mark.parametrize(
    "payload",
    [
        b"\x81" * 3000 + b"\xc0",
        b"\x91" * 3000,
        msgpack.packb({b"t": b"ping"}),
        msgpack.packb({"t": "ping", "nonce": msgpack.ExtType(4, b"x")}),
        msgpack.packb({"t": "edit", "edit": msgpack.Timestamp(1)}),
        msgpack.packb({1: 2}),
        msgpack.packb([1]),
        b"",
    ],
)
def test_hostile_msgpack(payload: bytes) -> None:
    """O7."""
    with pytest.raises(ProtocolError):
        client_frame(unpack(payload))


@pytest.mark.parametrize(
    "text", ["[" * 5000, "{", "1", '{"t":"ping","nonce":1e999}', '{"t":"ping","nonce":NaN}', '"\\ud800"', "{}"]
)
def test_hostile_json(text: str) -> None:
    """O7."""
    with pytest.raises(ProtocolError):
        client_frame(unpack(text, Flavour.JSON))


def test_json_is_readable_by_eye() -> None:
    frame = json.loads(pack_frame(Hello(token="x", client="c"), Flavour.JSON))
    assert frame == {"t": "hello", "token": "x", "client": "c"}
