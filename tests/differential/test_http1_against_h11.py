"""Our reading of requests against h11's: whatever we accept, h11 reads as the same requests.

Smuggling lives where two readers see different requests in the same bytes.  We may refuse what h11
takes, and do (bare line feeds, folded lines, repeated fields); the other way round is a defect.
How the network cuts the bytes must change nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.errors import Refusal
from s4fw.proxy.reader import RequestReader
from s4fw.proxy.settings import Settings

LIMITS = Settings()


class Read(NamedTuple):
    """One request as a reader saw it."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Ours:
    """Our reader, fed in pieces; `verdict` is refused, open, or done (the connection closes)."""

    def __init__(self) -> None:
        self.requests: list[Read] = []
        self.verdict = "open"
        self._reader = RequestReader()
        self._last = None
        self._is_in_body = False

    def feed(self, data: bytes) -> None:
        """Take bytes as they arrive."""
        try:
            while data and self.verdict == "open":
                data = self._step(data)
        except Refusal:
            self.verdict = "refused"

    def _step(self, data: bytes) -> bytes:
        reader = self._reader
        if self._is_in_body:
            rest = reader.read_body(data)
        else:
            rest = reader.read_head(data, self._last, LIMITS)
            if reader.head is None:
                return rest
            self._last = reader.head
            if reader.body is None:
                reader.begin_body(LIMITS)
                self._is_in_body = True
                if rest:
                    rest = reader.read_body(rest)
        if reader.body is not None:
            self._take(bytes(reader.body))
        return rest

    def _take(self, body: bytes) -> None:
        head = self._last
        assert head is not None
        target = head.path + (b"?" + head.query if head.query else b"")
        self.requests.append(Read(head.method, target, _sorted(head.headers), body))
        if not head.is_http11 or b"close" in head.headers.get(b"connection", b"").lower():
            self.verdict = "done"
        self._reader.next()
        self._is_in_body = False


def by_us(pieces: list[bytes]) -> tuple[list[Read], str]:
    """What we read out of bytes that arrive in these pieces."""
    ours = Ours()
    for piece in pieces:
        ours.feed(piece)
    return ours.requests, ours.verdict


def by_h11(data: bytes, count: int) -> list[Read]:
    """The first `count` requests that h11 reads; fewer when it refuses or waits for more."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    found: list[Read] = []
    try:
        while len(found) < count:
            request = connection.next_event()
            if not isinstance(request, h11.Request):
                return found
            body = b""
            while isinstance(event := connection.next_event(), h11.Data):
                body += bytes(event.data)
            if not isinstance(event, h11.EndOfMessage):
                return found
            found.append(Read(request.method, request.target, _fields(request), body))
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is h11.MUST_CLOSE:
                return found
            connection.start_next_cycle()
    except h11.RemoteProtocolError:
        pass
    return found


def _fields(request: h11.Request) -> tuple[tuple[bytes, bytes], ...]:
    joined: dict[bytes, bytes] = {}
    for name, value in request.headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return _sorted(joined)


def _sorted(fields: dict[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """In one order; codings in lower case, as h11 gives them."""
    codings = {name: v.lower() for name, v in fields.items() if name == b"transfer-encoding"}
    return tuple(sorted((fields | codings).items()))


_LINE = [b"POST /v1/chat/completions HTTP/1.1", b"GET /v1/models HTTP/1.1", b"POST /a?b=c HTTP/1.0"]
_BAD_LINE = [b"POST /a b HTTP/1.1", b"post /a HTTP/1.1", b"GET /a HTTP/2.0", b"GET /a", b""]
_FIELD = [
    *(b"Host: a", b"Host: b", b"Host:a:80", b"X-A: 1", b"x-a:  2 \t", b"X-A:", b"X-B: \xff\xfe"),
    *(b"Content-Length: 5", b"Content-Length: 0", b"content-length:5", b"Content-Length: 05"),
    *(b"Content-Length: 5, 5", b"Content-Length: +5", b"Content-Length: 3"),
    *(b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked ", b"Transfer-Encoding: gzip"),
    *(b"Transfer_Encoding: chunked", b"Transfer-Encoding : chunked", b" folded", b"X[a]: 1"),
    *(b"Connection: close", b"Connection: keep-alive", b"Expect: 100-continue", b"X-A: \x00"),
    *(b"Upgrade: x", b"Connection: Upgrade", b": none", b"X-A: a\rb", b"X-A: \x7f"),
]
_BODY = [
    *(b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5;x=y\r\nhello\r\n0\r\nt: 1\r\n\r\n", b"hel"),
    *(b"0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"0\r\n"),
]
_END = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n"])


_HARMLESS = [b"X-A: 1", b"x-b:  2 \t", b"X-C:", b"X-D: \xff\xfe", b"Connection: keep-alive"]
_FRAMED = [
    ([], b""),
    ([b"Content-Length: 5"], b"hello"),
    ([b"content-length:0"], b""),
    ([b"Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n"),
    ([b"transfer-encoding:\tChunked"], b"2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nt: 1\r\n\r\n"),
]


@st.composite
def a_good_request(draw: st.DrawFn) -> bytes:
    """A request as it should be."""
    framing, body = draw(st.sampled_from(_FRAMED))
    fields = [*draw(st.lists(st.sampled_from(_HARMLESS), max_size=3, unique=True)), *framing]
    lines = [draw(st.sampled_from(_LINE)), b"Host: a", *draw(st.permutations(fields))]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@st.composite
def a_near_request(draw: st.DrawFn) -> bytes:
    """Bytes that are a request, or nearly one."""
    lines = [draw(st.sampled_from(_LINE + _BAD_LINE)), b"Host: a"]
    lines += draw(st.lists(st.sampled_from(_FIELD), max_size=4))
    head = b"".join(line + draw(_END) for line in lines) + draw(_END)
    return head + draw(st.sampled_from(_BODY))


REQUESTS = st.lists(
    st.one_of(a_good_request(), a_good_request(), a_near_request()), min_size=1, max_size=3
).map(b"".join)


@settings(max_examples=1200, deadline=None, derandomize=True)
@given(REQUESTS)
def test_what_we_accept_h11_reads_as_the_same_requests(data: bytes) -> None:
    """Method, target, every field and the body: nothing may differ."""
    requests, _ = by_us([data])
    assert requests == by_h11(data, len(requests))


@settings(max_examples=250, deadline=None, derandomize=True)
@given(REQUESTS)
def test_split_at_every_byte_changes_nothing(data: bytes) -> None:
    """A verdict that depends on the network's cuts is a way around it."""
    whole = by_us([data])
    assert whole == by_us([bytes([byte]) for byte in data])
    for cut in range(len(data)):
        assert whole == by_us([data[:cut], data[cut:]]), cut


def test_generator_reaches_both_verdicts_and_bodies() -> None:
    """A generator that makes only rubbish would compare nothing."""
    seen = {"refused": 0, "accepted": 0, "with body": 0, "several": 0}

    @settings(max_examples=400, deadline=None, derandomize=True, database=None)
    @given(REQUESTS)
    def look(data: bytes) -> None:
        requests, verdict = by_us([data])
        seen["refused"] += verdict == "refused"
        seen["accepted"] += bool(requests)
        seen["with body"] += any(request.body for request in requests)
        seen["several"] += len(requests) > 1

    look()
    assert min(seen.values()) >= 10, seen
