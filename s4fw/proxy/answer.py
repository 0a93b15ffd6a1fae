"""The answer of an upstream, read as it arrives: its head, its body in pieces, its end.

The parser checks every byte; the fields to pass on are then cut out of the raw head in one piece,
without those that end here.  A field per call into Python would cost more than all the rest.
"""

from __future__ import annotations

import re
from typing import Final

from s4fw.proxy.head import HEAD_END, LENGTH
from s4fw.proxy.http1 import AnswerParser

INTERIM_MAX: Final = 16  # 1xx answers before the real one; more is a flood

# Fields that are read here, or that end with the upstream's connection, or that would speak for the
# wrong server: alt-svc would lead callers past us.  For lower-cased heads: ignoring case in the
# expression would keep it from looking for the line ends first (measured: three times slower).
_FIELD: Final = re.compile(
    rb"\r\n(alt-svc|connection|content-(?:encoding|length|type)|keep-alive|location|"
    rb"proxy-[^:]*|te|trailer|transfer-encoding|upgrade|x-amzn-bedrock-[a-z-]*-count|x-s4fw-[^:]*)"
    rb":([^\r]*)"
)
_KEPT: Final = frozenset({b"content-encoding", b"content-type", b"location"})
_KEPT_PREFIX: Final = b"x-amzn-"  # counts that a provider tells in its head
_STREAMS: Final = (b"text/event-stream", b"application/vnd.amazon.eventstream")
_BODILESS: Final = frozenset({204, 205, 304})
_VERSIONS: Final = (b"HTTP/1.1 ", b"HTTP/1.0 ")


class AnswerReader:
    """The answers of one upstream connection, one after the other.

    `expect` before each request.  After each `feed` the owner looks: `has_head`, then `pieces`
    (body bytes, to be cleared by the owner), `is_complete`, `is_faulty`.  Raises nothing.
    """

    __slots__ = (
        "_head_bytes_max",
        "_interims",
        "_kept_pieces",
        "_parser",
        "_raw",
        "_spare_bytes",
        "content_length",
        "ends_at_close",
        "fields",
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
        self._parser = AnswerParser(self)

    def expect(self) -> None:
        """Forget the last answer; the next one may come."""
        self.pieces.clear()
        self._raw = b""  # until the head is complete
        self._spare_bytes = 0  # since the last bytes of body
        self._interims = 0
        self._kept_pieces = -1
        self.lines = b""  # the fields to pass on, each with its CR LF
        self.fields: dict[bytes, bytes] = {}  # those that are read here or by a meter
        self.content_length = -1  # unknown
        self.ends_at_close = False
        self.has_head = False
        self.is_complete = False
        self.is_encoded = False
        self.is_faulty = False
        self.is_reusable = False
        self.is_stream = False
        self.status = 0

    def close(self) -> None:
        """Let go of the parser, which holds this object in turn."""
        self._parser.close()

    def feed(self, data: memoryview) -> None:
        """Take bytes of the answer; nothing of `data` is kept."""
        if not self.has_head:
            self._raw += data
        if not self._parser.feed(data):
            self.is_reusable = False  # unreadable: the answer's fault, unless it was complete
            self.is_faulty |= not self.is_complete
        if self._kept_pieces >= 0:
            del self.pieces[self._kept_pieces :]
        if self.pieces:
            self._spare_bytes = 0
        elif not self.is_complete:
            # A head, a chunk size with extensions, trailers: none of them may go on for ever.
            self._spare_bytes += len(data)
            self.is_faulty |= self._spare_bytes > 2 * self._head_bytes_max

    # Called by the parser.

    def on_message_begin(self) -> None:
        if self.is_complete:  # bytes after the end: whose answer would they be?
            self.is_reusable = False
            if self._kept_pieces < 0:
                self._kept_pieces = len(self.pieces)

    def on_headers_complete(self) -> None:
        if self.has_head:
            return
        status = self._parser.status
        if status < 200:
            self._interims += 1
            self.is_faulty |= self._interims > INTERIM_MAX or status in (0, 101) or status < 100
            return
        self.status = status
        self.has_head = True
        raw, self._raw = self._raw, b""
        self._judge(raw)

    def on_message_complete(self) -> None:
        if self.has_head and not self.is_complete:
            self.is_complete = True
            self.is_reusable = self._parser.is_keep_alive

    def _judge(self, raw: bytes) -> None:
        """Read what the head says of the body; refuse what could be read in two ways."""
        at = 0
        for _ in range(self._interims):  # each is a head without a body
            at = raw.index(HEAD_END, at) + len(HEAD_END)
        end = raw.index(HEAD_END, at)
        if not raw.startswith(_VERSIONS, at) or end - at > self._head_bytes_max:
            self.is_faulty = True
            return
        fields = self.fields
        kept = []
        at = raw.index(b"\r\n", at)
        for field in _FIELD.finditer(raw[:end].lower(), at):
            name = field[1]
            if name in fields and name.startswith((b"content-", b"transfer-")):
                self.is_faulty = True
            fields[name] = field[2]
            if name not in _KEPT and not name.startswith(_KEPT_PREFIX):
                kept.append(raw[at : field.start()])
                at = field.end()
        kept.append(raw[at : end + 2])
        self.lines = b"".join(kept)[2:]
        self._judge_body(fields)
        connection = fields.get(b"connection", b" keep-alive")
        if connection != b" keep-alive" or 300 <= self.status < 400:
            self._drop_nominated(connection.strip())

    def _judge_body(self, fields: dict[bytes, bytes]) -> None:
        if self.status > 599:
            self.is_faulty = True
        length = fields.get(b"content-length")
        coding = fields.get(b"transfer-encoding")
        if length is not None:
            length = length.strip()
            if LENGTH.fullmatch(length) is None:
                self.is_faulty = True
                return
            self.content_length = int(length)
        elif coding is None:
            self.ends_at_close = self.status not in _BODILESS
        elif coding.strip() != b"chunked":
            self.is_faulty = True
        if b"content-encoding" in fields:
            self.is_encoded = fields[b"content-encoding"].strip() != b"identity"
        kind = fields.get(b"content-type")
        if kind is not None:
            self.is_stream = kind.lstrip().startswith(_STREAMS)

    def _drop_nominated(self, connection: bytes) -> None:
        """Drop what `Connection` names, and where a redirect leads: it is never followed."""
        names: set[bytes] = set()
        if connection not in (b"", b"close", b"keep-alive"):
            names.update(connection.split(b","))
        if 300 <= self.status < 400:
            names.add(b"location")
        if names:
            names = {name.strip() for name in names}
            lines = self.lines.split(b"\r\n")[:-1]
            kept = [line for line in lines if line.partition(b":")[0].lower() not in names]
            self.lines = b"".join(line + b"\r\n" for line in kept)
