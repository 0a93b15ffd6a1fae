"""The strict scan against Python's own reader plus the rules that it lacks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.dialects import strictjson
from s4fw.dialects.strictjson import ARRAY
from s4fw.errors import Refusal


class Bad(Exception):
    """The reference refuses."""


def reference(body: bytes) -> dict[str, Any]:
    """json.loads with the rules that it lacks; the limits on sizes are out of reach here."""

    def integer(text: str) -> str:
        if len(text) > 32 or len(text.lstrip("-")) > 20:
            raise Bad
        return text

    def real(text: str) -> str:
        if len(text) > 32:
            raise Bad
        return text

    def refuse(_: str) -> None:
        raise Bad

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in members}) < len(members):
            raise Bad
        return dict(members)

    def check(value: Any, depth: int) -> None:
        if isinstance(value, str):
            value.encode()  # raises for a lone surrogate
        elif isinstance(value, list | dict):
            if depth == 64:
                raise Bad
            for part in [*value, *value.values()] if isinstance(value, dict) else value:
                check(part, depth + 1)

    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=pairs,
            parse_int=integer,
            parse_float=real,
            parse_constant=refuse,
        )
        check(value, 0)
    except (ValueError, RecursionError) as problem:
        raise Bad from problem
    if not isinstance(value, dict):
        raise Bad
    return value


def assert_same_verdict(body: bytes) -> None:
    try:
        expected = reference(body)
    except Bad:
        with pytest.raises(Refusal):
            strictjson.scan(body)
        return
    document = strictjson.scan(body)
    assert list(expected) == list(document.members)
    for name, value in expected.items():
        start, end, kind = document.members[name]
        assert value == reference(b'{"x":' + body[start:end] + b"}")["x"]
        assert (kind == ARRAY) == isinstance(value, list)
        if kind == ARRAY:
            spans, digests = document.items(name)
            assert len(value) == len(spans) == len(digests)
            parts = [reference(b'{"x":' + body[s:e] + b"}")["x"] for s, e in spans]
            assert value == parts


names = st.sampled_from(["a", "b", "ab", "é", "", "\U0001f600", "/", "\n"]) | st.text(max_size=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(st.tuples(names, inner), max_size=5).map(tuple)
    ),
    max_leaves=12,
)
spaces = st.sampled_from(["", "", "", " ", "\n\t\r "])


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """JSON text of a value (a tuple is an object's list of members, perhaps with duplicates)."""
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
        return text.replace("a", "\\u0061") if draw(st.booleans()) else text
    if isinstance(value, list):
        parts = [draw(written(part)) for part in value]
        return "[" + draw(spaces) + ("," + draw(spaces)).join(parts) + "]"
    if isinstance(value, tuple):
        parts = [draw(written(n)) + draw(spaces) + ":" + draw(written(v)) for n, v in value]
        return "{" + (draw(spaces) + ",").join(parts) + draw(spaces) + "}"
    return json.dumps(value)


bodies = (
    st.lists(st.tuples(names, values), max_size=5)
    .map(tuple)
    .flatmap(written)
    .map(lambda text: text.encode("utf-8", "surrogatepass"))
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(bodies)
def test_scan_agrees_with_python_on_written_bodies(body: bytes) -> None:
    """Because two readers of one body must see the same members, or both refuse."""
    assert_same_verdict(body)


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(
    bodies,
    st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.integers(0, 2),
            st.sampled_from(
                [*b'{}[]",:\\u0019.-+eE tfn\n\x00\x1f\x7f\x80\xbf\xc3\xe2\xed\xf0\xff']
            ),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_scan_agrees_with_python_on_damaged_bodies(
    body: bytes, changes: list[tuple[int, int, int]]
) -> None:
    """Because an attacker's body is nearly right."""
    damaged = bytearray(body)
    for place, length, byte in changes:
        at = place % (len(damaged) + 1)
        damaged[at : at + length] = bytes((byte,))

    assert_same_verdict(bytes(damaged))
