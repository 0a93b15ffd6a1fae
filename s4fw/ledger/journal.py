"""Journal rows: the counts of one exchange as a 256-byte record in the shared table.

The C side owns the record (`s4_row` in native/s4_table.h) and fills what it knows of the money:
sequence, kind, owner, cells, value ids, reserved, charged, request id.  A worker writes the rest
into the next free record of its own ring before it resolves the reservation, and the record is
published by the same atomic step that moves the money.  Only counts and ids, never content.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from time import monotonic_ns
from typing import Final

from s4fw import errors
from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason

ROW_BYTES: Final = 256


class Kind(IntEnum):
    """What a row records."""

    SETTLE = 1
    VOID = 2
    BLOCK = 3
    CORRECT = 4
    RECOVER = 5
    GAP = 6
    EVENT = 7


class Decision(IntEnum):
    """What the firewall decided."""

    ALLOW = 0
    CLAMP = 1
    SHADOW_BLOCK = 2
    BLOCK = 3
    REROUTE = 4


# Refusals by their number in a row: append only.
CODES: Final[tuple[errors.Code | None, ...]] = (
    None,
    errors.INVALID_REQUEST,
    errors.DUPLICATE_KEY,
    errors.AMBIGUOUS_FIELD,
    errors.INVALID_API_KEY,
    errors.METHOD_NOT_ALLOWED,
    errors.REQUEST_TIMEOUT,
    errors.REQUEST_TOO_LARGE,
    errors.UNSUPPORTED_ENCODING,
    errors.EXPECTATION_FAILED,
    errors.HEADERS_TOO_LARGE,
    errors.NOT_IMPLEMENTED,
    errors.VERSION_NOT_SUPPORTED,
    errors.ENDPOINT_NOT_GOVERNED,
    errors.ATTRIBUTION_CONFLICT,
    errors.UNKNOWN_MODEL,
    errors.UNBOUNDED_REQUEST,
    errors.BUDGET_EXCEEDED,
    errors.FROZEN,
    errors.UPSTREAM_UNREACHABLE,
    errors.UPSTREAM_INVALID,
    errors.UPSTREAM_CUT,
    errors.UPSTREAM_TIMEOUT,
    errors.FIREWALL_OVERLOADED,
    errors.FIREWALL_DRAINING,
    errors.FIREWALL_UNAVAILABLE,
    errors.INTERNAL_ERROR,
    errors.LOOP_DETECTED,
    errors.RATE_LIMITED,
    errors.INVALID_SIGNATURE,
    errors.MISSING_ATTRIBUTION,
    errors.MODEL_NOT_ALLOWED,
    errors.CREDENTIALS_MISSING,
    errors.NOT_FOUND,
)
CODE_INDEX: Final = {code: index for index, code in enumerate(CODES) if code is not None}

# A look-up is several times as fast as the call of an enum, and a steward reads every row.
_KINDS: Final = {member.value: member for member in Kind}
_REASONS: Final = {member.value: member for member in Reason}
_DECISIONS: Final = {member.value: member for member in Decision}

# What follows the money: price, tokens x 8, duration, first byte, code; then further tokens, the
# tool set, the time until the first byte was sent, and small numbers.
_REST: Final = "12I4IHHBBBBB31x"
_ALL: Final = struct.Struct("<Qq16sBBBBHH8I8I8Iqq" + _REST)
_AT: Final = struct.Struct("<q")  # offset 8
_REASON: Final = struct.Struct("<BB")  # offset 33
_STATUS: Final = struct.Struct("<H")  # offset 36
_TAIL: Final = struct.Struct("<" + _REST)  # offset 152
_NO_VALUES: Final = (0,) * 8
_FIELDS: Final = 58  # of a whole row
assert _ALL.size == ROW_BYTES

# Tiers by their number in a row: append only.  The last stands for what is not listed.
TIERS: Final = (
    "", "auto", "default", "standard", "flex", "priority", "fast", "scale", "batch", "other",
)  # fmt: skip
_TIER_INDEX: Final = {tier: index for index, tier in enumerate(TIERS)}

# Verdicts about loops by their number in a row: append only.
LOOPS: Final = ("", "warn", "shadow", "block")

_IS_STREAM, _IS_CLIENT_GONE = 1, 2
_NO_TOKENS: Final = (0,) * 8


class JournalRow:
    """One row as read back.  `values` are value ids by dimension, `cells` (index, generation).

    A class of its own, not a tuple: in the release build it is made and read several times as
    fast, and the steward does both for every exchange.
    """

    __slots__ = (
        "at_ns", "audio_output", "cache_write_12h", "cells", "charged_nusd", "code", "decision",
        "dropped", "duration_ms", "first_byte_ms", "further_runs", "is_client_gone", "is_stream",
        "kind", "loop", "price", "reason", "request", "reserved_nusd", "retries", "sent_us", "seq",
        "slot", "status", "tier", "tokens", "tools", "tools_id", "values", "web_searches",
    )  # fmt: skip

    def __init__(
        self,
        seq: int,
        at_ns: int,
        request: bytes,
        kind: Kind,
        reason: Reason,
        decision: Decision,
        status: int,
        slot: int,
        values: tuple[int, ...],
        cells: tuple[tuple[int, int], ...],
        reserved_nusd: int,
        charged_nusd: int,
        price: int,
        tokens: tuple[int, ...],
        duration_ms: int,
        first_byte_ms: int,
        code: str | None,
        cache_write_12h: int = 0,
        audio_output: int = 0,
        tools_id: int = 0,
        sent_us: int = 0,
        web_searches: int = 0,
        tools: int = 0,
        retries: int = 0,
        further_runs: int = 0,
        tier: str = "",
        loop: str = "",
        is_stream: bool = False,
        is_client_gone: bool = False,
        dropped: int = 0,
    ) -> None:
        self.seq = seq
        self.at_ns = at_ns
        self.request = request
        self.kind = kind
        self.reason = reason
        self.decision = decision
        self.status = status
        self.slot = slot
        self.values = values
        self.cells = cells
        self.reserved_nusd = reserved_nusd
        self.charged_nusd = charged_nusd
        self.price = price
        self.tokens = tokens
        self.duration_ms = duration_ms
        self.first_byte_ms = first_byte_ms
        self.code = code
        # Parts of the tokens above that have rates of their own, and what is billed beside tokens.
        self.cache_write_12h = cache_write_12h
        self.audio_output = audio_output
        self.tools_id = tools_id  # value id of the names of the tools; 0: not kept
        self.sent_us = sent_us  # until the first byte was sent upstream
        self.web_searches = web_searches
        self.tools = tools
        self.retries = retries
        self.further_runs = further_runs  # of a model beside the one whose tokens these are
        self.tier = tier
        self.loop = loop
        self.is_stream = is_stream
        self.is_client_gone = is_client_gone
        self.dropped = dropped  # of a gap row: how many rows the ring had no room for

    @property
    def is_accrued(self) -> bool:
        """Whether the charge is the worst case because the truth is unknown."""
        return 10 <= self.reason < 30


def _tail_of(x: Exchange, price: int, code: int) -> tuple[int, ...]:
    usage = x.meter.usage if x.meter is not None else None
    started_ns = x.started_ns
    duration_ms = (monotonic_ns() - started_ns) // 1_000_000
    first_byte_ms = (x.first_byte_ns - started_ns) // 1_000_000 if x.first_byte_ns else 0
    tier = x.request.tier
    write_12h = audio_out = searches = further = 0
    tokens: tuple[int, ...] = _NO_TOKENS
    if usage is not None:
        tier = usage.tier or tier
        write_12h, audio_out = usage.cache_write_12h, usage.audio_output
        searches, further = min(usage.web_searches, 65535), min(len(usage.others), 255)
        tokens = (
            usage.uncached_input,
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
            usage.cache_write_30m + write_12h,
            usage.output,
            usage.reasoning,
            usage.audio_input + audio_out,
        )
    return (
        price,
        *tokens,
        *(duration_ms, first_byte_ms, code),
        *(write_12h, audio_out, x.tools_id),
        min((x.sent_ns - started_ns) // 1000, 0xFFFFFFFF),
        *(searches, x.tools, x.retries, further),
        _TIER_INDEX.get(tier, len(TIERS) - 1) if tier else 0,
        x.loop,
        (_IS_STREAM if x.request.stream else 0) | (_IS_CLIENT_GONE if x.is_client_gone else 0),
    )


def _decision_of(x: Exchange) -> Decision:
    if x.clamped_to:
        return Decision.CLAMP
    if x.rerouted_to is not None:
        return Decision.REROUTE
    return Decision.SHADOW_BLOCK if x.shadow_reason else Decision.ALLOW


def fill(row: memoryview, x: Exchange, at_ns: int, reason: Reason, price: int) -> None:
    """Write what Python knows of a resolved exchange; the C adds the money and publishes."""
    decision = _decision_of(x)
    _AT.pack_into(row, 8, at_ns)
    _REASON.pack_into(row, 33, reason, decision)
    _STATUS.pack_into(row, 36, x.status)
    _TAIL.pack_into(row, 152, *_tail_of(x, price, 0))


def fill_block(row: memoryview, x: Exchange, at_ns: int, values: tuple[int, ...]) -> None:
    """Write the whole row of a refused exchange: no money, and the cell it did not fit, if any."""
    block = x.block
    code = CODE_INDEX.get(block.code, 0) if block is not None else 0
    status = block.code.status if block is not None else 0
    cell, generation = x.denied_by or (0, 0)
    count = 0 if x.denied_by is None else 1
    _ALL.pack_into(
        row,
        0,
        *(0, at_ns, x.id, Kind.BLOCK, Reason.NOT_SENT, Decision.BLOCK, count, status, 0),
        *(values or _NO_VALUES),
        *(cell, *_NO_VALUES[1:]),
        *(generation, *_NO_VALUES[1:]),
        *(x.quote_nusd, 0),
        *_tail_of(x, 0, code),
    )


def fill_correction(row: memoryview, at_ns: int, reason: Reason) -> None:
    """Write what Python knows of a charge that no exchange made; the C adds cell and money."""
    _AT.pack_into(row, 8, at_ns)
    _REASON.pack_into(row, 33, reason, Decision.ALLOW)


def fill_outcome(
    row: memoryview, at_ns: int, reason: Reason, request: bytes, values: tuple[int, ...]
) -> None:
    """Write the whole row of an outcome that an application reported."""
    head = (0, at_ns, request, Kind.EVENT, reason, Decision.ALLOW, 0, 0, 0)
    _ALL.pack_into(row, 0, *head, *values, *(0,) * (_FIELDS - len(head) - len(values)))


def read(rows: bytes) -> Iterator[JournalRow]:
    """The rows of a drained piece of a ring, in order."""
    for at in range(0, len(rows), ROW_BYTES):
        fields = _ALL.unpack_from(rows, at)
        seq, at_ns, request, kind, reason, decision, count, status, slot = fields[:9]
        code = CODES[fields[46]] if fields[46] < len(CODES) and kind != Kind.GAP else None
        yield JournalRow(
            seq,
            at_ns,
            request,
            _KINDS[kind],
            _REASONS[reason],
            _DECISIONS[decision],
            status,
            slot,
            fields[9:17],
            tuple(zip(fields[17 : 17 + count], fields[25 : 25 + count], strict=True)),
            fields[33],  # reserved, charged, price
            fields[34],
            fields[35],
            fields[36:44],  # tokens
            fields[44],  # duration, first byte
            fields[45],
            code.name if code is not None else None,
            fields[47],  # cache writes of 12 h, audio out, tools id, time until it was sent
            fields[48],
            fields[49],
            fields[50],
            fields[51],  # searches, tools, retries, further runs
            fields[52],
            fields[53],
            fields[54],
            TIERS[fields[55]] if fields[55] < len(TIERS) else "other",
            LOOPS[fields[56]] if fields[56] < len(LOOPS) else "",
            bool(fields[57] & _IS_STREAM),
            bool(fields[57] & _IS_CLIENT_GONE),
            fields[46] if kind == Kind.GAP else 0,
        )
