"""Usage in the bodies of makers that Bedrock tells no counts of in the head of an answer."""

from __future__ import annotations

from typing import Any

from s4fw.core.usage import Usage
from s4fw.dialects.account import count, details, required_count


def usage_of(answer: dict[str, Any]) -> Usage | None:
    """The usage of a body in one of the known shapes, None for any other.

    Raises ValueError when a usage is there and is none (see `dialects.account.UsageOf`).
    """
    if "inputTextTokenCount" in answer:  # Titan: texts, or a vector
        results = answer.get("results") or []
        if not isinstance(results, list):
            raise ValueError("results that are no list")
        written = sum(required_count(details(result).get("tokenCount")) for result in results)
        return _usage(answer["inputTextTokenCount"], written)
    if "prompt_token_count" in answer:  # Llama
        return _usage(answer["prompt_token_count"], answer.get("generation_token_count"))
    told = answer.get("usage")
    if told is None:
        return None
    told = details(told)
    if "prompt_tokens" in told:  # OpenAI's shape: AI21, gpt-oss, Mistral, Qwen; cached inside
        return _usage(told["prompt_tokens"], told.get("completion_tokens"))
    if "inputTokens" in told:  # Nova
        usage = _usage(told["inputTokens"], told.get("outputTokens"))
        if usage is not None:
            usage.cache_read = count(told.get("cacheReadInputTokenCount"))
            usage.cache_write_5m = count(told.get("cacheWriteInputTokenCount"))
        return usage
    return None


def _usage(told_in: Any, told_out: Any) -> Usage | None:
    usage = Usage(required_count(told_in))
    usage.output = required_count(told_out)
    return usage if usage.input or usage.output else None
