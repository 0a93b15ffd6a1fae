"""Reads a messages request: what moves money in it, with one reading only.

The firewall meters what it forwards and forwards what it metered, so a body that two parsers might
read differently is refused: duplicate keys (by the scanner), a name that folds to a metered one,
a number that is no plain integer.  Unknown fields pass, counted as text; what cannot be bounded
does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import orjson

from s4fw.core.request import CACHE_1H, Measure, Request, Run
from s4fw.core.transcript import Transcript
from s4fw.dialects import fields, strictjson
from s4fw.dialects.anthropic import betas, marks, measure, tools
from s4fw.dialects.anthropic.transcript import of_message
from s4fw.dialects.strictjson import ARRAY, NULL, STRING, Document
from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

# Names by which other APIs bound the output or multiply it, and fields by which other gateways
# choose another model or another destination, or add to the prompt or to the bill.
FOREIGN: Final = frozenset(
    {
        *("max_completion_tokens", "max_output_tokens", "max_new_tokens", "max_tokens_to_sample"),
        *("max_gen_len", "max_token_count", "max_length", "num_predict", "generation_config"),
        *("n", "best_of", "models", "route", "api_base", "base_url", "api_key", "api_version"),
        *("extra_body", "extra_headers", "custom_llm_provider", "litellm_params"),
        *("chat_template", "documents", "plugins", "web_search_options"),
    }
)

# Documented fields that add nothing to the bill; any that is not known is counted as text.
_FREE: Final = frozenset(
    {
        *("temperature", "top_p", "top_k", "stop_sequences", "tool_choice", "thinking"),
        *("cache_control", "diagnostics", "billing_policy", "fallback_credit_token"),
        *("anthropic_version", "anthropic_beta", "user_profile_id"),
    }
)

TIERS: Final = frozenset({"auto", "standard_only"})
SPEEDS: Final = frozenset({"standard", "fast"})

# Models that scale images down to 1,568 pixels: up to Claude 4.6.  What does not tell its version
# so is taken for a newer one.
_SMALL_IMAGES: Final = re.compile(
    r"claude-(?:(?:instant|2|3)[-.]"
    r"|(?:opus|sonnet|haiku)-(?:3|4(?:-[0-6])?)(?:$|[^0-9-]|-\d{8}|-v\d))"
)

# Edits of the context that only take away from it.
_SHRINKING_EDIT: Final = re.compile(r"clear_(?:tool_uses|thinking)_\d{8}")

_REMEMBERED_MAX: Final = 1_024
_hosted_of: Final[dict[bytes, tools.Hosted]] = {}  # by the digest of a request's tools


def read(request: Request, is_model_in_path: bool = False) -> None:
    """Fill the metered part of `request` from its body.  Raises Refusal.

    `is_model_in_path`: the body names no model, `request.model` is set before the call.
    """
    body = request.body
    document = strictjson.scan(body)
    members = document.members
    for name, (start, end, _) in members.items():
        reader = _READERS.get(name)
        if reader is not None:
            reader(request, document, name)
        elif name not in _FREE:
            GUARD.check(name)
            request.tokens_extra += end - start
    if "messages" not in members or "max_tokens" not in members:
        raise Refusal(INVALID_REQUEST, "the body needs `messages` and `max_tokens`")
    if ("model" in members) == is_model_in_path:
        raise Refusal(INVALID_REQUEST, "the model must be named in exactly one place")
    betas.check_header(request)
    if betas.FIELD in members:
        betas.check(document.value(betas.FIELD), request.model)
    found = marks.of(body, request.runs)
    request.cache = CACHE_1H if document.is_veiled else found.cache
    if "tools" in members:
        _bound_references(request, document, found)
    _choose_walk(request)


def _bound_references(request: Request, document: Document, found: marks.Marks) -> None:
    """A message may name a tool, whose definition the model then reads again in that place."""
    if document.is_veiled:
        request.is_context_bound = True
    elif found.tool_references and document.members["tools"][2] == ARRAY:
        longest = max((end - start for start, end in document.items("tools")[0]), default=0)
        request.tokens_extra += found.tool_references * longest


def _choose_walk(request: Request) -> None:
    """Bound the images of messages by what the model sees of them, and what is elsewhere by what
    the operator says."""
    is_small = _SMALL_IMAGES.search(request.model) is not None
    opaque_tokens = request.opaque_file_tokens
    walk = measure.ContentWalk(
        measure.IMAGE_TOKENS_46 if is_small else measure.IMAGE_TOKENS, opaque_tokens
    )
    name = b"am" if is_small else b"aM"
    for run in request.runs:
        if run.name.startswith((b"am", b"aM")):
            run.name = name if opaque_tokens is None else b"%b%d" % (name, opaque_tokens)
            run.measure = walk.of_message


def _read_model(request: Request, document: Document, name: str) -> None:
    request.model = fields.model(document, name)


def _read_max_tokens(request: Request, document: Document, name: str) -> None:
    """Thinking is inside it.  0 only warms the cache."""
    bound = fields.integer(document, name, 0, fields.TOKENS_MAX)
    if bound is None:
        raise Refusal(INVALID_REQUEST, f"`{name}` is required")
    request.output_tokens_max = bound


def _read_stream(request: Request, document: Document, name: str) -> None:
    request.stream = bool(fields.boolean(document, name))


def _read_tier(request: Request, document: Document, name: str) -> None:
    tier = fields.one_of(document, name, TIERS)
    request.tier = "default" if tier == "standard_only" else tier


def _read_speed(request: Request, document: Document, name: str) -> None:
    speed = fields.one_of(document, name, SPEEDS)
    request.speed = "fast" if speed == "fast" else None


def _read_geo(request: Request, document: Document, name: str) -> None:
    geo = document.value(name)
    if geo is not None and not (isinstance(geo, str) and len(geo) <= 64):
        raise Refusal(INVALID_REQUEST, f"`{name}` must be the name of a place")
    # Only one place is known to have a price of its own; an unknown one is held at it.
    request.geo = "us" if geo not in (None, "global") else None


def _read_metadata(request: Request, document: Document, name: str) -> None:
    found = fields.label_map(document, name, frozenset({"user_id"}))
    if found:
        request.labels = {**request.labels, **found}


def _read_messages(request: Request, document: Document, name: str) -> None:
    fields.require_list(document, name)
    _add_run(request, document, name, b"aM", measure.of_message)
    run = request.runs[-1]
    request.transcript = Transcript(
        b"a", request.body, run.spans, run.digests, of_message, document.long_strings
    )


def _read_system(request: Request, document: Document, name: str) -> None:
    kind = document.members[name][2]
    if kind == STRING:
        _add_value(request, document, name, b"as", measure.of_system)
    elif kind == ARRAY:
        _add_run(request, document, name, b"as", measure.of_system)
    elif kind != NULL:
        raise Refusal(INVALID_REQUEST, f"`{name}` must be a text or a list of blocks")


def _read_tools(request: Request, document: Document, name: str) -> None:
    if document.members[name][2] == NULL:
        return
    fields.require_list(document, name)
    _, digests = document.items(name)
    if not digests:
        return
    digest = digests[-1]
    hosted = _hosted_of.get(digest)
    if hosted is None:
        hosted = tools.hosted(document.value(name))
        if len(_hosted_of) >= _REMEMBERED_MAX:
            _hosted_of.clear()
        _hosted_of[digest] = hosted
    request.input_turns += hosted.turns
    request.searches_max += hosted.searches
    request.tokens_extra += hosted.tokens
    request.is_context_bound |= hosted.is_context_bound
    _add_run(request, document, name, b"at", tools.of_tool)


def _read_format(request: Request, document: Document, name: str) -> None:
    if document.members[name][2] != NULL:
        _add_value(request, document, name, b"ar", measure.of_format)


def _read_context_management(request: Request, document: Document, name: str) -> None:
    """Edits that clear what was said before pass; one that summarises it is a run of its own."""
    value = document.value(name)
    if value is None:
        return
    edits = value.get("edits", []) if isinstance(value, dict) else None
    if (
        not isinstance(edits, list)
        or value.keys() - {"edits"}
        or not all(map(_is_shrinking, edits))
    ):
        raise Refusal(
            UNBOUNDED_REQUEST,
            f"`{name}` is governed only with edits of type `clear_tool_uses` or `clear_thinking`",
        )


def _is_shrinking(edit: Any) -> bool:
    kind = edit.get("type") if isinstance(edit, dict) else None
    return isinstance(kind, str) and _SHRINKING_EDIT.fullmatch(kind) is not None


_UNBOUNDED: Final = {
    "fallbacks": "another model would answer at another price",
    "thread": "the provider holds a part of the input",
    "container": "it adds files and skills that are not seen here",
    "mcp_servers": "the provider calls servers and the model, unbounded",
    "compaction": "it is billed beside the answer",
}


def _refuse_unbounded(request: Request, document: Document, name: str) -> None:
    if document.value(name) not in (None, []):
        raise Refusal(UNBOUNDED_REQUEST, f"`{name}` is not governed: {_UNBOUNDED[name]}")


def _add_run(
    request: Request, document: Document, name: str, tag: bytes, measured: Measure
) -> None:
    spans, digests = document.items(name)
    run = Run(tag, spans, digests, measured, document.long_strings)
    request.runs = [*request.runs, run]


def _add_value(
    request: Request, document: Document, name: str, tag: bytes, measured: Measure
) -> None:
    start, end, _ = document.members[name]
    # One value and a list of one have different digests: that of the list begins at its bracket.
    run = Run(tag, [(start, end)], [document.digest(name)], measured, document.long_strings)
    request.runs = [*request.runs, run]


# The metered fields and what reads each.
_READERS: Final[dict[str, Callable[[Request, Document, str], None]]] = {
    "model": _read_model,
    "messages": _read_messages,
    "system": _read_system,
    "max_tokens": _read_max_tokens,
    "stream": _read_stream,
    "service_tier": _read_tier,
    "speed": _read_speed,
    "inference_geo": _read_geo,
    "metadata": _read_metadata,
    "tools": _read_tools,
    "output_config": _read_format,
    "output_format": _read_format,
    "context_management": _read_context_management,
    **dict.fromkeys(_UNBOUNDED, _refuse_unbounded),
}
METERED: Final = frozenset({*_READERS, "thinking", "cache_control"})
GUARD: Final = fields.Guard(METERED, FOREIGN)

THINKING_TOKENS_MIN: Final = 1_024  # what a fixed budget of thinking has at least


def lower_output(request: Request, tokens: int) -> bool:
    """Ask for at most `tokens` of output; False where that would ask for something else: nothing
    at all, or less than the thinking that was asked for takes."""
    if request.output_tokens_max is None or tokens < 1:
        return False
    if request.output_tokens_max <= tokens:
        return True
    document = strictjson.scan(request.body)
    start, end, _ = document.members["max_tokens"]
    thinking = document.value("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if type(budget) is int and budget >= tokens:  # must stay below `max_tokens`
        if tokens <= THINKING_TOKENS_MIN:
            return False
        lowered = orjson.dumps({**thinking, "budget_tokens": tokens - 1})
        request.edit(*document.members["thinking"][:2], lowered)
    request.edit(start, end, b"%d" % tokens)
    request.output_tokens_max = tokens
    return True


def rename_model(request: Request, model: str) -> bool:
    """Ask another model; False where the body names none."""
    member = strictjson.scan(request.body).members.get("model")
    if member is None or fields.MODEL.fullmatch(model) is None:
        return False
    request.edit(member[0], member[1], orjson.dumps(model))
    request.model = model
    _choose_walk(request)
    return True
