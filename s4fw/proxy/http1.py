"""The HTTP parser behind two small doors: the only file that imports httptools (llhttp).

llhttp runs in its strict mode; its leniencies (`set_dangerous_leniencies`) must never be switched
on.  What it lets through and a proxy must not is refused in `head` and `answer`.
"""

from __future__ import annotations

from typing import Any, Protocol

import httptools


class Malformed(Exception):
    """The parser refused the bytes; what it says of them is dropped, it may quote them."""


class Fields(Protocol):
    """Takes the header fields of a head."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field, as it stands there."""


def parse_request_head(block: bytes, fields: Fields) -> tuple[bool, bool]:
    """Parse a whole head; returns whether the connection is kept and whether it asks to upgrade.

    Raises Malformed.  The parser is thrown away, so it never waits for a body.
    """
    parser = httptools.HttpRequestParser(fields)
    try:
        parser.feed_data(block)
    except httptools.HttpParserUpgrade:
        return False, True
    except httptools.HttpParserError:
        raise Malformed from None
    return parser.should_keep_alive(), parser.should_upgrade()


class AnswerEvents(Protocol):
    """Takes what is found in the answers of a connection."""

    def on_message_begin(self) -> None:
        """An answer begins."""

    def on_headers_complete(self) -> None:
        """Its head was read."""

    def on_body(self, data: bytes) -> None:
        """Bytes of its body."""

    def on_message_complete(self) -> None:
        """It ended, by its own framing."""


class AnswerParser:
    """The parser of one upstream connection.  `close` when done: the two hold each other."""

    __slots__ = ("_parser",)

    def __init__(self, events: AnswerEvents) -> None:
        self._parser: Any = httptools.HttpResponseParser(events)

    @property
    def status(self) -> int:
        """The status of the present answer."""
        return int(self._parser.get_status_code())

    @property
    def is_keep_alive(self) -> bool:
        """Whether the upstream keeps the connection after the present answer."""
        return bool(self._parser.should_keep_alive())

    def feed(self, data: memoryview) -> bool:
        """Parse bytes; False when they cannot be read (an upgrade is none of ours either)."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return False
        return True

    def close(self) -> None:
        """Let go of the events' owner."""
        self._parser = None
