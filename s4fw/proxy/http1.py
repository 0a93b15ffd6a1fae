"""Heads of requests and answers of upstreams: the only file that knows the HTTP parser.

httptools (llhttp, strict) reads each head; what it lets through and a proxy must not is refused
here: versions other than 1.0 and 1.1, CONNECT and upgrades, hosts missing, doubled or malformed,
transfer codings other than exactly `chunked`, lengths with leading zeros, targets that are not a
plain path, control bytes, and anything beyond the limits (llhttp has none).

A head is cut out of the stream before it is parsed and its body is never shown to that parser, so
where a request ends is known to the byte: httptools cannot be paused between two requests.  Its
leniencies (`set_dangerous_leniencies`) must never be switched on.
"""

from __future__ import annotations

import re
from typing import Any

import httptools

from s4fw.errors import (
    EXPECTATION_FAILED,
    HEADERS_TOO_LARGE,
    INVALID_REQUEST,
    NOT_IMPLEMENTED,
    VERSION_NOT_SUPPORTED,
    Refusal,
)
from s4fw.proxy.settings import Settings

HEAD_END = b"\r\n\r\n"

_LINE = re.compile(rb'([A-Z]{1,20}) (/[!-"$-~]*) HTTP/1\.([01])\r\n')
_OTHER_VERSION = re.compile(rb"[A-Z]+ [!-~]+ HTTP/(?!1\.[01]\r)\d{1,3}\.\d{1,3}\r\n")
_LINE_BEGIN = re.compile(rb"[A-Z]{1,20}(?: [!-~]*)?")
_LONE_LINE_END = re.compile(rb"[^\r]\n|\r[^\n]")

# TAB, CR, LF, printable ASCII, and obs-text (never decoded, never forwarded).
_TEXT = bytes([9, 10, 13, *range(0x20, 0x7F), *range(0x80, 0x100)])

# What some server on the way might decode into another path, line or end of string.
_UNSAFE_PATH = re.compile(
    rb"\\|%(?:[01][0-9A-Fa-f]|7[Ff]|5[Cc])|(?:/|%2[Ff])(?:\.|%2[Ee]){1,2}(?:/|%2[Ff]|$)"
)
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?")
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}")
_CODINGS = re.compile(rb"(?:x-)?(?:gzip|deflate|compress|br|zstd)(?:[ \t]*,[ \t]*chunked)?")

# Fields that decide something here or are forwarded as one value: a second one is refused.
_ONCE = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"idempotency-key",
        b"openai-organization",
        b"openai-project",
        b"transfer-encoding",
        b"x-api-key",
    }
)


class Head:
    """A request's head.  `content_length` is 0 without one; `is_chunked` says it has none."""

    __slots__ = (
        "content_length",
        "expects_continue",
        "headers",
        "is_chunked",
        "is_http11",
        "is_keep_alive",
        "method",
        "path",
        "query",
    )

    def __init__(self, method: bytes, target: bytes, is_http11: bool) -> None:
        self.method = method
        self.path, _, self.query = target.partition(b"?")
        self.is_http11 = is_http11
        self.headers: dict[bytes, bytes] = {}
        self.is_keep_alive = False
        self.is_chunked = False
        self.content_length = 0
        self.expects_continue = False


class _Fields:
    """Collects header fields for one head."""

    __slots__ = ("count", "headers", "is_ambiguous")

    def __init__(self) -> None:
        self.count = 0
        self.headers: dict[bytes, bytes] = {}
        self.is_ambiguous = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.count += 1
        name = name.lower()
        headers = self.headers
        if name not in headers:
            headers[name] = value.rstrip()
        elif name in _ONCE or name.startswith(b"x-s4fw-"):
            self.is_ambiguous = True
        else:
            headers[name] += b", " + value.rstrip()
        if b"_" in name:
            twin = name.replace(b"_", b"-")
            # Servers in the CGI tradition take the two for one.
            self.is_ambiguous |= twin in _ONCE or twin.startswith(b"x-s4fw-")


def read_head(block: bytes, settings: Settings) -> Head:
    """Read one head, from its first byte to the empty line.  Raises Refusal."""
    if len(block) > settings.headers_bytes_max:
        raise _too_large()
    line = _LINE.match(block)
    if line is None:
        raise _bad_line(block)
    if block.translate(None, _TEXT):
        raise _invalid("the head holds control bytes")
    head = Head(line[1], line[2], line[3] == b"1")
    fields = _Fields()
    parser = httptools.HttpRequestParser(fields)
    try:
        parser.feed_data(block)
    except httptools.HttpParserError:
        raise _invalid("the head is malformed") from None
    if fields.count > settings.header_fields_max:
        raise _too_large()
    if fields.is_ambiguous:
        raise _invalid("a header field that may stand once stands twice")
    if parser.should_upgrade():
        raise _invalid("upgrades are not supported")
    head.is_keep_alive = parser.should_keep_alive()
    head.headers = fields.headers
    _judge(head)
    return head


def _judge(head: Head) -> None:
    """Refuse what the parser accepts and two servers might read differently."""
    headers = head.headers
    if _UNSAFE_PATH.search(head.path):
        raise _invalid("the path holds encoded control bytes or dot segments")
    host = headers.get(b"host")
    if host is None:
        if head.is_http11:
            raise _invalid("the host header is missing")
    else:
        match = _HOST.fullmatch(host)
        if match is None or (match[1] is not None and int(match[1]) > 65_535):
            raise _invalid("the host header is malformed")
    if b"transfer-encoding" in headers:
        _judge_coding(head)
    length = headers.get(b"content-length")
    if length is not None:
        if _LENGTH.fullmatch(length) is None:
            raise _invalid("the content-length is malformed")
        head.content_length = int(length)
    if b"expect" in headers and head.is_http11:
        if headers[b"expect"].lower() != b"100-continue":
            raise Refusal(EXPECTATION_FAILED, "the only expectation met here is 100-continue")
        head.expects_continue = head.is_chunked or head.content_length > 0


def _judge_coding(head: Head) -> None:
    coding = head.headers[b"transfer-encoding"].lower()
    if not head.is_http11:
        raise _invalid("transfer codings need HTTP/1.1")
    if coding != b"chunked":
        if _CODINGS.fullmatch(coding):
            raise Refusal(NOT_IMPLEMENTED, "the only transfer coding read here is chunked")
        raise _invalid("the transfer-encoding is malformed")
    head.is_chunked = True


class PartialHead:
    """A head that arrives in pieces; refuses as soon as it cannot become one."""

    __slots__ = ("_bytes", "_is_line_good", "_skipped_empty_line")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._is_line_good = False
        self._skipped_empty_line = False

    def __len__(self) -> int:
        return len(self._bytes)

    def feed(self, data: bytes, settings: Settings) -> tuple[bytes, bytes] | None:
        """Take bytes; returns the whole head and what followed it, or None.  Raises Refusal."""
        held = self._bytes
        old = max(0, len(held) - 1)
        held += data
        if held.startswith(b"\r\n") and not self._skipped_empty_line:
            # One empty line before a request is ignored (RFC 9112 2.2), no more.
            self._skipped_empty_line = True
            del held[:2]
            old = 0
        end = held.find(HEAD_END, max(0, old - 2))
        if end >= 0:
            end += len(HEAD_END)
            return bytes(held[:end]), bytes(held[end:])
        if len(held) > settings.headers_bytes_max:
            raise _too_large()
        if held and held != b"\r":
            self._check(data, old)
        return None

    def _check(self, data: bytes, old: int) -> None:
        held = self._bytes
        if data.translate(None, _TEXT) or _LONE_LINE_END.search(held, old) or held[0] == 10:
            raise _invalid("the head holds control bytes or a lone line end")
        if self._is_line_good:
            return
        if b"\r\n" not in held:
            if _LINE_BEGIN.match(held) is None:
                raise _invalid("the request line is malformed")
        elif _LINE.match(held) is None:
            raise _bad_line(bytes(held))
        else:
            self._is_line_good = True


def _bad_line(block: bytes) -> Refusal:
    if _OTHER_VERSION.match(block):
        return Refusal(VERSION_NOT_SUPPORTED, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    return _invalid("the request line is malformed")


def _invalid(sentence: str) -> Refusal:
    return Refusal(INVALID_REQUEST, sentence)


def _too_large() -> Refusal:
    return Refusal(HEADERS_TOO_LARGE, "the request's head is larger than allowed")


INTERIM_MAX = 16  # 1xx answers before the real one; more is a flood

# Fields of an answer that end with the upstream's connection, or that would speak for the wrong
# server: alt-svc would lead callers past us.  `Connection` may name further ones.
_DROPPED = frozenset(
    {
        b"alt-svc",
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_READ = frozenset(
    {b"connection", b"content-encoding", b"content-length", b"content-type", b"transfer-encoding"}
)
_BODILESS = frozenset({204, 205, 304})


class AnswerReader:
    """The answers of one upstream connection, one after the other.

    `expect` before each request.  After each `feed` the owner looks: `has_head`, then `pieces`
    (body bytes, to be cleared by the owner), `is_complete`, `is_faulty`.  Raises nothing.
    """

    __slots__ = (
        "_fields",
        "_head_bytes",
        "_head_bytes_max",
        "_interims",
        "_kept_pieces",
        "_parser",
        "content_length",
        "ends_at_close",
        "has_bytes",
        "has_head",
        "is_complete",
        "is_encoded",
        "is_faulty",
        "is_reusable",
        "is_stream",
        "lines",
        "on_body",
        "pieces",
        "status",
    )

    def __init__(self, head_bytes_max: int) -> None:
        self._head_bytes_max = head_bytes_max
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append
        self.expect()
        self._parser: Any = httptools.HttpResponseParser(self)

    def expect(self) -> None:
        """Forget the last answer; the next one may come."""
        self.pieces.clear()
        self._fields: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._interims = 0
        self._kept_pieces = -1
        self.lines: list[bytes] = []  # name, b": ", value, CRLF for each field to pass on
        self.content_length = -1  # unknown
        self.ends_at_close = False
        self.has_bytes = False
        self.has_head = False
        self.is_complete = False
        self.is_encoded = False
        self.is_faulty = False
        self.is_reusable = False
        self.is_stream = False
        self.status = 0

    def close(self) -> None:
        """Let go of the parser, which holds this object in turn."""
        self._parser = None

    def feed(self, data: bytes) -> None:
        """Take bytes of the answer."""
        self.has_bytes = True
        if not self.has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._spoil()
        if not self.has_head and self._head_bytes > self._head_bytes_max:
            self.is_faulty = True
        if self._kept_pieces >= 0:
            del self.pieces[self._kept_pieces :]

    def _spoil(self) -> None:
        """Something unreadable: the answer's fault, unless the answer was complete by then."""
        self.is_reusable = False
        self.is_faulty |= not self.is_complete

    # Called by the parser.

    def on_message_begin(self) -> None:
        if self.is_complete:  # bytes after the end: whose answer would they be?
            self.is_reusable = False
            if self._kept_pieces < 0:
                self._kept_pieces = len(self.pieces)

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if self.has_head:  # a trailer, or a field of a second answer
            self._head_bytes += len(name) + len(value)
            self.is_faulty |= self._head_bytes > 2 * self._head_bytes_max
            return
        if lower in _READ:
            self.is_faulty |= lower in self._fields and lower != b"connection"
            self._fields[lower] = value
        if lower not in _DROPPED and not lower.startswith(b"x-s4fw-"):
            self.lines += (name, b": ", value, b"\r\n")

    def on_headers_complete(self) -> None:
        if self.has_head:
            return
        status = self._parser.get_status_code()
        if 100 < status + 1 <= 200 and status != 101:
            self._interims += 1
            self.is_faulty |= self._interims > INTERIM_MAX
            self._fields.clear()
            self.lines.clear()
            return
        self.status = status
        self.has_head = True
        self._judge()

    def on_message_complete(self) -> None:
        if self.has_head and not self.is_complete:
            self.is_complete = True
            self.is_reusable = self._parser.should_keep_alive()

    def _judge(self) -> None:
        """Read what the head says of the body; refuse what could be read in two ways."""
        fields = self._fields
        coding = fields.get(b"transfer-encoding")
        length = fields.get(b"content-length")
        if (
            not 200 <= self.status <= 599
            or self._parser.get_http_version() not in ("1.1", "1.0")
            or self._head_bytes > self._head_bytes_max + 2**18  # one read of the event loop
            or (coding is not None and coding.strip().lower() != b"chunked")
            or (length is not None and _LENGTH.fullmatch(length.strip()) is None)
        ):
            self.is_faulty = True
            return
        if length is not None:
            self.content_length = int(length)
        self.ends_at_close = length is None and coding is None and self.status not in _BODILESS
        self.is_encoded = fields.get(b"content-encoding", b"identity").lower() != b"identity"
        kind = fields.get(b"content-type", b"")
        self.is_stream = kind[:17].lower() == b"text/event-stream"
        self._drop_nominated(fields.get(b"connection", b""))
        if 300 <= self.status < 400:
            self._drop({b"location"})  # never followed, and not for callers to follow past us

    def _drop_nominated(self, connection: bytes) -> None:
        if connection and connection.lower() not in (b"close", b"keep-alive"):
            self._drop({name.strip().lower() for name in connection.split(b",")})

    def _drop(self, names: set[bytes]) -> None:
        lines = self.lines
        kept: list[bytes] = []
        for at in range(0, len(lines), 4):
            if lines[at].lower() not in names:
                kept += lines[at : at + 4]
        self.lines = kept
