"""Anthropic's usage as disjoint buckets.

Cached and written tokens stand beside `input_tokens`, never inside it.  How the written ones are
split by how long they are kept is told once, in the first event of a stream; later totals may have
outgrown that split, and the surplus then costs what the dearest write of the request costs.

Runs of a model that the top level leaves out (compaction, an advisor) are listed one by one in
`iterations`: where there is any, the sum of the list is the bill.
"""

from __future__ import annotations

from typing import Any

from s4fw.core.usage import Usage
from s4fw.dialects.account import count, details, required_count, text


def usage_of(message: dict[str, Any]) -> Usage | None:
    """The usage of a message, None where it has none or one of nothing.

    Raises ValueError when a usage is there and is none (see `dialects.account.UsageOf`).
    """
    return _usage_of(message, False)


def usage_of_1h(message: dict[str, Any]) -> Usage | None:
    """The same for a request that may have written to the cache that is kept for an hour."""
    return _usage_of(message, True)


def _usage_of(message: dict[str, Any], is_1h: bool) -> Usage | None:
    raw = message.get("usage")
    if raw is None:
        return None
    told = details(raw)
    served = text(message.get("model"))
    usage = _run(told, served, is_1h)
    runs = _runs_to_sum(told, served, is_1h)
    if runs:
        usage, *others = runs
        usage.others = tuple(others)
    elif usage.input == 0 and usage.output == 0:
        return None  # no answer costs nothing: a server that does not count
    _tell_how(usage, told)
    return usage


def _run(told: dict[str, Any], model: str | None, is_1h: bool) -> Usage:
    """The buckets of one run of a model."""
    usage = Usage(required_count(told.get("input_tokens")))
    usage.output = required_count(told.get("output_tokens"))
    usage.cache_read = count(told.get("cache_read_input_tokens"))
    split = details(told.get("cache_creation"))
    usage.cache_write_5m = count(split.get("ephemeral_5m_input_tokens"))
    usage.cache_write_1h = count(split.get("ephemeral_1h_input_tokens"))
    written = count(told.get("cache_creation_input_tokens"))
    unsplit = max(0, written - usage.cache_write_5m - usage.cache_write_1h)
    if is_1h:
        usage.cache_write_1h += unsplit
    else:
        usage.cache_write_5m += unsplit
    usage.model = model
    return usage


def _runs_to_sum(told: dict[str, Any], served: str | None, is_1h: bool) -> list[Usage]:
    """The single runs, where the top level leaves some out; the run that answered comes first."""
    listed = told.get("iterations")
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise ValueError("iterations that are no list")
    items = [details(item) for item in listed]
    if all(item.get("type") == "message" for item in items):
        return []
    items.sort(key=lambda item: item.get("type") != "message")
    return [_run(item, text(item.get("model")) or served, is_1h) for item in items]


def _tell_how(usage: Usage, told: dict[str, Any]) -> None:
    """What is billed apart from the tokens, and the rates at which all runs were billed."""
    thought = count(details(told.get("output_tokens_details")).get("thinking_tokens"))
    usage.reasoning = min(thought, usage.output)
    usage.web_searches = count(details(told.get("server_tool_use")).get("web_search_requests"))
    for run in (usage, *usage.others):
        run.tier = text(told.get("service_tier"))
        run.speed = text(told.get("speed"))
        run.geo = text(told.get("inference_geo"))
