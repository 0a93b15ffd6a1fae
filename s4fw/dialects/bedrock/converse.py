"""Reads a Converse request: what moves money in it, with one reading only.

The model stands in the path, everything else in the body.  Unknown fields pass; what cannot be
bounded does not, and neither does a name that folds to a metered one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from s4fw.core.request import Request, Run
from s4fw.core.transcript import Transcript
from s4fw.dialects import fields, strictjson
from s4fw.dialects.bedrock import caching, content, native, prompt, tiers
from s4fw.dialects.bedrock.native import Settings
from s4fw.dialects.bedrock.transcript import of_message
from s4fw.dialects.fields import TOKENS_MAX, Guard, fold, plain_integer
from s4fw.dialects.strictjson import NULL, OBJECT, Document
from s4fw.errors import AMBIGUOUS_FIELD, INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

REPLY_TOKENS: Final = 32  # framing of the reply, and slack
BOUND: Final = "inferenceConfig.maxTokens"

METERED: Final = frozenset(
    {
        "messages",
        "system",
        "inferenceConfig",
        "toolConfig",
        "guardrailConfig",
        "additionalModelRequestFields",
        "promptVariables",
        "performanceConfig",
        "serviceTier",
        "outputConfig",
        "requestMetadata",
    }
)
# What other shapes bound the output with or choose the model by; none of them means anything here.
FOREIGN: Final = frozenset(
    {
        *(native.OUTPUT_BOUNDS - {"n"}),
        *("modelId", "model", "service_tier", "inference_config", "anthropic_beta"),
    }
)
_GUARD: Final = Guard(METERED, FOREIGN)


def read(request: Request) -> None:
    """Fill the metered part of `request`, whose model is known, from its body.  Raises Refusal."""
    document = strictjson.scan(request.body)
    request.tokens_extra = REPLY_TOKENS
    request.tier = tiers.DEFAULT
    request.cache = caching.kind(request.model, request.body, document.is_veiled)
    settings = Settings()
    for name in document.members:
        reader = _READERS.get(name)
        if reader is not None:
            if document.members[name][2] != NULL:
                reader(request, document, name, settings)
        else:
            _GUARD.check(name)
    if not request.runs or "messages" not in document.members:
        raise Refusal(INVALID_REQUEST, "the body needs `messages`")
    request.choices = settings.choices
    if BOUND in settings.names:  # what else was found makes it larger, never replaces it
        request.output_tokens_max = settings.output_tokens_max


def _read_messages(request: Request, document: Document, name: str, settings: Settings) -> None:
    prompt.add_messages(request, document)
    run = request.runs[-1]
    request.transcript = Transcript(
        b"b", request.body, run.spans, run.digests, of_message, document.long_strings
    )


def _read_system(request: Request, document: Document, name: str, settings: Settings) -> None:
    prompt.add_system(request, document)


def _read_tools(request: Request, document: Document, name: str, settings: Settings) -> None:
    start, end, _ = document.members[name]
    run = Run(b"bt", [(start, end)], [document.digest(name)], content.of_tools)
    request.runs = [*request.runs, run]


def _read_inference(request: Request, document: Document, name: str, settings: Settings) -> None:
    config = _object(document, name)
    for member in config:
        if member != "maxTokens" and fold(member) in _FOLDED_BOUNDS:
            raise Refusal(AMBIGUOUS_FIELD, f"a field of `{name}` reads like `maxTokens`")
    settings.bound(BOUND, plain_integer(config.get("maxTokens"), "maxTokens", 0, TOKENS_MAX))


_FOLDED_BOUNDS: Final = frozenset(map(fold, native.OUTPUT_BOUNDS))


def _read_additional(request: Request, document: Document, name: str, settings: Settings) -> None:
    """Free JSON that is merged into the model's own body: settings, and perhaps text."""
    native.read(_object(document, name), request.model, settings)
    _add_as_text(request, document, name)


def _read_output_config(
    request: Request, document: Document, name: str, settings: Settings
) -> None:
    """A schema is shown to the model, or costs as if it were."""
    _object(document, name)
    _add_as_text(request, document, name)


def _add_as_text(request: Request, document: Document, name: str) -> None:
    start, end, _ = document.members[name]
    request.tokens_extra += end - start


def _read_tier(request: Request, document: Document, name: str, settings: Settings) -> None:
    request.tier = tiers.requested(_object(document, name).get("type"))


def _read_performance(request: Request, document: Document, name: str, settings: Settings) -> None:
    tiers.check_latency(_object(document, name).get("latency"))


def _read_metadata(request: Request, document: Document, name: str, settings: Settings) -> None:
    request.labels = fields.label_map(document, name, None)


def _refuse_guardrail(request: Request, document: Document, name: str, settings: Settings) -> None:
    raise Refusal(UNBOUNDED_REQUEST, tiers.GUARDRAIL)


def _refuse_variables(request: Request, document: Document, name: str, settings: Settings) -> None:
    if _object(document, name):
        raise Refusal(
            UNBOUNDED_REQUEST,
            "`promptVariables` are not governed: the prompt that they fill is kept by the provider",
        )


def _object(document: Document, name: str) -> dict[str, Any]:
    if document.members[name][2] != OBJECT:
        raise Refusal(INVALID_REQUEST, f"`{name}` must be an object")
    value: dict[str, Any] = document.value(name)
    return value


_READERS: Final[dict[str, Callable[[Request, Document, str, Settings], None]]] = {
    "messages": _read_messages,
    "system": _read_system,
    "inferenceConfig": _read_inference,
    "toolConfig": _read_tools,
    "guardrailConfig": _refuse_guardrail,
    "additionalModelRequestFields": _read_additional,
    "promptVariables": _refuse_variables,
    "performanceConfig": _read_performance,
    "serviceTier": _read_tier,
    "outputConfig": _read_output_config,
    "requestMetadata": _read_metadata,
}
