"""Header fields in both directions: what is forwarded, what is added, nothing else.

A request to an upstream is built from zero out of an allow-list, so nothing a caller writes reaches
the provider's framing, routing or caching.  Cookies, forwarding headers, conditions, ranges,
hop-by-hop fields, `baggage`, what other gateways have invented and every `x-s4fw-*` are not on the
list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from s4fw.core.exchange import Exchange
from s4fw.errors import BUDGET_EXCEEDED
from s4fw.proxy.head import Head
from s4fw.proxy.origin import Origin, Signer
from s4fw.units import usd_9

FORWARDED: Final = frozenset(
    {
        b"accept",
        b"anthropic-beta",
        b"anthropic-version",
        b"content-type",
        b"idempotency-key",
        b"openai-beta",
        b"traceparent",
        b"tracestate",
        b"user-agent",
        b"x-client-request-id",
    }
)
FORWARDED_PREFIX: Final = b"x-stainless-"  # the SDKs' own account of themselves
# To Bedrock: guardrails, tracing, latency and tier are fields of the head there.
_BEDROCK_PREFIX: Final = b"x-amzn-bedrock-"
_BEDROCK_ID: Final = b"amz-sdk-invocation-id"  # the same for all tries of one call
# Whose account at the provider pays: with a credential of ours that is not the caller's choice.
_CALLERS_OWN: Final = (
    b"authorization",
    b"api-key",
    b"x-api-key",
    b"anthropic-user-profile-id",
    b"anthropic-workspace-id",
    b"openai-organization",
    b"openai-project",
)
# An authorization made for our host name and path: worth nothing elsewhere.
_SIGNATURE: Final = b"aws4-"

# Query members that select a version of the API.  On a metered route nothing else is forwarded:
# the quote was made from the body, and no server may find a bound or a model anywhere else.
_QUERY_MEMBER: Final = re.compile(rb"(?:beta|api-version)=[A-Za-z0-9._-]{1,64}")

_CRLF: Final = b"\r\n"
_COLON: Final = b": "

STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode("ascii"))
    for status in HTTPStatus
}


def status_line(status: int) -> bytes:
    """The first line of an answer; our own phrase, whatever the upstream called it."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def upstream_head(
    x: Exchange,
    head: Head,
    origin: Origin,
    pieces: Sequence[bytes | bytearray | memoryview],
    body_bytes: int,
) -> bytes:
    """The head of the request to the upstream; made once for heads that repeat.  Raises Refusal
    where it cannot be signed."""
    is_own = passes_own(x, origin)
    made = head.forwarded
    if made is None or made[0] is not origin or made[1] is not is_own:
        made = head.forwarded = (origin, is_own, _request_lines(x, origin, is_own))
    return _ended(x, origin, is_own, made[2], pieces, body_bytes)


def single_head(x: Exchange, origin: Origin, body: bytes) -> bytes:
    """The head of a request that is made once.  Raises Refusal where it cannot be signed."""
    is_own = passes_own(x, origin)
    lines = _request_lines(x, origin, is_own)
    return _ended(x, origin, is_own, lines, (body,), len(body))


def _ended(
    x: Exchange,
    origin: Origin,
    is_own: bool,
    lines: bytes,
    pieces: Sequence[bytes | bytearray | memoryview],
    body_bytes: int,
) -> bytes:
    if origin.signer is not None and not is_own:
        lines += _signature(x, origin, origin.signer, pieces)
    if x.request.method == b"GET":
        return lines + _CRLF
    return b"%bcontent-length: %d\r\n\r\n" % (lines, body_bytes)


def passes_own(x: Exchange, origin: Origin) -> bool:
    """Whether the caller's own credential goes upstream.  A key of ours is never shown to a
    provider; where we were found to have nothing to sign with, a key of the caller's for that
    provider will do."""
    if x.caller is not None or origin.credential:
        return False
    signer = origin.signer
    return signer is None or (signer.has_nothing() and any(_own(x)))


def _own(x: Exchange) -> Iterator[tuple[bytes, bytes]]:
    """The caller's fields that are its own credential or choose whose account pays."""
    for name in _CALLERS_OWN:
        value = x.request.headers.get(name, b"")
        if value and value.isascii() and not value.lower().startswith(_SIGNATURE):
            yield name, value


def _signature(
    x: Exchange,
    origin: Origin,
    signer: Signer,
    pieces: Sequence[bytes | bytearray | memoryview],
) -> bytes:
    """The lines that a signer adds: each request has its own."""
    request = x.request
    path = origin.base_path + x.route.upstream_path
    fields = list(_forwarded(x))
    known = request.body_sha256 if request.edits is None else b""
    return signer.sign(request.method, origin.authority, path, _query(x), fields, pieces, known)


def _request_lines(x: Exchange, origin: Origin, is_own: bool) -> bytes:
    """The request line and all fields but the length and a signature."""
    request = x.request
    query = _query(x)
    lines = [
        request.method,
        b" ",
        origin.base_path,
        x.route.upstream_path,
        b"?" + query if query else b"",
        b" HTTP/1.1\r\nhost: ",
        origin.authority,
        b"\r\naccept-encoding: identity\r\n",
    ]
    for name, value in _forwarded(x):
        lines += (name, _COLON, value, _CRLF)
    if origin.credential:
        lines.append(origin.credential)
    elif is_own:
        for name, value in _own(x):
            lines += (name, _COLON, value, _CRLF)
    return b"".join(lines)


def _forwarded(x: Exchange) -> Iterator[tuple[bytes, bytes]]:
    """The caller's fields that the upstream gets."""
    headers = x.request.headers
    hidden = _nominated(headers)
    is_bedrock = x.route.provider == "bedrock"
    for name, value in headers.items():
        is_listed = name in FORWARDED or name.startswith(FORWARDED_PREFIX)
        if is_bedrock and not is_listed:
            is_listed = name == _BEDROCK_ID or name.startswith(_BEDROCK_PREFIX)
        if is_listed and value.isascii() and name not in hidden:
            yield name, value


def _nominated(headers: dict[bytes, bytes]) -> tuple[bytes, ...]:
    """Fields that the caller's `Connection` declares hop-by-hop."""
    connection = headers.get(b"connection", b"").lower()
    if connection in (b"", b"keep-alive", b"close"):
        return ()
    return tuple(name.strip() for name in connection.split(b","))


def _query(x: Exchange) -> bytes:
    query = x.request.query
    if not query or not x.route.is_metered:
        return query
    return b"&".join(m for m in query.split(b"&") if _QUERY_MEMBER.fullmatch(m))


def governed(x: Exchange, reserved_nusd: int) -> bytes:
    """The lines that tell the caller what was held, and what is left of its tightest budget."""
    text = f"x-s4fw-request-id: {x.request_id}\r\nx-s4fw-reserved-usd: {usd_9(reserved_nusd)}\r\n"
    if x.budget_id is not None:
        text += (
            f"x-s4fw-budget-id: {x.budget_id}\r\n"
            f"x-s4fw-budget-remaining-usd: {usd_9(x.budget_remaining_nusd)}\r\n"
        )
        if x.budget_resets_at is not None:
            text += f"x-s4fw-budget-resets-at: {x.budget_resets_at}\r\n"
    if x.budget_warning is not None:
        text += f"x-s4fw-budget-warning: {x.budget_warning}\r\n"
    if x.loop_note is not None:
        text += f"x-s4fw-loop: {x.loop_note}\r\n"
    if x.billed_nusd is not None:
        text += f"x-s4fw-cost-usd: {usd_9(x.billed_nusd)}\r\n"
    return text.encode("ascii", "replace")


def refusing(detail: Mapping[str, Any]) -> bytes:
    """The lines about the budget that refused, where callers may see its amounts."""
    left = detail.get("remaining_nusd")
    if left is None:
        return b""
    text = (
        f"x-s4fw-budget-id: {detail['budget_id']}\r\nx-s4fw-budget-remaining-usd: {usd_9(left)}\r\n"
    )
    if detail["resets_at"] is not None:
        text += f"x-s4fw-budget-resets-at: {detail['resets_at']}\r\n"
    return text.encode("ascii", "replace")


def decision(x: Exchange) -> bytes:
    """The decision on a request that was let through, and what was made smaller in it."""
    if x.clamped_to or x.rerouted_to is not None:
        return _made_smaller(x)
    if x.shadow_reason is None:
        return b"x-s4fw-decision: allow\r\n"
    reason = x.shadow_reason.encode("ascii", "replace")
    return b"x-s4fw-decision: shadow_block\r\nx-s4fw-reason: " + reason + _CRLF


def _made_smaller(x: Exchange) -> bytes:
    """What a budget did instead of refusing; the reason is the refusal that would have been."""
    word = "clamp" if x.clamped_to else "allow"
    text = f"x-s4fw-decision: {word}\r\nx-s4fw-reason: {BUDGET_EXCEEDED.name}\r\n"
    if x.clamped_to:
        text += f"x-s4fw-clamped: {x.clamped_to}\r\n"
    if x.rerouted_to is not None:
        text += f"x-s4fw-model: {x.rerouted_to}\r\n"
    return text.encode("ascii", "replace")
