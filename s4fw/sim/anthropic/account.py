"""What one messages exchange bills, and how Anthropic reports it.

A web search is a turn of its own: the model reads its whole input again, what it wrote to the
cache from there.  A compaction is a further run that the counts at the top leave out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from s4fw.core.usage import Usage
from s4fw.sim.choice import Choice
from s4fw.sim.faults import Faults
from s4fw.sim.lies import lie
from s4fw.sim.orders import Orders
from s4fw.sim.prompt import Counted

_COMPACTION_OUTPUT = 200


@dataclass(frozen=True, slots=True)
class Account:
    """`first` is what the first turn read, `whole` everything; `compaction` a run beside them.

    Bedrock's Invoke says neither tier nor place.
    """

    first: Usage
    whole: Usage
    faults: Faults
    compaction: Usage | None = None
    is_bedrock: bool = False

    def at_start(self) -> dict[str, Any]:
        """The usage of message_start: exact input, a token of output."""
        return self._body(self.first) | {"output_tokens": 1}

    def at_end(self) -> dict[str, Any]:
        """The usage of message_delta: totals, without the split of cache writes."""
        usage = self._body(self.whole)
        for name in ("cache_creation", "service_tier", "inference_geo", "speed"):
            usage.pop(name, None)
        return self._lied(usage)

    def body(self) -> dict[str, Any]:
        """The usage of an answer that is not streamed."""
        return self._lied(self._body(self.whole))

    def partial(self) -> dict[str, Any]:
        """A usage from the middle of the stream."""
        return self.at_end() | {"output_tokens": self.whole.output // 2}

    def _lied(self, usage: dict[str, Any]) -> dict[str, Any]:
        return lie(usage, self.faults, "input_tokens", "output_tokens")

    def _body(self, usage: Usage) -> dict[str, Any]:
        body = _tokens(usage)
        body["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        }
        if usage.reasoning:
            body["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
        if usage.web_searches:
            body["server_tool_use"] = {
                "web_search_requests": usage.web_searches,
                "web_fetch_requests": 0,
            }
        if self.compaction is not None:
            runs = {"compaction": self.compaction, "message": usage}
            body["iterations"] = [{"type": kind, **_tokens(run)} for kind, run in runs.items()]
        if not self.is_bedrock:
            body["service_tier"] = usage.tier
            body["inference_geo"] = usage.geo
            body["speed"] = usage.speed
        return body


def account(
    body: Mapping[str, Any],
    prompt: Counted,
    choice: Choice,
    orders: Orders,
    faults: Faults,
    *,
    has_fast: bool,
    is_bedrock: bool,
) -> Account:
    """Keep account of a generated answer; `has_fast` where the model can run at that speed."""
    speed = "fast" if has_fast and body.get("speed") == "fast" else "standard"
    first = Usage(
        uncached_input=prompt.uncached,
        cache_read=prompt.cached,
        cache_write_5m=prompt.written,
        cache_write_1h=prompt.written_1h,
        output=choice.tokens,
        reasoning=choice.reasoning,
        tier=faults.get("tier", "standard"),
        speed=None if is_bedrock else speed,
        geo=None if is_bedrock else str(body.get("inference_geo") or "global"),
    )
    searches = searches_of(body, orders)
    again = prompt.cached + prompt.written + prompt.written_1h
    whole = replace(
        first,
        uncached_input=first.uncached_input * (searches + 1),
        cache_read=first.cache_read + again * searches,
        web_searches=searches,
    )
    compacted = orders.number("compact")
    compaction = None
    if compacted is not None:
        output = min(_COMPACTION_OUTPUT, compacted)
        compaction = Usage(
            uncached_input=compacted,
            output=output,
            tier=first.tier,
            speed=first.speed,
            geo=first.geo,
        )
    return Account(first, whole, faults, compaction, is_bedrock)


def searches_of(body: Mapping[str, Any], orders: Orders) -> int:
    """How many web searches run: as ordered, where the request offers and allows them."""
    for tool in body.get("tools") or ():
        if str(tool.get("type", "")).startswith("web_search_"):
            ordered = orders.number("search") or 0
            return min(ordered, tool.get("max_uses") or ordered)
    return 0


def _tokens(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.uncached_input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }
