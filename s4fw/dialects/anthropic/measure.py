"""Measures the content of a messages request: its texts, and what costs tokens beside them.

Each function takes one parsed value and returns its texts and the tokens to add.  They are called
only for what was not counted before, and refuse what cannot be bounded, so what is remembered as
counted is also what was found to be bounded.  Claude's tokenizer is not public: texts are counted
in bytes, which no tokenizer of bytes exceeds.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from s4fw.dialects.anthropic import tools
from s4fw.dialects.walk import Walk
from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

# Framing, as an upper bound of what the provider adds to the text of a message.
MESSAGE_TOKENS: Final = 8

# One image, however large and wherever it is: it is scaled down to the longest edge that a model
# sees, 1,568 pixels up to Claude 4.6 and 2,576 from Opus 4.7 on, of 28 x 28 pixels a token.
IMAGE_TOKENS: Final = 4_800
IMAGE_TOKENS_46: Final = 1_600

# One PDF: each page is billed as its text (3,000 tokens at most, says the documentation) and as an
# image.  The size of the file bounds nothing: pages may share one object, their text is compressed.
# So it is the most pages that are accepted, more than any context holds: what is then held is the
# model's context.
PDF_PAGES_MAX: Final = 600
PDF_PAGE_TEXT_TOKENS: Final = 3_000

CITATIONS_TOKENS: Final = 1_000  # how to cite, once for each document that may be cited

# The wire format's own names: the model does not see them.  Any other is counted.
_FIELDS: Final = frozenset(
    {
        *("role", "content", "type", "text", "cache_control", "ttl", "id", "name", "input"),
        *("tool_use_id", "is_error", "thinking", "signature", "data", "title", "context"),
        *("citations", "enabled", "source", "media_type", "tool_name"),
    }
)

_CALLS: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
# What stands for bytes that are elsewhere, or that are no text: its own text bounds nothing.
_REFERENCE: Final = re.compile(
    r"audio|video|file|media|speech|pdf|upload|mcp_toolset|^url$|^image_url$"
)
_ELSEWHERE: Final = ("file_id", "image_url", "s3Location")

_NOT_GOVERNED: Final = (
    "content that only names something elsewhere is not governed: nothing bounds it"
)


class ContentWalk(Walk):
    """How content is measured for models that see an image as `image_tokens` at the most, and a
    document that is only named as `opaque_tokens`; it is refused where that is None."""

    __slots__ = ("_image_tokens", "_opaque_tokens")

    def __init__(self, image_tokens: int, opaque_tokens: int | None = None) -> None:
        self._image_tokens = image_tokens
        self._opaque_tokens = opaque_tokens

    def of_message(self, message: Any) -> tuple[list[str], int]:
        """One message.  Raises Refusal."""
        if not isinstance(message, dict):
            raise Refusal(INVALID_REQUEST, "each message must be an object")
        return self.walk(message, MESSAGE_TOKENS)

    def of_system(self, block: Any) -> tuple[list[str], int]:
        """The system prompt or one block of it.  Raises Refusal."""
        return self.walk(block, MESSAGE_TOKENS)

    def open(self, value: dict[str, Any], texts: list[str], waiting: list[Any]) -> int:
        kind = value.get("type")
        if not value.keys() <= _FIELDS:
            texts.extend(value.keys() - _FIELDS)
            if any(name in value for name in _ELSEWHERE):
                raise Refusal(UNBOUNDED_REQUEST, _NOT_GOVERNED)
        apart = ""  # the member that is no text
        tokens = 0
        if kind == "image":
            apart = "source"
            _check_image(value.get("source"))
            tokens = self._image_tokens
        elif kind == "document":
            apart = "source"
            tokens = self._of_document(value, waiting)
        elif kind in _CALLS:
            apart = "input"
            texts.append(orjson.dumps(value.get("input")).decode())
        elif kind == "tool_definition":
            apart = "definition"
            more, tokens = tools.of_inline_tool(value.get("definition"))
            texts.extend(more)
        elif type(kind) is str and _REFERENCE.search(kind):
            raise Refusal(UNBOUNDED_REQUEST, _NOT_GOVERNED)
        waiting.extend(member for name, member in value.items() if name != apart)
        return tokens

    def _of_document(self, block: dict[str, Any], waiting: list[Any]) -> int:
        """The same for a document: its text, or the bound of a PDF or of one that is elsewhere."""
        source = block.get("source")
        if not isinstance(source, dict):
            raise Refusal(INVALID_REQUEST, "the `source` of a document must be an object")
        kind = source.get("type")
        tokens = 0
        citations = block.get("citations")
        if isinstance(citations, dict) and citations.get("enabled"):
            tokens = CITATIONS_TOKENS
            # Each sentence gets a mark: at most as long again.
            if kind == "text":
                waiting.append(source.get("data"))
            elif kind in ("url", "file"):
                tokens += self._opaque_tokens or 0
        if kind == "text":
            waiting.append(source.get("data"))
        elif kind == "content":
            waiting.append(source.get("content"))
        elif kind == "base64" and source.get("media_type") == "application/pdf":
            tokens += PDF_PAGES_MAX * (PDF_PAGE_TEXT_TOKENS + self._image_tokens)
        elif kind in ("url", "file"):
            if self._opaque_tokens is None:
                raise Refusal(UNBOUNDED_REQUEST, _NOT_GOVERNED)
            tokens += self._opaque_tokens
        else:
            raise Refusal(INVALID_REQUEST, "the `source` of a document must be a text or a PDF")
        return tokens


def of_format(value: Any) -> tuple[list[str], int]:
    """What shapes the answer (`output_config`), counted as its JSON."""
    return [orjson.dumps(value).decode()], MESSAGE_TOKENS


def _check_image(source: Any) -> None:
    """Refuse a source that some server could take for anything else than one image."""
    if not isinstance(source, dict) or source.get("type") not in ("base64", "url", "file"):
        raise Refusal(INVALID_REQUEST, "the `source` of an image must be base64, url or file")
    declared = source.get("media_type")
    if declared is not None and not (isinstance(declared, str) and declared.startswith("image/")):
        raise Refusal(INVALID_REQUEST, "the `media_type` of an image must be one of an image")


_LARGE: Final = ContentWalk(IMAGE_TOKENS)
of_message: Final = _LARGE.of_message
of_system: Final = _LARGE.of_system
