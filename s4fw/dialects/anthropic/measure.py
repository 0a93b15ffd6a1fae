"""Measures the content of a messages request: its texts, and what costs tokens beside them.

Each function takes one parsed value and returns its texts and the tokens to add.  They are called
only for what was not counted before, and refuse what cannot be bounded, so what is remembered as
counted is also what was found to be bounded.  Claude's tokenizer is not public: texts are counted
in bytes, which no tokenizer of bytes exceeds.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from s4fw.dialects.anthropic import tools
from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

# Framing, as an upper bound of what the provider adds to the text of a message.
MESSAGE_TOKENS = 8

# One image, however large and wherever it is: it is scaled down to the longest edge that a model
# sees, 1,568 pixels up to Claude 4.6 and 2,576 from Opus 4.7 on, of 28 x 28 pixels a token.
IMAGE_TOKENS = 4_800
IMAGE_TOKENS_46 = 1_600

# One PDF: each page is billed as its text (3,000 tokens at most, says the documentation) and as an
# image.  The size of the file bounds nothing: pages may share one object, their text is compressed.
# So it is the most pages that are accepted, more than any context holds: what is then held is the
# model's context.
PDF_PAGES_MAX = 600
PDF_PAGE_TEXT_TOKENS = 3_000

CITATIONS_TOKENS = 1_000  # how to cite, once for each document that may be cited

# The wire format's own names: the model does not see them.  Any other is counted.
_FIELDS = frozenset(
    {
        *("role", "content", "type", "text", "cache_control", "ttl", "id", "name", "input"),
        *("tool_use_id", "is_error", "thinking", "signature", "data", "title", "context"),
        *("citations", "enabled", "source", "media_type", "tool_name"),
    }
)

_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
# What stands for bytes that are elsewhere, or that are no text: its own text bounds nothing.
_REFERENCE = re.compile(r"audio|video|file|media|speech|pdf|upload|mcp_toolset|^url$|^image_url$")
_ELSEWHERE = ("file_id", "image_url", "s3Location")

_NOT_GOVERNED = "content that only names something elsewhere is not governed: nothing bounds it"


def of_message(message: Any) -> tuple[list[str], int]:
    """One message to a model that sees large images.  Raises Refusal."""
    return _of_message(message, IMAGE_TOKENS)


def of_message_46(message: Any) -> tuple[list[str], int]:
    """One message to a model of up to Claude 4.6.  Raises Refusal."""
    return _of_message(message, IMAGE_TOKENS_46)


def of_system(block: Any) -> tuple[list[str], int]:
    """The system prompt or one block of it.  Raises Refusal."""
    return _of_value(block, IMAGE_TOKENS)


def of_format(value: Any) -> tuple[list[str], int]:
    """What shapes the answer (`output_config`), counted as its JSON."""
    return [orjson.dumps(value).decode()], MESSAGE_TOKENS


def _of_message(message: Any, image_tokens: int) -> tuple[list[str], int]:
    if not isinstance(message, dict):
        raise Refusal(INVALID_REQUEST, "each message must be an object")
    return _of_value(message, image_tokens)


def _of_value(whole: Any, image_tokens: int) -> tuple[list[str], int]:
    """Every text of a value, and tokens for its framing and images.  Raises Refusal.

    Walks whatever is there, so a block that is not known yet is counted as text.
    """
    texts: list[str] = []
    tokens = MESSAGE_TOKENS
    waiting: list[Any] = [whole]
    while waiting:
        value = waiting.pop()
        if type(value) is str:
            texts.append(value)
        elif type(value) is list:
            waiting.extend(value)
        elif type(value) is dict:
            tokens += _of_block(value, image_tokens, texts, waiting)
        elif value is not None:
            texts.append(str(value))  # numbers where a text is expected: count their digits
    return texts, tokens


def _of_block(
    block: dict[str, Any], image_tokens: int, texts: list[str], waiting: list[Any]
) -> int:
    """Put the texts of one object on the list, and what of it is still to be looked at; returns
    the tokens beside them.  Raises Refusal."""
    kind = block.get("type")
    if not block.keys() <= _FIELDS:
        texts.extend(block.keys() - _FIELDS)
        if any(name in block for name in _ELSEWHERE):
            raise Refusal(UNBOUNDED_REQUEST, _NOT_GOVERNED)
    apart = ""  # the member that is no text
    tokens = 0
    if kind == "image":
        apart = "source"
        _check_image(block.get("source"))
        tokens = image_tokens
    elif kind == "document":
        apart = "source"
        tokens = _of_document(block, image_tokens, texts, waiting)
    elif kind in _CALLS:
        apart = "input"
        texts.append(orjson.dumps(block.get("input")).decode())
    elif kind == "tool_definition":
        apart = "definition"
        more, tokens = tools.of_inline_tool(block.get("definition"))
        texts.extend(more)
    elif type(kind) is str and _REFERENCE.search(kind):
        raise Refusal(UNBOUNDED_REQUEST, _NOT_GOVERNED)
    waiting.extend(member for name, member in block.items() if name != apart)
    return tokens


def _check_image(source: Any) -> None:
    """Refuse a source that some server could take for anything else than one image."""
    if not isinstance(source, dict) or source.get("type") not in ("base64", "url", "file"):
        raise Refusal(INVALID_REQUEST, "the `source` of an image must be base64, url or file")
    declared = source.get("media_type")
    if declared is not None and not (isinstance(declared, str) and declared.startswith("image/")):
        raise Refusal(INVALID_REQUEST, "the `media_type` of an image must be one of an image")


def _of_document(
    block: dict[str, Any], image_tokens: int, texts: list[str], waiting: list[Any]
) -> int:
    """The same for a document: its text, or the bound of a PDF."""
    source = block.get("source")
    if not isinstance(source, dict):
        raise Refusal(INVALID_REQUEST, "the `source` of a document must be an object")
    tokens = 0
    citations = block.get("citations")
    if isinstance(citations, dict) and citations.get("enabled"):
        tokens = CITATIONS_TOKENS
        if source.get("type") == "text":
            waiting.append(source.get("data"))  # each sentence gets a mark: at most as long again
    kind = source.get("type")
    if kind == "text":
        waiting.append(source.get("data"))
    elif kind == "content":
        waiting.append(source.get("content"))
    elif kind == "base64" and source.get("media_type") == "application/pdf":
        tokens += PDF_PAGES_MAX * (PDF_PAGE_TEXT_TOKENS + image_tokens)
    elif kind in ("url", "file"):
        raise Refusal(UNBOUNDED_REQUEST, _NOT_GOVERNED)
    else:
        raise Refusal(INVALID_REQUEST, "the `source` of a document must be a text or a PDF")
    return tokens
