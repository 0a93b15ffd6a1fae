"""Lowers the bound of the output in a body that was read already.

Only where the shape has one place that every model of its kind obeys: `inferenceConfig.maxTokens`
of Converse, and Claude's `max_tokens`.  Where makers' own fields bound the output as well, lowering
one of them might raise another's say, so it is left alone.
"""

from __future__ import annotations

import orjson

from s4fw.core.request import Request
from s4fw.dialects import strictjson
from s4fw.dialects.anthropic import messages
from s4fw.dialects.bedrock import families, native


def lower_output(request: Request, route_name: str, tokens: int) -> bool:
    """Ask for at most `tokens` of output; False where the shape cannot, or would ask for less than
    one, or for less than the thinking that was asked for."""
    if tokens < 1:
        return False
    if request.output_tokens_max is not None and request.output_tokens_max <= tokens:
        return True
    if route_name.startswith("bedrock.converse"):
        return _lower_converse(request, tokens)
    if families.is_claude(request.model):
        return messages.lower_output(request, tokens)
    return False


def _lower_converse(request: Request, tokens: int) -> bool:
    document = strictjson.scan(request.body)
    additional = document.value("additionalModelRequestFields")
    if isinstance(additional, dict) and (
        "thinking" in additional or not native.OUTPUT_BOUNDS.isdisjoint(_names(additional))
    ):
        return False
    config = document.value("inferenceConfig") or {}
    lowered = orjson.dumps({**config, "maxTokens": tokens})
    member = document.members.get("inferenceConfig")
    if member is not None:
        request.edit(member[0], member[1], lowered)
    else:
        brace = request.body.index(b"{") + 1
        request.edit(brace, brace, b'"inferenceConfig":' + lowered + b",")
    request.output_tokens_max = tokens
    return True


def _names(value: object) -> set[str]:
    """Every name in a decoded object, at any level."""
    if isinstance(value, list):
        return set().union(*map(_names, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(_names, value.values()))
