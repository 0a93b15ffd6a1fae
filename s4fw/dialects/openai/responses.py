"""Reads a responses request: what moves money in it, with one reading only.

Much of the input may not be in the body: an earlier response, a conversation, files.  Such a
request is held at the model's whole context, unless the earlier response was seen here.  What
makes the provider work beside the answer, or later, is refused.
"""

from __future__ import annotations

from typing import Any, Final

from s4fw.core.request import CACHE_30M, Request
from s4fw.core.transcript import Transcript
from s4fw.dialects import fields, strictjson
from s4fw.dialects.fields import Guard
from s4fw.dialects.openai import chains, content, measure, members, tools
from s4fw.dialects.openai.chat import refuse_audio, refuse_other_modalities
from s4fw.dialects.openai.members import Reader
from s4fw.dialects.openai.names import FOREIGN, TIERS
from s4fw.dialects.openai.transcript import of_item
from s4fw.dialects.strictjson import ARRAY, NULL, OBJECT, STRING, Document
from s4fw.errors import AMBIGUOUS_FIELD, INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

METERED: Final = frozenset(
    {
        "model",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "stream",
        "service_tier",
        "tools",
        "tool_choice",
        "text",
        "previous_response_id",
        "conversation",
        "prompt",
        "background",
        "context_management",
        "reasoning",
        "prompt_cache_options",
        "modalities",
        "audio",
    }
)
OUTPUT_BOUNDS: Final = ("max_output_tokens",)
OUTPUT_TOKENS_MIN: Final = 16  # the provider refuses a lower bound

CALLS_MAX: Final = 1000
# Beside what one request brings, a chain brings its framing again.
_ITEM_FRAMING: Final = 64

_TIERS: Final = TIERS | {"ultrafast"}
_GUARD: Final = Guard(METERED, FOREIGN | {"messages"})


def read(request: Request) -> None:
    """Fill the metered part of `request` from its body.  Raises Refusal."""
    request.tokens_extra = measure.REPLY_TOKENS
    request.cache = CACHE_30M  # newer models write to the cache without being asked
    document = members.walk(request, _READERS, _GUARD)
    if not request.model:
        raise Refusal(INVALID_REQUEST, "the body needs a `model`")
    if not any(name in document.members for name in _INPUTS):
        raise Refusal(INVALID_REQUEST, "the body needs an `input`")
    _read_previous(request, document)
    _read_tools(request, document)
    content.bind(request)


_INPUTS: Final = ("input", "previous_response_id", "conversation", "prompt")


def _read_input(request: Request, document: Document, name: str) -> None:
    start, end, kind = document.members[name]
    if kind == STRING:
        run = members.run_of_value(document, name, b"s", measure.of_text)
        request.transcript = Transcript(b"t", request.body, run.spans, run.digests, of_item)
    elif kind == ARRAY:
        request.is_context_bound |= content.has_unseen(content.ITEMS, request.body, start, end)
        run = members.run_of_list(document, name, content.ITEMS, measure.of_text)
        request.transcript = Transcript(
            b"r", request.body, run.spans, run.digests, of_item, document.long_strings, True
        )
    elif kind == NULL:
        return
    else:
        raise Refusal(INVALID_REQUEST, "`input` must be a text or a list of items")
    members.add_run(request, run)  # `bind` says how items are measured


def _read_instructions(request: Request, document: Document, name: str) -> None:
    members.add_run(request, members.run_of_value(document, name, b"s", measure.of_text))


def _read_previous(request: Request, document: Document) -> None:
    """What is kept at the provider and is input again: the chain that a response ends."""
    previous = document.value("previous_response_id")
    if previous is None:
        return
    if not isinstance(previous, str):
        raise Refusal(INVALID_REQUEST, "`previous_response_id` must be the id of a response")
    if request.transcript is not None:
        request.transcript.chain = previous
    tokens = chains.CHAINS.tokens(previous, request.model)
    if tokens is None:
        request.is_context_bound = True
    else:
        request.tokens_extra += tokens + _ITEM_FRAMING


def is_counted_chain(request: Request) -> bool:
    """Whether a request holds an earlier response at its own size, not at the context."""
    previous = strictjson.scan(request.body).value("previous_response_id")
    return previous is not None and not request.is_context_bound


def _read_conversation(request: Request, document: Document, name: str) -> None:
    value = document.value(name)
    if value is None:
        return
    request.is_context_bound = True
    label = value.get("id") if isinstance(value, dict) else value
    if isinstance(label, str) and 0 < len(label) <= fields.LABEL_CHARS_MAX:
        request.labels = {**request.labels, name: label}


def _read_prompt(request: Request, document: Document, name: str) -> None:
    """A template at the provider.  It may bring tools, of which nobody here knows the fees."""
    if document.value(name) is None:
        return
    request.is_context_bound = True
    if document.value("tool_choice") != "none":
        raise Refusal(
            UNBOUNDED_REQUEST,
            'a stored `prompt` may hold tools with fees; it is governed with `tool_choice: "none"`',
        )


def _read_tools(request: Request, document: Document) -> None:
    """The tools, with what bounds their calls.  0 is no bound: a server may take it for none."""
    calls_max = fields.integer(document, "max_tool_calls", 0, CALLS_MAX) or None
    member = document.members.get("tools")
    if member is None or member[2] == NULL:
        return
    run = members.run_of_list(document, "tools", b"T", measure.of_flat_tool)
    are_idle = document.value("tool_choice") == "none"
    tools.judge(request, document.value("tools"), calls_max, are_idle)
    members.add_run(request, run)
    request.tokens_extra += measure.TOOLS_TOKENS


def _read_tier(request: Request, document: Document, name: str) -> None:
    request.tier = fields.one_of(document, name, _TIERS)


def _refuse_background(request: Request, document: Document, name: str) -> None:
    if fields.boolean(document, name):
        raise Refusal(
            UNBOUNDED_REQUEST,
            "a response in the background tells its usage to nobody who waits; leave `background` "
            "out",
        )


def _refuse_context_management(request: Request, document: Document, name: str) -> None:
    if document.value(name):
        raise Refusal(UNBOUNDED_REQUEST, "a compaction within a request is not governed")


def _read_reasoning(request: Request, document: Document, name: str) -> None:
    value = _object(document, name)
    if any(fields.fold(key) == "mode" and key != "mode" for key in value):
        raise Refusal(AMBIGUOUS_FIELD, "a field of `reasoning` reads like `mode`")
    if value.get("mode") not in (None, "standard"):
        raise Refusal(UNBOUNDED_REQUEST, "only the standard mode of reasoning is governed")


def _object(document: Document, name: str) -> dict[str, Any]:
    """A member that is an object, or null.  Raises Refusal."""
    kind = document.members[name][2]
    if kind == NULL:
        return {}
    if kind != OBJECT:
        raise Refusal(INVALID_REQUEST, f"`{name}` must be an object")
    value: dict[str, Any] = document.value(name)
    return value


def _read_later(request: Request, document: Document, name: str) -> None:
    """Read at the end, when everything that it depends on was."""


_READERS: Final[dict[str, Reader]] = {
    "model": members.read_model,
    "input": _read_input,
    "instructions": _read_instructions,
    "max_output_tokens": members.read_output_bound,
    "max_tool_calls": _read_later,
    "stream": members.read_stream,
    "service_tier": _read_tier,
    "tools": _read_later,
    "tool_choice": members.read_tool_choice,
    "text": members.read_schema,
    "previous_response_id": _read_later,
    "conversation": _read_conversation,
    "prompt": _read_prompt,
    "background": _refuse_background,
    "context_management": _refuse_context_management,
    "reasoning": _read_reasoning,
    "prompt_cache_options": members.read_cache_options,
    "modalities": refuse_other_modalities,
    "audio": refuse_audio,
    **members.LABELS,
}
