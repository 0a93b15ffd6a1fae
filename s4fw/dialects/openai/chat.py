"""Reads a chat completions request: what moves money in it, with one reading only.

The firewall meters what it forwards and forwards what it metered, so a body that two parsers might
read differently is refused: duplicate keys (by the scanner), a name that folds to a metered one,
a number that is no plain integer.  Unknown fields pass; what cannot be bounded does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

from s4fw.core.request import CACHE_12H, CACHE_30M, Measure, Request, Run
from s4fw.dialects import fields, strictjson
from s4fw.dialects.fields import TOKENS_MAX, Guard, fold
from s4fw.dialects.openai import measure
from s4fw.dialects.strictjson import ARRAY, NULL, OBJECT, Document
from s4fw.errors import AMBIGUOUS_FIELD, INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

# Fields that this file reads, or that size the bill at the provider.
METERED = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "stream",
        "stream_options",
        "service_tier",
        "tools",
        "functions",
        "response_format",
        "prediction",
        "modalities",
        "audio",
        "web_search_options",
        "reasoning_effort",
        "prompt_cache_options",
    }
)

# Names by which other APIs bound the output, fields by which other gateways choose another model or
# another destination, and by which other servers add to the prompt or to the bill.  A server on the
# way that obeys one would spend what nobody held.
FOREIGN = frozenset(
    {
        "max_output_tokens",
        "max_new_tokens",
        "max_gen_len",
        "max_token_count",
        "max_length",
        "max_tokens_to_sample",
        "num_predict",
        "generation_config",
        "best_of",
        "models",
        "fallbacks",
        "route",
        "api_base",
        "base_url",
        "api_key",
        "api_version",
        "extra_body",
        "extra_headers",
        "custom_llm_provider",
        "litellm_params",
        "chat_template",
        "documents",
        "plugins",
    }
)

# Models that search the web with every call, asked or not: a fee beside their tokens.
_SEARCHING = re.compile(r"gpt-.*-search-(?:preview|api)")
CHOICES_MAX = 128  # the provider's own bound of n
TIERS = frozenset({"auto", "default", "flex", "priority", "fast", "scale"})


_GUARD = Guard(METERED, FOREIGN)


def read(request: Request) -> None:
    """Fill the metered part of `request` from its body.  Raises Refusal."""
    document = strictjson.scan(request.body)
    members = document.members
    request.tokens_extra = measure.REPLY_TOKENS
    request.cache = CACHE_30M  # newer models write to the cache without being asked
    for name in members:
        reader = _READERS.get(name)
        if reader is not None:
            reader(request, document, name)
        else:
            _GUARD.check(name)
    if "model" not in members or "messages" not in members:
        raise Refusal(INVALID_REQUEST, "the body needs a `model` and `messages`")
    if "mini" in request.model:
        _bound_images_of_mini(request)
    if request.stream:
        _ask_for_usage(request, document)


def _read_model(request: Request, document: Document, name: str) -> None:
    model = fields.model(document, name)
    if _SEARCHING.match(model):
        raise Refusal(UNBOUNDED_REQUEST, _WEB_SEARCH)
    request.model = model


def _read_output_bound(request: Request, document: Document, name: str) -> None:
    """Two fields bound the output; which one a model obeys differs, so the larger counts.

    0 bounds nothing: a server that does not refuse it may take it for no bound at all.
    """
    bound = fields.integer(document, name, 0, TOKENS_MAX)
    if bound:
        request.output_tokens_max = max(bound, request.output_tokens_max or 0)


def _read_choices(request: Request, document: Document, name: str) -> None:
    request.choices = fields.integer(document, name, 1, CHOICES_MAX) or 1


def _read_stream(request: Request, document: Document, name: str) -> None:
    request.stream = bool(fields.boolean(document, name))


def _read_tier(request: Request, document: Document, name: str) -> None:
    request.tier = fields.one_of(document, name, TIERS)


def _read_cache_options(request: Request, document: Document, name: str) -> None:
    options = document.value(name)
    is_short = options is None or (isinstance(options, dict) and options.get("ttl") == "30m")
    request.cache = CACHE_30M if is_short else CACHE_12H


def _read_prediction(request: Request, document: Document, name: str) -> None:
    """Rejected prediction tokens are billed as output; bytes bound tokens."""
    start, end, _ = document.members[name]
    request.output_tokens_extra = end - start


_WEB_SEARCH = "web search is billed per call and is not governed"


def _refuse_web_search(request: Request, document: Document, name: str) -> None:
    if document.value(name) is not None:
        raise Refusal(UNBOUNDED_REQUEST, _WEB_SEARCH)


def _refuse_other_modalities(request: Request, document: Document, name: str) -> None:
    if document.value(name) not in (None, ["text"]):
        raise Refusal(UNBOUNDED_REQUEST, "output other than text is not governed")


def _refuse_audio(request: Request, document: Document, name: str) -> None:
    if document.value(name) is not None:
        raise Refusal(UNBOUNDED_REQUEST, "audio output is not governed")


def _read_messages(request: Request, document: Document, name: str) -> None:
    if document.members[name][2] != ARRAY:
        raise Refusal(INVALID_REQUEST, "`messages` must be a list of messages")
    _add_run(request, document, name, b"m", measure.of_message)


def _bound_images_of_mini(request: Request) -> None:
    """The small models bill an image as far more tokens: their messages are counted apart."""
    for run in request.runs:
        if run.name == b"m":
            run.name, run.measure = b"M", measure.of_message_mini


def _read_definitions(request: Request, document: Document, name: str) -> None:
    kind = document.members[name][2]
    if kind == NULL:
        return
    if kind != ARRAY:
        raise Refusal(INVALID_REQUEST, f"`{name}` must be a list")
    if name == "tools":
        _add_run(request, document, name, b"t", measure.of_tool)
    else:
        _add_run(request, document, name, b"f", measure.of_function)
    request.tokens_extra += measure.TOOLS_TOKENS


def _read_schema(request: Request, document: Document, name: str) -> None:
    start, end, _ = document.members[name]
    run = Run(b"r", [(start, end)], [document.digest(name)], measure.of_schema)
    request.runs = [*request.runs, run]
    request.tokens_extra += measure.SCHEMA_TOKENS


def _add_run(
    request: Request, document: Document, name: str, tag: bytes, measured: Measure
) -> None:
    spans, digests = document.items(name)
    run = Run(tag, spans, digests, measured, document.long_strings)
    request.runs = [*request.runs, run]


# The metered fields and what reads each; `stream_options` is read last, with the stream.
_READERS: dict[str, Callable[[Request, Document, str], None]] = {
    "model": _read_model,
    "messages": _read_messages,
    "max_tokens": _read_output_bound,
    "max_completion_tokens": _read_output_bound,
    "n": _read_choices,
    "stream": _read_stream,
    "service_tier": _read_tier,
    "tools": _read_definitions,
    "functions": _read_definitions,
    "response_format": _read_schema,
    "prediction": _read_prediction,
    "prompt_cache_options": _read_cache_options,
    "modalities": _refuse_other_modalities,
    "audio": _refuse_audio,
    "web_search_options": _refuse_web_search,
}

_INJECTED = b'"stream_options":{"include_usage":true},'


def _ask_for_usage(request: Request, document: Document) -> None:
    """Make the upstream report usage at the end of a stream, where the caller did not ask for it.

    Without it a stream carries no usage at all.  The other members of `stream_options` stay.
    """
    options = document.value("stream_options")
    if options is None:
        if "stream_options" in document.members:  # null
            start, end, _ = document.members["stream_options"]
            request.edit(start, end, b'{"include_usage":true}')
        else:
            brace = request.body.index(b"{") + 1
            request.edit(brace, brace, _INJECTED)
        request.hides_usage = True
        return
    if document.members["stream_options"][2] != OBJECT:
        raise Refusal(INVALID_REQUEST, "`stream_options` must be an object")
    asked = options.get("include_usage")
    if asked is not None and type(asked) is not bool:
        raise Refusal(INVALID_REQUEST, "`stream_options.include_usage` must be true or false")
    if any(fold(k) == "includeusage" and k != "include_usage" for k in options):
        raise Refusal(AMBIGUOUS_FIELD, "a field of `stream_options` reads like `include_usage`")
    if asked is not True:
        start, end, _ = document.members["stream_options"]
        options["include_usage"] = True
        request.edit(start, end, orjson.dumps(options))
        request.hides_usage = True
