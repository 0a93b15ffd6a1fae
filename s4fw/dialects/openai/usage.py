"""Normalises OpenAI's usages: of chats and completions, of responses, of embeddings."""

from __future__ import annotations

from typing import Any, Final

from s4fw.core.usage import Usage
from s4fw.dialects.account import count, details, required_count, text


def usage_of(answer: dict[str, Any], has_12h: bool = False) -> Usage | None:
    """The usage of an answer or of the last chunk, None where it has none or one of nothing: no
    answer costs nothing, but there are servers that do not count and say 0.

    `has_12h`: the request may have written to a cache that is kept for 12 hours; where the usage
    does not tell how long, all writes are those.  Raises ValueError when a usage is there but is
    none: negative, not integers, or without its two main counts.
    """
    raw = answer.get("usage")
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise ValueError("a usage that is no object")
    usage = _buckets(
        required_count(raw.get("prompt_tokens")),
        required_count(raw.get("completion_tokens")),
        details(raw.get("prompt_tokens_details")),
        details(raw.get("completion_tokens_details")),
        has_12h,
    )
    return _of_answer(usage, answer)


def usage_of_response(response: dict[str, Any], has_12h: bool = False) -> Usage | None:
    """The same for a response object, whose counts have other names and whose web searches are
    billed beside its tokens."""
    raw = response.get("usage")
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise ValueError("a usage that is no object")
    usage = _buckets(
        required_count(raw.get("input_tokens")),
        required_count(raw.get("output_tokens")),
        details(raw.get("input_tokens_details")),
        details(raw.get("output_tokens_details")),
        has_12h,
    )
    if usage is not None:
        usage.web_searches = _web_searches(response)
    return _of_answer(usage, response)


def _web_searches(response: dict[str, Any]) -> int:
    """Billed searches: as the provider counts them, else calls that are not known to be free."""
    told = details(details(response.get("tool_usage")).get("web_search")).get("num_requests")
    if told is not None:
        return count(told)
    output = response.get("output")
    if not isinstance(output, list):
        return 0
    return sum(
        isinstance(item, dict)
        and item.get("type") == "web_search_call"
        and not (isinstance(item.get("action"), dict) and item["action"].get("type") in _FREE)
        for item in output
    )


_FREE: Final = ("open_page", "find_in_page")


def usage_of_embeddings(answer: dict[str, Any]) -> Usage | None:
    """The usage of embeddings: input only."""
    raw = answer.get("usage")
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise ValueError("a usage that is no object")
    tokens = required_count(raw.get("prompt_tokens"))
    return _of_answer(Usage(tokens) if tokens else None, answer)


def _buckets(
    total_in: int, total_out: int, inside: dict[str, Any], outside: dict[str, Any], has_12h: bool
) -> Usage | None:
    """OpenAI counts cached, written and audio tokens inside its two totals."""
    cached = count(inside.get("cached_tokens"))
    written = count(inside.get("cache_write_tokens"))
    audio_in = count(inside.get("audio_tokens"))
    audio_out = count(outside.get("audio_tokens"))
    reasoning = count(outside.get("reasoning_tokens"))
    if total_in == 0 and total_out == 0:
        return None
    usage = Usage(max(0, total_in - cached - written - audio_in), cached)
    if written:
        kept = inside.get("cache_write_tokens_details")
        long = count(kept.get("ttl_12h_tokens")) if isinstance(kept, dict) else None
        usage.cache_write_12h = long if long is not None else written if has_12h else 0
        usage.cache_write_30m = max(0, written - usage.cache_write_12h)
    usage.output = max(0, total_out - audio_out)
    usage.reasoning = reasoning
    usage.audio_input, usage.audio_output = audio_in, audio_out
    return usage


def _of_answer(usage: Usage | None, answer: dict[str, Any]) -> Usage | None:
    """With the model and the tier that the answer says ran."""
    if usage is not None:
        usage.model, usage.tier = text(answer.get("model")), text(answer.get("service_tier"))
    return usage


def usage_of_12h(answer: dict[str, Any]) -> Usage | None:
    """The same for a request that asked for a cache of 12 hours."""
    return usage_of(answer, True)
