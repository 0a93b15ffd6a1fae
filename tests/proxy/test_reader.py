"""Requests out of bytes, without sockets: chunked bodies against the parser, repeated heads."""

from __future__ import annotations

from dataclasses import replace

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.errors import Refusal
from s4fw.proxy.chunked import ChunkedBody
from s4fw.proxy.head import Head, read_head
from s4fw.proxy.reader import RequestReader
from s4fw.proxy.settings import Settings

LIMITS = Settings()
HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nContent-Length: 5\r\n"
    b"X-Two: 2\r\n\r\n"
)


def read_all(data: bytes, limits: Settings = LIMITS) -> list[tuple[bytes, bytes]]:
    """Path and body of each request in the bytes of one connection."""
    reader, last, found = RequestReader(), None, []
    while data:
        data = reader.read_head(data, last, limits)
        assert reader.head is not None
        last = reader.head
        if reader.body is None:
            reader.begin_body(limits)
            data = reader.read_body(data)
        assert reader.body is not None
        found.append((last.path, bytes(reader.body)))
        reader.next()
    return found


class Oracle:
    """What httptools makes of a chunked body."""

    def __init__(self) -> None:
        self.body = b""
        self.is_complete = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.is_complete = True


def by_parser(data: bytes) -> bytes | None:
    """The body as httptools reads it; None where it refuses or waits for more."""
    oracle = Oracle()
    parser = httptools.HttpRequestParser(oracle)
    parser.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        parser.feed_data(data)
    except httptools.HttpParserError:
        return None
    return oracle.body if oracle.is_complete else None


def by_us(pieces: list[bytes]) -> bytes | None:
    """The body as we read it, from any pieces."""
    body = ChunkedBody(1 << 20)
    try:
        for at, piece in enumerate(pieces):
            body.feed(piece)
            if body.is_complete:
                return bytes(body.body) if not (body.rest or any(pieces[at + 1 :])) else None
    except Refusal:
        return None
    return None


_LINES = [b"5\r\nhello\r\n", b"0\r\n\r\n", b"x: y\r\n", b'5;a="b"\r\nhello\r\n', b"te: x\r\n"]
_FRAMING = [b"content-length: 1\r\n", b"Transfer-Encoding: x\r\n"]
_PARTS = [b"\r\n", b"\n", b"\r", b"5", b"0", b"00", b"a", b"hello", b"0x5", b";a=b"]
_BYTES = [b";", b"=", b'"', b" ", b"\t", b"+", b"\x00", b"_", b"-", b"\xff"]
FRAGMENTS = st.sampled_from([*_LINES, *_FRAMING, *_PARTS, *_BYTES])


@settings(max_examples=1500, deadline=None)
@given(st.lists(FRAGMENTS, max_size=8).map(b"".join), st.data())
def test_chunked_what_we_accept_the_parser_reads_the_same(data: bytes, draw: st.DataObject) -> None:
    """Smuggling lives in bodies that two readers end at different places."""
    cut = draw.draw(st.integers(0, len(data)))
    ours = by_us([data])
    assert by_us([data[:cut], data[cut:]]) == ours
    assert by_us([bytes([byte]) for byte in data]) == ours
    if ours is not None:
        assert ours == by_parser(data)


@pytest.mark.parametrize(
    "data",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"0005\r\nhello\r\n0\r\n\r\n",
        b"5;name\r\nhello\r\n0\r\n\r\n",
        b'5;name="quoted; text"\r\nhello\r\n0\r\n\r\n',
        b"5\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n",
        b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ],
)
def test_chunked_good_bodies_are_read(data: bytes) -> None:
    """Strict must not mean deaf: these are plain RFC 9112."""
    assert by_us([data]) == b"hello"
    assert by_parser(data) == b"hello"


@pytest.mark.parametrize(
    "data",
    [
        b"5;" + b"a" * 600,
        b"0\r\n" + b"x: y\r\n" * 4000,
        b"1;a=b\r\nx\r\n" * 6000,
        b"0" * 17,
    ],
    ids=["extension", "trailers", "many extensions", "size"],
)
def test_chunked_overhead_is_bounded(data: bytes) -> None:
    """What is neither data nor progress must end somewhere."""
    body = ChunkedBody(1 << 20)
    with pytest.raises(Refusal):
        body.feed(data + b"\r\n")


def test_chunked_size_over_the_limit_is_refused_before_its_data() -> None:
    """A limit that is checked afterwards is no limit."""
    with pytest.raises(Refusal) as refusal:
        ChunkedBody(10).feed(b"6\r\nhello!\r\n5\r\n")
    assert refusal.value.code.status == 413


def test_repeated_head_is_read_once_and_means_the_same() -> None:
    """The shortcut must be invisible but for the time it saves."""
    longer = HEAD.replace(b": 5", b": 12")
    data = HEAD + b"hello" + longer + b"hello, world" + HEAD + b"again"
    path = b"/v1/chat/completions"
    assert read_all(data) == [(path, b"hello"), (path, b"hello, world"), (path, b"again")]
    reader = RequestReader()
    rest = reader.read_head(data, None, LIMITS)
    first = reader.head
    reader.next()
    reader.read_head(rest, first, LIMITS)
    assert reader.head is first


@pytest.mark.parametrize(
    "changed",
    [
        HEAD.replace(b"X-One: 1", b"X-One: 2"),
        HEAD.replace(b"X-Two: 2", b"X-Two: 3"),
        HEAD.replace(b"X-Two: 2\r\n", b"X-Two: 2\r\nX-Three: 3\r\n"),
        HEAD.replace(b"content-length", b"CONTENT-LENGTH"),
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_changed_head_is_read_anew(changed: bytes) -> None:
    """Anything but the digits may change the meaning."""
    reader = RequestReader()
    rest = reader.read_head(HEAD + b"hello" + changed + b"hello", None, LIMITS)
    first = reader.head
    reader.next()
    reader.read_head(rest, first, LIMITS)
    assert reader.head is not None
    assert (reader.head is first) == (changed == HEAD)
    assert reader.head.headers == read_head(changed, LIMITS).headers


@pytest.mark.parametrize(
    "digits", [b"05", b"+5", b"5 ", b" 5", b"-5", b"5,5", b"", b"0x5", b"9" * 19, b"\xb2", b"5\r"]
)
def test_repeated_head_around_bad_digits_is_refused(digits: bytes) -> None:
    """The shortcut accepts nothing that the long way refuses."""
    bad = HEAD.replace(b": 5", b": " + digits)
    reader = RequestReader()
    rest = reader.read_head(HEAD + b"hello" + bad + b"hello", None, LIMITS)
    first = reader.head
    reader.next()
    if digits in (b"5 ", b" 5"):  # white space around a value is legal
        reader.read_head(rest, first, LIMITS)
        assert reader.head is not first
        return
    with pytest.raises(Refusal):
        reader.read_head(rest, first, LIMITS)


def test_length_inside_another_value_is_not_taken_for_it() -> None:
    """A value may hold the words, only a line may mean them."""
    head = HEAD.replace(b"X-One: 1", b"X-One: content-length: 9")
    data = head + b"hello" + head.replace(b"Length: 5", b"Length: 2") + b"ok"
    assert [body for _, body in read_all(data)] == [b"hello", b"ok"]


HOSTS = {
    b"a": True,
    b"a.example:443": True,
    b"[::1]:8080": True,
    b"127.0.0.1": True,
    b"": False,
    b"a:": False,
    b"a:65536": False,
    b"a b": False,
    b"a,b": False,
    b"user@a": False,
    b"a/b": False,
    b"[::1": False,
}


@pytest.mark.parametrize("host", HOSTS, ids=repr)
def test_host_is_a_name_and_a_port(host: bytes) -> None:
    """A host that a cache or a log reads differently is somebody else's host."""
    block = b"GET /v1/models HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    if HOSTS[host]:
        assert read_head(block, LIMITS).headers[b"host"] == host
    else:
        with pytest.raises(Refusal):
            read_head(block, LIMITS)


TARGETS = {
    b"/v1/models": True,
    b"/v1/models?a=b%0d": True,  # a query is never decoded here
    b"/v1/models/gpt-4.1": True,
    b"/v1/../admin": False,
    b"/v1/./models": False,
    b"/v1/%2e%2e/admin": False,
    b"/v1/%2E./admin": False,
    b"/v1%2f..%2fadmin": False,
    b"/v1/models%0d%0aX:1": False,
    b"/v1/models%00": False,
    b"/v1\\models": False,
    b"/v1/models%5c": False,
    b"/v1/models#x": False,
    b"*": False,
    b"http://169.254.169.254/": False,
    b"//evil/..": False,
    b"/v1/m\xc3\xb6dels": False,
    b"/v1/models\x7f": False,
}


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_target_is_a_plain_path(target: bytes) -> None:
    """What some server on the way might decode into another path is refused with 400."""
    block = b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    if TARGETS[target]:
        assert isinstance(read_head(block, LIMITS), Head)
    else:
        with pytest.raises(Refusal) as refusal:
            read_head(block, LIMITS)
        assert refusal.value.code.status == 400


@pytest.mark.parametrize(
    "lines",
    [
        b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
        b"X-S4fw-Tenant: a\r\nx-s4fw-tenant: b\r\n",
        b"Content_Length: 5\r\n",
        b"X_S4FW_Tenant: a\r\n",
        b"Transfer_Encoding: chunked\r\n",
        b"Connection: upgrade\r\nUpgrade: h2c\r\n",
        b"Expect: magic\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"X : y\r\n",
        b"X: y\r\n folded\r\n",
    ],
)
def test_ambiguous_fields_are_refused(lines: bytes) -> None:
    """Two readers, two meanings: the request is refused."""
    with pytest.raises(Refusal):
        read_head(b"POST / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n", LIMITS)


def test_limits_of_the_head_hold() -> None:
    """One field too many, one byte too many."""
    limits = replace(LIMITS, header_fields_max=10, headers_bytes_max=1024)
    few = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 9 + b"\r\n"
    assert read_head(few, limits).headers[b"x"] == b", ".join([b"y"] * 9)
    for block in (
        few.replace(b"\r\n\r\n", b"\r\nX: y\r\n\r\n"),
        few.replace(b"Host: a", b"Host: a\r\nY: " + b"y" * 1024),
    ):
        with pytest.raises(Refusal) as refusal:
            read_head(block, limits)
        assert refusal.value.code.status == 431


def test_partial_head_never_grows_beyond_its_limit() -> None:
    """Without an end in sight the limit is checked on the way."""
    reader = RequestReader()
    limits = replace(LIMITS, headers_bytes_max=1024)
    reader.read_head(b"GET / HTTP/1.1\r\nX: ", None, limits)
    for _ in range(50):
        reader.read_head(b"y" * 20, None, limits)
    with pytest.raises(Refusal):
        reader.read_head(b"y" * 20, None, limits)
