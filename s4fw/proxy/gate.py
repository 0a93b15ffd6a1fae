"""What can be refused by a request's head alone, whoever calls: before the body costs anything."""

from __future__ import annotations

from s4fw import dialects
from s4fw.core.dialect import Route
from s4fw.core.verdict import Block
from s4fw.errors import (
    FIREWALL_DRAINING,
    INVALID_REQUEST,
    METHOD_NOT_ALLOWED,
    REQUEST_TOO_LARGE,
    UNSUPPORTED_ENCODING,
)
from s4fw.proxy.head import Head
from s4fw.proxy.prefixes import begun
from s4fw.proxy.settings import Settings
from s4fw.proxy.shed import BUSY


def route_of(head: Head, settings: Settings) -> Route | Block:
    """The governed route of a head, or why it has none; looked up once for heads that repeat."""
    route = head.route
    if route is None or head.judged_by is not settings:
        head.judged_by = settings
        route = head.route = _judged(head, settings)
    return route


def is_probe(head: Head, block: Block) -> bool:
    """Whether a refused head only asks if anybody is here, as some agents do before they start:
    HEAD of the root or of a governed path."""
    return head.method == b"HEAD" and (block.code is METHOD_NOT_ALLOWED or head.begun.below == b"/")


def _judged(head: Head, settings: Settings) -> Route | Block:
    parts = begun(head.path, settings.prefixes)
    if isinstance(parts, Block):
        return parts
    head.begun = parts
    route = dialects.match(head.method, parts.below, head.headers)
    if isinstance(route, Block):
        return route
    if head.method == b"HEAD":  # its answer could not be told from the next one
        return Block(METHOD_NOT_ALLOWED, "HEAD is not forwarded", allow="GET, POST")
    if head.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return Block(UNSUPPORTED_ENCODING, "a compressed body cannot be metered; send it plain")
    return route


def pressing(
    head: Head, settings: Settings, in_flight: int, is_draining: bool, shed: Block | None
) -> Block | None:
    """Why this very request is refused now, though its route is governed."""
    if is_draining:
        return Block(FIREWALL_DRAINING, "the firewall is shutting down; try again")
    if shed is not None:
        return shed
    if in_flight >= settings.in_flight_max:
        return BUSY
    if head.content_length > settings.body_bytes_max:
        return Block(REQUEST_TOO_LARGE, "the request's body is larger than allowed")
    if head.method == b"GET" and (head.content_length or head.is_chunked):
        return Block(INVALID_REQUEST, "a GET request has no body here")
    return None
