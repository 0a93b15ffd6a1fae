"""Reads a legacy completions request: one prompt or many, as texts or as token ids.

Every prompt is answered on its own, so the output is bounded once for each of them, times the
larger of `n` and `best_of`.
"""

from __future__ import annotations

from typing import Final

from s4fw.core.request import Request, Run
from s4fw.dialects import fields
from s4fw.dialects.fields import Guard
from s4fw.dialects.openai import measure, members
from s4fw.dialects.openai.chat import CHOICES_MAX
from s4fw.dialects.openai.members import Reader
from s4fw.dialects.openai.names import FOREIGN
from s4fw.dialects.strictjson import ARRAY, NULL, STRING, Document
from s4fw.errors import INVALID_REQUEST, Refusal

METERED: Final = frozenset(
    {
        "model",
        "prompt",
        "suffix",
        "max_tokens",
        "n",
        "best_of",
        "echo",
        "stream",
        "stream_options",
        "service_tier",
    }
)
OUTPUT_BOUNDS: Final = ("max_tokens",)

# A server that shows a model of a later kind the prompt as a message frames it.
_FRAMING_TOKENS: Final = measure.MESSAGE_TOKENS + measure.REPLY_TOKENS

_GUARD: Final = Guard(METERED, FOREIGN | {"messages", "max_completion_tokens"})


def read(request: Request) -> None:
    """Fill the metered part of `request` from its body.  Raises Refusal."""
    document = members.walk(request, _READERS, _GUARD)
    if not request.model:
        raise Refusal(INVALID_REQUEST, "the body needs a `model`")
    if request.stream:
        members.ask_for_usage(request, document)
    prompts = _read_prompts(request, document)
    request.tokens_extra += _FRAMING_TOKENS * prompts
    samples = max(
        fields.integer(document, "n", 1, CHOICES_MAX) or 1,
        fields.integer(document, "best_of", 1, CHOICES_MAX) or 1,
    )
    request.choices = prompts * samples


def _read_prompts(request: Request, document: Document) -> int:
    """Add the runs of the prompt; returns how many prompts there are.  No prompt is an empty one.

    A long text is given to the model as it is: what servers add to it is its framing.
    """
    member = document.members.get("prompt")
    if member is None or member[2] == NULL:
        return 1
    run, prompts = inputs(request.body, document, "prompt")
    members.add_run(request, run)
    return prompts


def inputs(body: bytes | bytearray, document: Document, name: str) -> tuple[Run, int]:
    """The run of a member that is a text, several, a list of token ids or several, and how many
    inputs that makes.  A list is one input only if it holds token ids."""
    kind = document.members[name][2]
    if kind == STRING:
        return members.run_of_value(document, name, b"p", measure.of_prompt), 1
    if kind != ARRAY:
        raise Refusal(INVALID_REQUEST, f"`{name}` must be a text or a list")
    run = members.run_of_list(document, name, b"p", measure.of_prompt)
    if not run.spans:
        return run, 1
    if chr(body[run.spans[0][0]]).isdigit():
        run.name, run.measure = b"#", measure.of_token
        return run, 1
    return run, len(run.spans)


def _read_suffix(request: Request, document: Document, name: str) -> None:
    members.add_run(request, members.run_of_value(document, name, b"x", measure.of_text))


def _read_nothing(request: Request, document: Document, name: str) -> None:
    """Read with others, or moves no money in the form that it has here."""


def _read_echo(request: Request, document: Document, name: str) -> None:
    fields.boolean(document, name)  # the prompt again, which is not billed again


_READERS: Final[dict[str, Reader]] = {
    "model": members.read_model,
    "prompt": _read_nothing,
    "suffix": _read_suffix,
    "max_tokens": members.read_output_bound,
    "n": _read_nothing,
    "best_of": _read_nothing,
    "echo": _read_echo,
    "stream": members.read_stream,
    "stream_options": _read_nothing,
    "service_tier": members.read_tier,
    **members.LABELS,
}
