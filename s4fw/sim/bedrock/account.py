"""How Bedrock reports what one exchange bills."""

from __future__ import annotations

from typing import Any

from s4fw.core.usage import Usage
from s4fw.sim.faults import Faults
from s4fw.sim.form import Headers
from s4fw.sim.lies import lie


def usage_of(usage: Usage, faults: Faults) -> dict[str, Any]:
    """The `usage` of Converse; faults lie here and only here."""
    written = {"1h": usage.cache_write_1h, "5m": usage.cache_write_5m}
    body: dict[str, Any] = {
        "inputTokens": usage.uncached_input,
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output,
        "cacheReadInputTokens": usage.cache_read,
        "cacheWriteInputTokens": sum(written.values()),
    }
    if any(written.values()):
        body["cacheDetails"] = [
            {"ttl": ttl, "inputTokens": tokens} for ttl, tokens in written.items() if tokens
        ]
    return lie(body, faults, "inputTokens", "outputTokens")


def count_headers(usage: Usage, faults: Faults) -> Headers:
    """The headers of Invoke, which say what the body may not."""
    if "no_usage" in faults:
        return []
    counts = usage_of(usage, faults)
    names = {
        "input": "inputTokens",
        "output": "outputTokens",
        "cache-read-input": "cacheReadInputTokens",
        "cache-write-input": "cacheWriteInputTokens",
    }
    headers = [
        (f"x-amzn-bedrock-{name}-token-count", str(counts[member]))
        for name, member in names.items()
    ]
    return [("x-amzn-bedrock-invocation-latency", "1"), *headers]


def metrics(usage: Usage, faults: Faults) -> dict[str, Any]:
    """What the last event of an invoke stream carries beside its own."""
    if "no_usage" in faults:
        return {}
    counts = usage_of(usage, faults)
    document = {
        "inputTokenCount": counts["inputTokens"],
        "outputTokenCount": counts["outputTokens"],
        "invocationLatency": 1,
        "firstByteLatency": 1,
        "cacheReadInputTokenCount": counts["cacheReadInputTokens"],
        "cacheWriteInputTokenCount": counts["cacheWriteInputTokens"],
    }
    return {"amazon-bedrock-invocationMetrics": document}
