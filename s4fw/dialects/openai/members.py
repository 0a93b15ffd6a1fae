"""Reads the members that OpenAI's shapes have in common, and edits those that bound the output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import orjson

from s4fw.core.request import CACHE_12H, CACHE_30M, Measure, Request, Run
from s4fw.dialects import fields, strictjson
from s4fw.dialects.fields import TOKENS_MAX, Guard, fold
from s4fw.dialects.openai import measure
from s4fw.dialects.openai.names import TIERS
from s4fw.dialects.strictjson import NULL, OBJECT, Document
from s4fw.errors import AMBIGUOUS_FIELD, INVALID_REQUEST, Refusal

# Reads one member of a body into the request.  Raises Refusal.
Reader = Callable[[Request, Document, str], None]


def walk(request: Request, readers: Mapping[str, Reader], guard: Guard) -> Document:
    """Scan the body and read each member that has a reader.  Raises Refusal."""
    document = strictjson.scan(request.body)
    for name in document.members:
        reader = readers.get(name)
        if reader is not None:
            reader(request, document, name)
        else:
            guard.check(name)
    return document


def read_model(request: Request, document: Document, name: str) -> None:
    """The model, unless the path names it: then the body is made to say the same."""
    model = fields.model(document, name)
    if not request.model:
        request.model = model
    elif model != request.model:
        start, end, _ = document.members[name]
        request.edit(start, end, orjson.dumps(request.model))


def read_output_bound(request: Request, document: Document, name: str) -> None:
    """A bound of the output; of several the largest counts, because models differ in which one they
    obey.  0 bounds nothing: a server that does not refuse it may take it for no bound at all.
    """
    bound = fields.integer(document, name, 0, TOKENS_MAX)
    if bound:
        request.output_tokens_max = max(bound, request.output_tokens_max or 0)


def read_stream(request: Request, document: Document, name: str) -> None:
    """Whether the answer is a stream."""
    request.stream = bool(fields.boolean(document, name))


def read_tier(request: Request, document: Document, name: str) -> None:
    """The service tier."""
    request.tier = fields.one_of(document, name, TIERS)


def read_cache_options(request: Request, document: Document, name: str) -> None:
    """How long what is written to the cache is kept."""
    options = document.value(name)
    is_short = options is None or (isinstance(options, dict) and options.get("ttl") == "30m")
    request.cache = CACHE_30M if is_short else CACHE_12H


def read_label(request: Request, document: Document, name: str) -> None:
    """A field that may say who pays."""
    text = fields.label(document, name)
    if text is not None:
        request.labels = {**request.labels, name: text}


def read_metadata(request: Request, document: Document, name: str) -> None:
    """The caller's own pairs, which may say who pays."""
    labels = fields.label_map(document, name, None)
    if labels:
        request.labels = {**request.labels, **labels}


def read_schema(request: Request, document: Document, name: str) -> None:
    """The form of the answer, which the model is shown."""
    start, end, _ = document.members[name]
    add_run(request, Run(b"r", [(start, end)], [document.digest(name)], measure.of_schema))
    request.tokens_extra += measure.SCHEMA_TOKENS


def read_tool_choice(request: Request, document: Document, name: str) -> None:
    """Which tools may be called.  A long choice names them one by one; bytes bound tokens."""
    start, end, kind = document.members[name]
    if kind == OBJECT:
        request.tokens_extra += end - start


LABELS: Final[dict[str, Reader]] = {
    "user": read_label,
    "safety_identifier": read_label,
    "prompt_cache_key": read_label,
    "metadata": read_metadata,
}


def add_run(request: Request, run: Run) -> None:
    """One more run to be counted."""
    request.runs = [*request.runs, run]


def run_of_list(document: Document, name: str, tag: bytes, measured: Measure) -> Run:
    """The run of a member's elements.  Raises Refusal where it is no list."""
    fields.require_list(document, name)
    spans, digests = document.items(name)
    return Run(tag, spans, digests, measured, document.long_strings)


def run_of_value(document: Document, name: str, tag: bytes, measured: Measure) -> Run:
    """The run of one member as a whole."""
    start, end, _ = document.members[name]
    spans, digests = [(start, end)], [document.digest(name)]
    return Run(tag, spans, digests, measured, document.long_strings)


_INJECTED: Final = b'"stream_options":{"include_usage":true},'


def ask_for_usage(request: Request, document: Document) -> None:
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


def lower_output(request: Request, names: tuple[str, ...], tokens: int) -> None:
    """Lower every bound of the output to at most `tokens`, one at least; the first of `names` is
    added where there is none."""
    tokens = min(tokens, request.output_tokens_max or tokens)
    document = strictjson.scan(request.body)
    digits = b"%d" % tokens
    is_bound = False
    for name in names:
        bound = document.value(name)
        if bound is None:
            continue
        is_bound = True
        if bound == 0 or bound > tokens:
            start, end, _ = document.members[name]
            request.edit(start, end, digits)
    if not is_bound:
        _add_bound(request, document, names[0], digits)
    request.output_tokens_max = tokens


def _add_bound(request: Request, document: Document, name: str, digits: bytes) -> None:
    member = document.members.get(name)
    if member is not None and member[2] == NULL:
        request.edit(member[0], member[1], digits)
        return
    brace = request.body.rindex(b"}")
    request.edit(brace, brace, b',"%b":%b' % (name.encode(), digits))


def rename_model(request: Request, model: str) -> bool:
    """Ask another model; False where the body names none."""
    member = strictjson.scan(request.body).members.get("model")
    if member is None:
        return False
    request.edit(member[0], member[1], orjson.dumps(model))
    request.model = model
    return True
