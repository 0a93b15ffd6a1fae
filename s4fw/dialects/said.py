"""What a part of a message says, for telling whether two are the same: shared by all shapes.

A text says itself.  Anything else (an image, a document, JSON) is stood for by letters that differ
where it differs: letters that no normalisation of a text takes away.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

_LETTERS: Final = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")
SEPARATOR: Final = "\x1f"

# What moves from message to message, or is drawn anew for each answer.
_VOLATILE: Final = frozenset(
    {"cache_control", "prompt_cache_breakpoint", "id", "annotations", "logprobs"}
)


def mark(value: Any) -> str:
    """Letters that stand for a value; equal values have equal ones, in this process tree."""
    return f"{hash(orjson.dumps(value)) & 0xFFFFFFFFFFFFFFFF:016x}".translate(_LETTERS)


def mark_of_part(part: dict[str, Any]) -> str:
    """The same for a part that is no text, without what is volatile in it."""
    return mark({name: value for name, value in part.items() if name not in _VOLATILE})


def text_of(content: Any) -> str:
    """The texts of a content that is a text or a list of parts, as OpenAI and Anthropic write
    them."""
    if type(content) is str:
        return content
    if type(content) is not list:
        return "" if content is None else mark(content)
    return SEPARATOR.join(map(_of_part, content))


def _of_part(part: Any) -> str:
    if type(part) is str:
        return part
    if type(part) is not dict:
        return mark(part)
    for name in ("text", "refusal"):
        text = part.get(name)
        if type(text) is str:
            return text
    return mark_of_part(part)


def written(arguments: Any) -> str:
    """Arguments of a call as text: they come as text, or as JSON."""
    if type(arguments) is str:
        return arguments
    return orjson.dumps(arguments).decode()
