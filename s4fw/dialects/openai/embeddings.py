"""Reads an embeddings request: input only, counted exactly; it generates nothing."""

from __future__ import annotations

from typing import Final

from s4fw.core.request import Request
from s4fw.dialects.fields import Guard
from s4fw.dialects.openai import members
from s4fw.dialects.openai.completions import inputs
from s4fw.dialects.openai.members import Reader
from s4fw.dialects.openai.names import FOREIGN
from s4fw.dialects.strictjson import Document
from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

METERED: Final = frozenset({"model", "input", "stream", "service_tier"})

# Of each input: servers of other models add one at its beginning and its end.
_ENDS_TOKENS: Final = 2

_GUARD: Final = Guard(METERED, FOREIGN | {"messages"})


def read(request: Request) -> None:
    """Fill the metered part of `request` from its body.  Raises Refusal."""
    document = members.walk(request, _READERS, _GUARD)
    if not request.model or "input" not in document.members:
        raise Refusal(INVALID_REQUEST, "the body needs a `model` and an `input`")
    run, count = inputs(request.body, document, "input")
    members.add_run(request, run)
    request.output_tokens_max = 0
    request.choices = count  # each may fill the model's context
    request.tokens_extra = _ENDS_TOKENS * count


def _read_input(request: Request, document: Document, name: str) -> None:
    """Read at the end."""


def _refuse_stream(request: Request, document: Document, name: str) -> None:
    if document.value(name):
        raise Refusal(UNBOUNDED_REQUEST, "there is no stream of embeddings")


_READERS: Final[dict[str, Reader]] = {
    "model": members.read_model,
    "input": _read_input,
    "stream": _refuse_stream,
    "service_tier": members.read_tier,
    **members.LABELS,
}
