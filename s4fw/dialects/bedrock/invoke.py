"""Reads an invoke: the body is the model's own, so what bounds it depends on its maker.

Claude's body is Anthropic's, without `model` and `stream`, and is read as such.  Nova's has the
messages and the system prompt of Converse.  All else is counted as text wherever it holds any; the
output is bounded by what its maker calls the bound, and at the model's longest answer where that is
missing or its maker is not known.  Tier, latency and guardrail stand in header fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from s4fw.core.request import Request, Run
from s4fw.dialects import strictjson
from s4fw.dialects.anthropic import messages
from s4fw.dialects.bedrock import caching, content, families, loose, native, prompt, tiers
from s4fw.dialects.bedrock.native import Settings
from s4fw.dialects.fields import LABEL_CHARS_MAX
from s4fw.dialects.strictjson import ARRAY, NULL, OBJECT, Document
from s4fw.errors import UNBOUNDED_REQUEST, Refusal

REPLY_TOKENS: Final = 32

_PREFIX: Final = b"x-amzn-bedrock-"
_TIER: Final = _PREFIX + b"service-tier"
_LATENCY: Final = _PREFIX + b"performanceconfig-latency"
_GUARDRAILS: Final = (_PREFIX + b"guardrailidentifier", _PREFIX + b"guardrailversion")
_METADATA: Final = _PREFIX + b"request-metadata"

_TEXT_ONLY_CLAUDE: Final = b'"max_tokens_to_sample"'
# In a body this may be text; it is only the reason to look.
_LONG_CONTEXT: Final = re.compile(rb"context-1m|\\u00")


def read(request: Request) -> None:
    """Fill the metered part of `request`, whose model is known.  Raises Refusal."""
    if families.is_claude(request.model) and _TEXT_ONLY_CLAUDE not in request.body:
        messages.read(request, is_model_in_path=True)
        is_short = families.has_short_context(request.model)
        if is_short and _LONG_CONTEXT.search(request.body) is not None:
            betas = strictjson.scan(request.body).value("anthropic_beta")
            native.check_betas(betas, request.model)
    else:
        _read_loose(request)
    _read_headers(request, request.headers)


def _read_headers(request: Request, headers: Mapping[bytes, bytes]) -> None:
    """What Converse has in its body and an invoke in its head."""
    if any(name in headers for name in _GUARDRAILS):
        raise Refusal(UNBOUNDED_REQUEST, tiers.GUARDRAIL)
    request.tier = tiers.requested(_lower(headers.get(_TIER)))
    tiers.check_latency(_lower(headers.get(_LATENCY)))
    metadata = headers.get(_METADATA)
    if metadata is not None:
        request.labels = {**request.labels, **_labels(metadata)}


def _lower(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1").strip().lower()


def _labels(metadata: bytes) -> dict[str, str]:
    """A JSON object of texts in a header field; what is none says nothing about who pays."""
    try:
        found = orjson.loads(metadata)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        f"requestMetadata.{name}": value
        for name, value in found.items()
        if isinstance(value, str) and 0 < len(value) <= LABEL_CHARS_MAX
    }


def _read_loose(request: Request) -> None:
    document = strictjson.scan(request.body)
    model = request.model
    request.tokens_extra = REPLY_TOKENS
    request.cache = caching.kind(model, request.body, document.is_veiled)
    settings, own = Settings(), Settings()
    where, names = families.output_bounds(model)
    for name, (_, _, kind) in document.members.items():
        if kind == NULL and name not in native.MODEL:
            continue
        if name in native.CONTENT:
            _add_content(request, document, name, kind)
            continue
        value = document.value(name)
        native.read({name: value}, model, settings)
        if name == where and isinstance(value, dict):
            _read_own(value, names, own)
        elif not where and name in names:
            _read_own({name: value}, names, own)
        _add_content(request, document, name, kind)
    request.choices = settings.choices
    if own.output_tokens_max is not None:  # what else was found makes it larger, never replaces it
        request.output_tokens_max = settings.output_tokens_max


# What Nova has as Converse has it.
_PROMPT: Final[dict[str, Callable[[Request, Document], None]]] = {
    prompt.MESSAGES: prompt.add_messages,
    prompt.SYSTEM: prompt.add_system,
}


def _read_own(value: dict[str, Any], names: frozenset[str], own: Settings) -> None:
    for name in names.intersection(value):
        own.bound(name, value[name])


def _add_content(request: Request, document: Document, name: str, kind: int) -> None:
    """Count one top-level member, an array element by element: transcripts grow at their end."""
    model = request.model
    start, end, _ = document.members[name]
    image_tokens = None if families.is_embedding(model) else families.image_tokens(model)
    if image_tokens is not None and name in _PROMPT and families.is_nova(model):
        _PROMPT[name](request, document)
        return
    if name == "toolConfig" and kind == OBJECT:
        tools = Run(b"bt", [(start, end)], [document.digest(name)], content.of_tools)
        request.runs = [*request.runs, tools]
        return
    if name == "tools":
        native.check_tools(document.value(name))
    is_text = name == "documents"  # of texts, in Cohere's body
    if not is_text and loose.tokens_beside_text(name, True, image_tokens):
        value = document.value(name)
        request.tokens_extra += loose.tokens_beside_text(name, value, image_tokens)
        return
    tag = b"bl%d" % (image_tokens or 0)
    measure = loose.LooseWalk(image_tokens).of_value
    if kind == ARRAY:
        spans, digests = document.items(name)
        run = Run(tag, spans, digests, measure, document.long_strings)
    else:
        run = Run(tag, [(start, end)], [document.digest(name)], measure, document.long_strings)
    request.runs = [*request.runs, run]
