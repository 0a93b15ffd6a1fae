"""Reads a chat completions request: what moves money in it, with one reading only.

The firewall meters what it forwards and forwards what it metered, so a body that two parsers might
read differently is refused: duplicate keys (by the scanner), a name that folds to a metered one,
a number that is no plain integer.  Unknown fields pass; what cannot be bounded does not.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import orjson

from s4fw.core.request import Measure, Request, Run
from s4fw.dialects import strictjson
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

# Names by which other APIs bound the output, and fields by which other gateways choose another
# model or another destination.  A server on the way that obeys one would spend what nobody held.
FOREIGN = frozenset(
    {
        "max_output_tokens",
        "max_new_tokens",
        "max_gen_len",
        "max_token_count",
        "max_length",
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
    }
)

MODEL = re.compile(r"[A-Za-z0-9._:/@-]{1,256}")
CHOICES_MAX = 128  # the provider's own bound of n
TOKENS_MAX = 2**31 - 1
TIERS = frozenset({"auto", "default", "flex", "priority", "fast", "scale"})

# Framing, as an upper bound of what the provider adds to the text: 3 per message and 3 for the
# reply (OpenAI cookbook, "How to count tokens"), 5 more per message and 32 flat for safety; tools
# and schemas are counted as their JSON, an upper bound of their inner rendering.
MESSAGE_TOKENS = 3 + 5
REPLY_TOKENS = 3 + 32
TOOL_CALL_TOKENS = 8
TOOL_TOKENS = 10
TOOLS_TOKENS = 16 + 16  # the section, and a forced tool_choice
SCHEMA_TOKENS = 16

# Bounds of one image by its `detail`; the most expensive model of each kind.
IMAGE_TOKENS = {"low": 300, "high": 3_800, "auto": 3_800, "original": 25_000}
IMAGE_TOKENS_MINI = 48_169  # gpt-4o-mini bills an image up to 33 times as many tokens


def _fold(name: str) -> str:
    """What a lenient reader might take two names for: case, Unicode form, separators."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if char.isalnum())


_GUARDED = {_fold(name): name for name in METERED | FOREIGN}
_known_good: set[str] = set(METERED)


def _check_names(document: Document) -> None:
    """Refuse a member whose name is not a metered one but could be read as one."""
    for name in document.members:
        if name in _known_good:
            continue
        guarded = _GUARDED.get(_fold(name))
        if guarded is not None:
            raise Refusal(
                AMBIGUOUS_FIELD,
                f"a field of the body could be read as `{guarded}` by one server and ignored by "
                "another; leave it out or use the documented name",
            )
        if len(_known_good) < 4096:  # names come from callers: remember a bounded number
            _known_good.add(name)


def _integer(document: Document, name: str, least: int, most: int) -> int | None:
    """A field that is an integer, or absent, or null.  `true` and `1.0` are no integers here."""
    value = document.value(name)
    if value is None:
        return None
    if type(value) is not int or not least <= value <= most:
        raise Refusal(INVALID_REQUEST, f"`{name}` must be an integer from {least} to {most}")
    return value


def _boolean(document: Document, name: str) -> bool:
    value = document.value(name)
    if value is None or type(value) is bool:
        return bool(value)
    raise Refusal(INVALID_REQUEST, f"`{name}` must be true or false")


def read(request: Request) -> None:
    """Fill the metered part of `request` from its body.  Raises Refusal."""
    document = strictjson.scan(request.body)
    _check_names(document)
    request.model = _model(document)
    request.stream = _boolean(document, "stream")
    request.choices = _integer(document, "n", 1, CHOICES_MAX) or 1
    # Both may be given; which one a model obeys differs, so the larger bounds.
    bounds = (
        _integer(document, "max_tokens", 0, TOKENS_MAX),
        _integer(document, "max_completion_tokens", 0, TOKENS_MAX),
    )
    request.output_tokens_max = max((b for b in bounds if b is not None), default=None)
    request.tier = _tier(document)
    request.may_cache_12h = "prompt_cache_options" in document.members  # its ttl may be 12h
    _refuse_unbounded(document)
    _collect_runs(request, document)
    if request.stream:
        _ask_for_usage(request, document)


def _model(document: Document) -> str:
    model = document.value("model")
    if not isinstance(model, str) or MODEL.fullmatch(model) is None:
        raise Refusal(INVALID_REQUEST, "`model` must be a model's name")
    return model


def _tier(document: Document) -> str | None:
    tier = document.value("service_tier")
    if tier is None:
        return None
    if not isinstance(tier, str) or tier not in TIERS:
        raise Refusal(INVALID_REQUEST, f"`service_tier` must be one of {', '.join(sorted(TIERS))}")
    return tier


def _refuse_unbounded(document: Document) -> None:
    """Refuse what costs beside input and output tokens of text and images."""
    members = document.members
    if "web_search_options" in members and document.value("web_search_options") is not None:
        raise Refusal(UNBOUNDED_REQUEST, "web search is billed per call and is not governed")
    if "modalities" in members and document.value("modalities") not in (None, ["text"]):
        raise Refusal(UNBOUNDED_REQUEST, "output other than text is not governed")
    if "audio" in members and document.value("audio") is not None:
        raise Refusal(UNBOUNDED_REQUEST, "audio output is not governed")


def _collect_runs(request: Request, document: Document) -> None:
    members = document.members
    if members.get("messages", (0, 0, None))[2] != ARRAY:
        raise Refusal(INVALID_REQUEST, "`messages` must be a list of messages")
    image_tokens = IMAGE_TOKENS_MINI if "mini" in request.model else 0
    measure = _measure_message_mini if image_tokens else _measure_message
    runs = [_run(document, "messages", b"M" if image_tokens else b"m", measure)]
    extra = REPLY_TOKENS
    for name, tag, measure_one in _DEFINITIONS:
        if name in members and members[name][2] != NULL:
            if members[name][2] != ARRAY:
                raise Refusal(INVALID_REQUEST, f"`{name}` must be a list")
            runs.append(_run(document, name, tag, measure_one))
            extra += TOOLS_TOKENS
    if "response_format" in members:
        runs.append(_single(document, "response_format", b"r", _measure_schema))
        extra += SCHEMA_TOKENS
    if "prediction" in members:
        # Rejected prediction tokens are billed as output; bytes bound tokens.
        start, end, _ = members["prediction"]
        request.output_tokens_extra = end - start
    request.runs = runs
    request.tokens_extra = extra


def _run(document: Document, name: str, tag: bytes, measure: Measure) -> Run:
    spans, digests = document.items(name)
    return Run(tag, spans, digests, measure, document.long_strings)


def _single(document: Document, name: str, tag: bytes, measure: Measure) -> Run:
    start, end, _ = document.members[name]
    return Run(tag, [(start, end)], [document.digest(name)], measure)


def _measure_message(message: Any) -> tuple[list[str], int]:
    return _measure(message, 0)


def _measure_message_mini(message: Any) -> tuple[list[str], int]:
    return _measure(message, IMAGE_TOKENS_MINI)


def _measure(message: Any, image_floor: int) -> tuple[list[str], int]:
    """Every text of one message, and tokens for its framing and images.  Raises Refusal.

    Walks whatever is there, so a content part that is not known yet is counted as text.
    """
    if not isinstance(message, dict):
        raise Refusal(INVALID_REQUEST, "each message must be an object")
    texts: list[str] = []
    tokens = MESSAGE_TOKENS
    waiting: list[Any] = [message]
    while waiting:
        value = waiting.pop()
        if type(value) is str:
            texts.append(value)
        elif type(value) is list:
            waiting.extend(value)
        elif type(value) is dict:
            kind = value.get("type")
            if kind == "image_url" and "image_url" in value:
                tokens += _image_tokens(value["image_url"], image_floor)
                waiting.extend(v for k, v in value.items() if k not in ("type", "image_url"))
                continue
            if kind in ("input_audio", "file"):
                raise Refusal(UNBOUNDED_REQUEST, f"content of type `{kind}` is not governed")
            if "function" in value:
                tokens += TOOL_CALL_TOKENS
            waiting.extend(value.values())
        elif value is not None:
            texts.append(str(value))  # numbers where a text is expected: count their digits
    return texts, tokens


def _image_tokens(image: Any, floor: int) -> int:
    """The bound of one image; its bytes or address are no text."""
    if not isinstance(image, dict):
        raise Refusal(INVALID_REQUEST, "`image_url` must be an object with a `url`")
    detail = image.get("detail", "auto")
    if not isinstance(detail, str):
        raise Refusal(INVALID_REQUEST, "`detail` of an image must be a text")
    bound = IMAGE_TOKENS.get(detail, IMAGE_TOKENS["original"])
    return max(bound, floor)


def _measure_tool(tool: Any) -> tuple[list[str], int]:
    """A tool is counted as its JSON.  Hosted tools run and bill at the provider: refused."""
    if not isinstance(tool, dict):
        raise Refusal(INVALID_REQUEST, "each tool must be an object")
    if tool.get("type") not in ("function", "custom"):
        raise Refusal(UNBOUNDED_REQUEST, "only tools of type `function` or `custom` are governed")
    return [orjson.dumps(tool).decode()], TOOL_TOKENS


def _measure_function(function: Any) -> tuple[list[str], int]:
    if not isinstance(function, dict):
        raise Refusal(INVALID_REQUEST, "each function must be an object")
    return [orjson.dumps(function).decode()], TOOL_TOKENS


def _measure_schema(schema: Any) -> tuple[list[str], int]:
    return [orjson.dumps(schema).decode()], 0


_DEFINITIONS: tuple[tuple[str, bytes, Measure], ...] = (
    ("tools", b"t", _measure_tool),
    ("functions", b"f", _measure_function),
)

_INJECTED = b'"stream_options":{"include_usage":true},'


def _ask_for_usage(request: Request, document: Document) -> None:
    """Make the upstream report usage at the end of a stream, where the caller did not ask for it.

    Without it a stream carries no usage at all.  The other members of `stream_options` stay.
    """
    body = memoryview(request.body)
    options = document.value("stream_options")
    if options is None:
        if "stream_options" in document.members:  # null
            start, end, _ = document.members["stream_options"]
            request.pieces = (body[:start], b'{"include_usage":true}', body[end:])
        else:
            brace = request.body.index(b"{") + 1
            request.pieces = (body[:brace], _INJECTED, body[brace:])
        request.hides_usage = True
        return
    if document.members["stream_options"][2] != OBJECT:
        raise Refusal(INVALID_REQUEST, "`stream_options` must be an object")
    asked = options.get("include_usage")
    if asked is not None and type(asked) is not bool:
        raise Refusal(INVALID_REQUEST, "`stream_options.include_usage` must be true or false")
    if any(_fold(k) == "includeusage" and k != "include_usage" for k in options):
        raise Refusal(AMBIGUOUS_FIELD, "a field of `stream_options` reads like `include_usage`")
    if asked is not True:
        start, end, _ = document.members["stream_options"]
        options["include_usage"] = True
        request.pieces = (body[:start], orjson.dumps(options), body[end:])
        request.hides_usage = True
