"""Bedrock's usage as disjoint buckets: of Converse, of the metrics beside a streamed invoke, and of
the header fields of an invoke.

Cached and written tokens stand beside the input count, never inside it.  Where nothing says how
long the written ones are kept, they are those of the dearest write that the request could trigger.
No usage names a model: the one in the path is what ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from s4fw.core.request import CACHE_1H
from s4fw.core.usage import Usage
from s4fw.dialects.account import COUNT_MAX, UsageOf, count, details, required_count
from s4fw.dialects.bedrock import tiers

_FIELD: Final = b"x-amzn-bedrock-%b-token-count"
_FIELDS: Final = tuple(
    _FIELD % name for name in (b"input", b"output", b"cache-read-input", b"cache-write-input")
)
METRICS: Final = "amazon-bedrock-invocationMetrics"


def converse(cache: int) -> UsageOf:
    """Reads the usage of a Converse answer or of its `metadata` event; `cache` is the request's."""

    def usage_of(answer: dict[str, Any]) -> Usage | None:
        raw = answer.get("usage")
        if raw is None:
            return None
        told = details(raw)
        usage = _usage(
            required_count(told.get("inputTokens")),
            required_count(told.get("outputTokens")),
            count(told.get("cacheReadInputTokens")),
        )
        written = count(told.get("cacheWriteInputTokens"))
        listed = told.get("cacheDetails", [])
        if not isinstance(listed, list):
            raise ValueError("a usage whose cache details are no list")
        for item in map(details, listed):
            _add_written(usage, count(item.get("inputTokens")), item.get("ttl") != "5m")
        known = usage.cache_write_5m + usage.cache_write_1h
        _add_written(usage, max(0, written - known), cache == CACHE_1H)
        usage.tier = tiers.served(details(answer.get("serviceTier")).get("type"))
        return usage if usage.input or usage.output else None

    return usage_of


def of_metrics(metrics: Any, cache: int) -> Usage | None:
    """The usage out of the metrics that the last event of a streamed invoke carries.

    Raises ValueError when they are none.
    """
    if metrics is None:
        return None
    told = details(metrics)
    usage = _usage(
        required_count(told.get("inputTokenCount")),
        required_count(told.get("outputTokenCount")),
        count(told.get("cacheReadInputTokenCount")),
    )
    _add_written(usage, count(told.get("cacheWriteInputTokenCount")), cache == CACHE_1H)
    return usage if usage.input or usage.output else None


def of_fields(fields: Mapping[bytes, bytes], cache: int) -> Usage | None:
    """The usage out of the header fields of an answer, None where they tell none."""
    counts = [_digits(fields.get(name)) for name in _FIELDS]
    if counts[0] is None or counts[1] is None:
        return None
    usage = _usage(counts[0], counts[1], counts[2] or 0)
    _add_written(usage, counts[3] or 0, cache == CACHE_1H)
    return usage if usage.input or usage.output else None


def _digits(value: bytes | None) -> int | None:
    text = b"" if value is None else value.strip()
    if not text.isdigit() or len(text) > 12:
        return None
    number = int(text)
    return number if number <= COUNT_MAX else None


def _usage(uncached: int, output: int, read: int) -> Usage:
    usage = Usage(uncached, read)
    usage.output = output
    return usage


def _add_written(usage: Usage, tokens: int, is_1h: bool) -> None:
    if is_1h:
        usage.cache_write_1h += tokens
    else:
        usage.cache_write_5m += tokens
