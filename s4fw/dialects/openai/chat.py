"""Reads a chat completions request: what moves money in it, with one reading only.

The firewall meters what it forwards and forwards what it metered, so a body that two parsers might
read differently is refused: duplicate keys (by the scanner), a name that folds to a metered one,
a number that is no plain integer.  Unknown fields pass; what cannot be bounded does not.
"""

from __future__ import annotations

import re
from typing import Final

from s4fw.core.request import CACHE_30M, Request
from s4fw.core.transcript import Transcript
from s4fw.dialects import fields
from s4fw.dialects.fields import Guard
from s4fw.dialects.openai import content, measure, members
from s4fw.dialects.openai.members import Reader
from s4fw.dialects.openai.names import FOREIGN
from s4fw.dialects.openai.transcript import of_message
from s4fw.dialects.strictjson import ARRAY, NULL, Document
from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

# Fields that this file reads, or that size the bill at the provider.
METERED: Final = frozenset(
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
        "tool_choice",
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
# The bounds of the output; the first is the one to add where there is none.
OUTPUT_BOUNDS: Final = ("max_completion_tokens", "max_tokens")

# Models that search the web with every call, asked or not: a fee beside their tokens.
SEARCHING: Final = re.compile(r"gpt-.*-search-(?:preview|api)")
CHOICES_MAX: Final = 128  # the provider's own bound of n

_GUARD: Final = Guard(METERED, FOREIGN)


def read(request: Request) -> None:
    """Fill the metered part of `request` from its body.  Raises Refusal."""
    request.tokens_extra = measure.REPLY_TOKENS
    request.cache = CACHE_30M  # newer models write to the cache without being asked
    document = members.walk(request, _READERS, _GUARD)
    if not request.model or "messages" not in document.members:
        raise Refusal(INVALID_REQUEST, "the body needs a `model` and `messages`")
    if SEARCHING.match(request.model):
        raise Refusal(UNBOUNDED_REQUEST, _WEB_SEARCH)
    content.bind(request)
    if request.stream:
        members.ask_for_usage(request, document)


def read_choices(request: Request, document: Document, name: str) -> None:
    """How many answers are generated and billed."""
    request.choices = fields.integer(document, name, 1, CHOICES_MAX) or 1


def _read_prediction(request: Request, document: Document, name: str) -> None:
    """Rejected prediction tokens are billed as output; bytes bound tokens."""
    start, end, _ = document.members[name]
    request.output_tokens_extra = end - start


_WEB_SEARCH: Final = "web search is billed per call and is not governed"


def _refuse_web_search(request: Request, document: Document, name: str) -> None:
    if document.value(name) is not None:
        raise Refusal(UNBOUNDED_REQUEST, _WEB_SEARCH)


def refuse_other_modalities(request: Request, document: Document, name: str) -> None:
    """Refuse output other than text."""
    if document.value(name) not in (None, ["text"]):
        raise Refusal(UNBOUNDED_REQUEST, "output other than text is not governed")


def refuse_audio(request: Request, document: Document, name: str) -> None:
    """Refuse output in audio."""
    if document.value(name) is not None:
        raise Refusal(UNBOUNDED_REQUEST, "audio output is not governed")


def _read_messages(request: Request, document: Document, name: str) -> None:
    start, end, kind = document.members[name]
    if kind != ARRAY:
        raise Refusal(INVALID_REQUEST, "`messages` must be a list of messages")
    request.is_context_bound = content.has_unseen(content.MESSAGES, request.body, start, end)
    run = members.run_of_list(document, name, content.MESSAGES, measure.of_text)
    members.add_run(request, run)  # `bind` says how it is measured
    request.transcript = Transcript(
        b"c", request.body, run.spans, run.digests, of_message, document.long_strings
    )


def _read_definitions(request: Request, document: Document, name: str) -> None:
    if document.members[name][2] == NULL:
        return
    if name == "tools":
        run = members.run_of_list(document, name, b"t", measure.of_tool)
    else:
        run = members.run_of_list(document, name, b"f", measure.of_function)
    members.add_run(request, run)
    request.tokens_extra += measure.TOOLS_TOKENS


# The metered fields and what reads each; `stream_options` is read last, with the stream.
_READERS: Final[dict[str, Reader]] = {
    "model": members.read_model,
    "messages": _read_messages,
    "max_tokens": members.read_output_bound,
    "max_completion_tokens": members.read_output_bound,
    "n": read_choices,
    "stream": members.read_stream,
    "service_tier": members.read_tier,
    "tools": _read_definitions,
    "functions": _read_definitions,
    "tool_choice": members.read_tool_choice,
    "response_format": members.read_schema,
    "prediction": _read_prediction,
    "prompt_cache_options": members.read_cache_options,
    "modalities": refuse_other_modalities,
    "audio": refuse_audio,
    "web_search_options": _refuse_web_search,
    **members.LABELS,
}
