"""Reads the requests of one connection out of its bytes: heads, then bodies.  No I/O here.

Most connections send the same head again and again, but for its Content-Length.  So the last head
is kept together with the bytes before and after the digits of that length: when they stand there
again, around other digits of the same kind, the head has the same meaning and is not parsed again.
"""

from __future__ import annotations

from typing import Final

from s4fw.proxy.chunked import ChunkedBody
from s4fw.proxy.head import HEAD_END, Head, PartialHead, read_head
from s4fw.proxy.settings import Settings

_LENGTH_NAME: Final = b"\r\ncontent-length: "


class RequestReader:
    """The request being read: `head` once it is there, `body` once that is complete."""

    __slots__ = ("_after", "_before", "_chunked", "_left", "_partial", "_parts", "body", "head")

    def __init__(self) -> None:
        self.head: Head | None = None
        self.body: bytes | bytearray | None = None
        self._partial: PartialHead | None = None
        self._parts: bytearray | None = None
        self._chunked: ChunkedBody | None = None
        self._left = 0  # bytes of a body of known length still to come
        self._before = b""  # of the last head, what stood around the digits of its length
        self._after = b""

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a next head has arrived; an empty line before it is nothing."""
        return not self._partial

    def read_head(self, data: bytes, last: Head | None, settings: Settings) -> bytes:
        """Take bytes of a head; sets `head` when it is whole.  Returns what is left.

        A body of known length that is all there is taken along.  `last` is the head of the request
        before on this connection.  Raises Refusal.
        """
        if self._partial is None:
            if self._before and last is not None and data.startswith(self._before):
                rest = self._read_same(data, last)
                if rest is not None:
                    return rest
            end = data.find(HEAD_END)
            if end >= 0 and data[0] != 13:
                end += len(HEAD_END)
                head = self._take(data[:end], settings)
                return data[end:] if head.is_chunked else self._take_along(data, end, head)
            self._partial = PartialHead()
        whole = self._partial.feed(data, settings)
        if whole is None:
            return b""
        self._partial = None
        head = self._take(whole[0], settings)
        return whole[1] if head.is_chunked else self._take_along(whole[1], 0, head)

    def _take_along(self, data: bytes, at: int, head: Head) -> bytes:
        """Take the body out of the bytes after a head, if it is all there."""
        end = at + head.content_length
        if len(data) < end:
            return data[at:]
        self.body = data[at:end]
        return data[end:]

    def _take(self, block: bytes, settings: Settings) -> Head:
        head = self.head = read_head(block, settings)
        self._before = b""
        if head.content_length and not head.expects_continue:
            # In a head that was accepted it stands once.  A field whose *value* held these bytes
            # would need a CR LF in it, which was refused.
            at = block.lower().find(_LENGTH_NAME)
            if at >= 0:
                at += len(_LENGTH_NAME)
                end = block.index(b"\r\n", at)
                if block[at:end] == b"%d" % head.content_length:
                    self._before, self._after = block[:at], block[end:]
        return head

    def _read_same(self, data: bytes, last: Head) -> bytes | None:
        """The head of last time around another length; None when it is not."""
        at = len(self._before)
        end = data.find(b"\r", at, at + 20)
        if end < 0 or not data.startswith(self._after, end):
            return None
        digits = data[at:end]
        if not digits.isdigit() or digits[0] == 48 or len(digits) > 18:  # 48: a leading zero
            return None
        last.content_length = int(digits)
        last.headers[b"content-length"] = digits
        self.head = last
        return self._take_along(data, end + len(self._after), last)

    def begin_body(self, settings: Settings) -> None:
        """The head was found good, and its body is not all there yet."""
        head = self.head
        assert head is not None
        if head.is_chunked:
            self._chunked = ChunkedBody(settings.body_bytes_max)
        else:
            self._left = head.content_length
            self._parts = bytearray()

    def read_body(self, data: bytes) -> bytes:
        """Take bytes of the body; sets `body` when it is whole.  Returns the rest.

        Raises Refusal.
        """
        chunked = self._chunked
        if chunked is not None:
            chunked.feed(data)
            if chunked.is_complete:
                self.body = chunked.body
            return chunked.rest
        parts = self._parts
        assert parts is not None
        taken = min(self._left, len(data))
        parts += memoryview(data)[:taken]
        self._left -= taken
        if not self._left:
            self.body = parts
        return data[taken:]

    def next(self) -> None:
        """Forget the request; the next one may come."""
        self.head = None
        self.body = None
        self._parts = None
        self._chunked = None
