"""What is fuzzed: each target takes bytes and fails where a promise about them does not hold.

A target never minds that its input is refused; it minds a fault, a different reading in pieces, and
a reading that another parser does not share.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from s4fw.core.dialect import Route
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.core.verdict import Block
from s4fw.dialects import match, strictjson
from s4fw.dialects.eventstream import FrameCutter
from s4fw.dialects.sse import EventCutter
from s4fw.errors import Refusal
from s4fw.proxy.answer import AnswerReader
from s4fw.proxy.prefixes import begun
from tests.differential.test_http1_against_h11 import by_h11, by_us

Target = Callable[[bytes], None]

_PATHS = (
    *(b"/v1/chat/completions", b"/v1/responses", b"/v1/completions", b"/v1/embeddings"),
    *(b"/v1/messages", b"/model/amazon.nova-lite-v1%3A0/converse"),
    *(b"/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke", b"/model/meta.x/invoke"),
)


def pieces(data: bytes) -> tuple[bytes, list[bytes]]:
    """The input without its first byte, and cut as that byte says."""
    if not data:
        return b"", []
    step, rest = data[0] % 16 + 1, data[1:]
    return rest, [rest[at : at + step] for at in range(0, len(rest), step)]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a duplicate name was accepted"
    return dict(pairs)


def scan(data: bytes) -> None:
    """What the native scan accepts, Python reads as the same members."""
    try:
        document = strictjson.scan(data)
    except Refusal:
        return
    read = json.loads(data.decode("utf-8", "strict"), object_pairs_hook=_unique)
    assert isinstance(read, dict)
    assert list(document.members) == list(read)
    for name in document.members:
        try:
            value = document.value(name)
        except Refusal:
            continue  # numbers beyond a double: refused when they are looked at
        if not isinstance(value, float):  # an integer beyond 64 bits: refused by every reader
            assert _same(value, read[name]), name


def _same(value: Any, other: Any) -> bool:
    """Whether two documents are the same, but for integers that became floats."""
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(_same(value[n], other[n]) for n in value)
    if isinstance(value, list):
        return len(value) == len(other) and all(map(_same, value, other))
    return isinstance(value, float) or bool(value == other)


def requests(data: bytes) -> None:
    """Requests: the same in pieces, and h11 reads the same ones."""
    whole, cut = pieces(data)
    found = by_us([whole])
    assert found == by_us(cut)
    assert found[0] == by_h11(whole, len(found[0]))


def answers(data: bytes) -> None:
    """Answers: the same status, body and end in pieces."""

    def read(parts: list[bytes]) -> tuple[Any, ...]:
        reader = AnswerReader(4096)
        for part in parts:
            reader.feed(memoryview(part))
            if reader.is_faulty:
                break
        got = reader.status, b"".join(reader.pieces), reader.is_complete, reader.lines
        reader.close()
        return ("faulty",) if reader.is_faulty else got

    whole, cut = pieces(data)
    if len(whole) < 4000:  # limits are counted by what is read at once
        assert read([whole]) == read(cut)


def events(data: bytes) -> None:
    """Server-sent events: nothing is lost or changed, however it is cut."""
    whole, cut = pieces(data)
    once, slowly = EventCutter(), EventCutter()
    first = once.feed(whole)
    second = [event for part in cut for event in slowly.feed(part)]
    assert b"".join(first) + once.rest() == whole
    assert b"".join(second) + slowly.rest() == whole


def frames(data: bytes) -> None:
    """Binary frames: the same ones in pieces."""
    whole, cut = pieces(data)
    once, slowly = FrameCutter(), FrameCutter()
    first = [frame.raw for frame in once.feed(whole)]
    assert first == [frame.raw for part in cut for frame in slowly.feed(part)]
    for frame in FrameCutter().feed(whole):
        frame.headers()


def paths(data: bytes) -> None:
    """Paths: a route or a refusal, and nothing of it decoded twice."""
    parts = begun(b"/" + data, frozenset({b"/azure"}))
    if isinstance(parts, Block):
        return
    route = match(b"POST", parts.below)
    if isinstance(route, Route) and route.is_metered:
        assert not {b"\r", b"\n", b"\x00", b" "} & {bytes([c]) for c in route.upstream_path}
        assert b"/../" not in route.upstream_path


def _route(choice: int) -> Route:
    route = match(b"POST", _PATHS[choice % len(_PATHS)])
    assert isinstance(route, Route)
    return route


def bodies(data: bytes) -> None:
    """Bodies of every intake: read and measured, or refused; never a fault of ours."""
    if not data:
        return
    route = _route(data[0])
    request = Request(b"POST", route.upstream_path, b"", {})
    request.model = route.model
    request.body = data[1:]
    x = Exchange(route, request)
    try:
        route.dialect.read(x)
    except Refusal:
        return
    assert request.output_tokens_max is None or 0 <= request.output_tokens_max < 2**31
    assert 0 < request.choices < 2**31
    assert request.tokens_extra >= 0
    b"".join(request.pieces())


def meters(data: bytes) -> None:
    """Meters of every intake: what is cut differently passes and counts the same."""
    if len(data) < 2:
        return
    route, is_stream = _route(data[0]), bool(data[0] & 64)
    whole, cut = pieces(data[1:])

    def metered(parts: list[bytes]) -> tuple[bytes, Any]:
        x = Exchange(route, Request(b"POST", route.upstream_path, b"", {}))
        meter = route.dialect.meter(x, 200, is_stream, {})
        passed = b"".join(meter.feed(part) for part in parts) + meter.end()
        usage = meter.usage
        if usage is not None:
            assert min(usage.input, usage.output) >= 0
        return passed, usage

    first, second = metered([whole]), metered(cut)
    assert first == second
    assert first[0] == whole


TARGETS: dict[str, Target] = {
    "scan": scan,
    "requests": requests,
    "answers": answers,
    "events": events,
    "frames": frames,
    "paths": paths,
    "bodies": bodies,
    "meters": meters,
}
