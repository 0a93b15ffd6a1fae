"""The head of a request: read by the parser, then judged.

What llhttp accepts and a proxy must not is refused here: versions other than 1.0 and 1.1, CONNECT
and upgrades, hosts missing, doubled or malformed, transfer codings other than exactly `chunked`,
lengths with leading zeros, targets that are not a plain path, control bytes, and anything beyond
the limits (the parser has none).

A head is cut out of the stream before it is parsed and its body is never shown to that parser, so
where a request ends is known to the byte: the parser cannot be paused between two requests.
"""

from __future__ import annotations

import re
from typing import Final

from s4fw.core.dialect import Route
from s4fw.core.request import NO_LABELS
from s4fw.core.verdict import Block
from s4fw.errors import (
    EXPECTATION_FAILED,
    HEADERS_TOO_LARGE,
    INVALID_REQUEST,
    NOT_IMPLEMENTED,
    VERSION_NOT_SUPPORTED,
    Refusal,
)
from s4fw.proxy.http1 import Malformed, parse_request_head
from s4fw.proxy.prefixes import Begun
from s4fw.proxy.settings import Settings

HEAD_END: Final = b"\r\n\r\n"

_LINE: Final = re.compile(rb'([A-Z]{1,20}) (/[!-"$-~]*) HTTP/1\.([01])\r\n')
_OTHER_VERSION: Final = re.compile(rb"[A-Z]+ [!-~]+ HTTP/(?!1\.[01]\r)\d{1,3}\.\d{1,3}\r\n")
_METHOD_BYTES_MAX: Final = 20
_LINE_BEGIN: Final = re.compile(rb"[A-Z]{1,20}(?: [!-~]?|$)")
_LONE_LINE_END: Final = re.compile(rb"[^\r]\n|\r[^\n]")

# TAB, CR, LF, printable ASCII, and obs-text (never decoded, never forwarded).
_TEXT: Final = bytes([9, 10, 13, *range(0x20, 0x7F), *range(0x80, 0x100)])

# What some server on the way might decode into another path, line or end of string.
_UNSAFE_PATH: Final = re.compile(
    rb"\\|%(?:[01][0-9A-Fa-f]|7[Ff]|5[Cc])|(?:/|%2[Ff])(?:\.|%2[Ee]){1,2}(?:/|%2[Ff]|$)"
)
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?")
LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,17}")
_CODINGS: Final = re.compile(rb"(?:x-)?(?:gzip|deflate|compress|br|zstd)(?:[ \t]*,[ \t]*chunked)?")

# Fields that decide something here or are forwarded as one value: a second one is refused.
_ONCE: Final = frozenset(
    {
        b"anthropic-user-profile-id",
        b"anthropic-version",
        b"anthropic-workspace-id",
        b"api-key",
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
        b"x-amz-content-sha256",
        b"x-amz-date",
        b"x-amz-security-token",
        b"x-api-key",
    }
)


_ONCE_PREFIXES: Final = (b"x-s4fw-", b"x-amzn-bedrock-")


class Head:
    """A request's head.  `content_length` is 0 without one; `is_chunked` says it has none.

    A connection keeps its last head and gives it to a request whose head is the same in all but
    the length, so what is in here is never changed by a request.
    """

    __slots__ = (
        "begun",
        "content_length",
        "expects_continue",
        "forwarded",
        "headers",
        "is_chunked",
        "is_http11",
        "is_keep_alive",
        "judged_by",
        "method",
        "path",
        "query",
        "route",
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
        # What was made of it for an earlier request:
        self.judged_by: Settings | None = None  # what the next two were made under
        self.begun = Begun(self.path, NO_LABELS, b"")
        self.route: Route | Block | None = None
        self.forwarded: tuple[object, bool, bytes] | None = None  # see `headers.upstream_head`


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
        elif name in _ONCE or name.startswith(_ONCE_PREFIXES):
            self.is_ambiguous = True
        else:
            headers[name] += b", " + value.rstrip()
        if b"_" in name:
            twin = name.replace(b"_", b"-")
            # Servers in the CGI tradition take the two for one.
            self.is_ambiguous |= twin in _ONCE or twin.startswith(_ONCE_PREFIXES)


def read_head(block: bytes, settings: Settings) -> Head:
    """Read one head, from its first byte to the empty line.  Raises Refusal."""
    if len(block) > settings.headers_bytes_max:
        raise too_large()
    line = _LINE.match(block)
    if line is None:
        raise bad_line(block)
    if block.translate(None, _TEXT):
        raise invalid("the head holds control bytes")
    head = Head(line[1], line[2], line[3] == b"1")
    fields = _Fields()
    try:
        head.is_keep_alive, is_upgrade = parse_request_head(block, fields)
    except Malformed:
        raise invalid("the head is malformed") from None
    if fields.count > settings.header_fields_max:
        raise too_large()
    if fields.is_ambiguous:
        raise invalid("a header field that may stand once stands twice")
    if is_upgrade:
        raise invalid("upgrades are not supported")
    head.headers = fields.headers
    _judge(head)
    return head


def _judge(head: Head) -> None:
    """Refuse what the parser accepts and two servers might read differently."""
    headers = head.headers
    if _UNSAFE_PATH.search(head.path):
        raise invalid("the path holds encoded control bytes or dot segments")
    host = headers.get(b"host")
    if host is None:
        if head.is_http11:
            raise invalid("the host header is missing")
    else:
        match = _HOST.fullmatch(host)
        if match is None or (match[1] is not None and int(match[1]) > 65_535):
            raise invalid("the host header is malformed")
    if b"transfer-encoding" in headers:
        _judge_coding(head)
    length = headers.get(b"content-length")
    if length is not None:
        if LENGTH.fullmatch(length) is None:
            raise invalid("the content-length is malformed")
        head.content_length = int(length)
    if b"expect" in headers and head.is_http11:
        if headers[b"expect"].lower() != b"100-continue":
            raise Refusal(EXPECTATION_FAILED, "the only expectation met here is 100-continue")
        head.expects_continue = head.is_chunked or head.content_length > 0


def _judge_coding(head: Head) -> None:
    coding = head.headers[b"transfer-encoding"].lower()
    if not head.is_http11:
        raise invalid("transfer codings need HTTP/1.1")
    if coding != b"chunked":
        if _CODINGS.fullmatch(coding):
            raise Refusal(NOT_IMPLEMENTED, "the only transfer coding read here is chunked")
        raise invalid("the transfer-encoding is malformed")
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
            raise too_large()
        if held and held != b"\r":
            self._check(data, old)
        return None

    def _check(self, data: bytes, old: int) -> None:
        held = self._bytes
        if data.translate(None, _TEXT) or _LONE_LINE_END.search(held, old) or held[0] == 10:
            raise invalid("the head holds control bytes or a lone line end")
        if self._is_line_good:
            return
        if held.find(b"\r\n", old) < 0:
            # Only as far as the method: a line that grows byte by byte is not looked at again.
            if _LINE_BEGIN.match(held, 0, _METHOD_BYTES_MAX + 2) is None:
                raise invalid("the request line is malformed")
        elif _LINE.match(held) is None:
            raise bad_line(bytes(held))
        else:
            self._is_line_good = True


def bad_line(block: bytes) -> Refusal:
    """Why a request line is refused."""
    if _OTHER_VERSION.match(block):
        return Refusal(VERSION_NOT_SUPPORTED, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    return invalid("the request line is malformed")


def invalid(sentence: str) -> Refusal:
    """A request that cannot be read safely."""
    return Refusal(INVALID_REQUEST, sentence)


def too_large() -> Refusal:
    """A head beyond the limits."""
    return Refusal(HEADERS_TOO_LARGE, "the request's head is larger than allowed")
