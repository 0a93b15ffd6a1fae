"""Measures messages of a chat, and items of a responses input: every text, and tokens for the rest.

Walks whatever is there, so a content part that is not known yet is counted as text.  What stands
for something that nobody here can see is refused, unless the whole request is held at the model's
context: then its own size does not matter.  Bytes in base64 are never text.

What is remembered as counted is what was found to be bounded, so each combination of rules has a
name of its own for its runs.
"""

from __future__ import annotations

import re
from typing import Any, Final

from s4fw.core.request import Request
from s4fw.dialects.openai.measure import (
    IMAGE_TOKENS_MINI,
    MESSAGE_TOKENS,
    TOOL_CALL_TOKENS,
    image_tokens,
)
from s4fw.dialects.walk import Walk
from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

# The wire format's own names: the model does not see them.  Any other is counted.
_FIELDS: Final = frozenset(
    {
        *("role", "content", "name", "tool_calls", "tool_call_id", "function_call", "audio"),
        *("type", "text", "refusal", "image_url", "id", "function", "custom", "arguments", "input"),
        *("call_id", "output", "status", "summary", "encrypted_content", "detail", "annotations"),
        *("logprobs", "prompt_cache_breakpoint"),
    }
)

# What stands for bytes that are elsewhere, or that are no text: its own text bounds nothing.
_REFERENCE: Final = re.compile(r"image|audio|video|file|document|media|speech|pdf", re.IGNORECASE)
# Kinds that are only texts, whatever their members are called.
_PLAIN: Final = frozenset(
    {
        *("text", "refusal", "image_url", "input_text", "output_text", "summary_text"),
        *("reasoning_text", "create_file", "update_file", "delete_file", "file_path"),
        *("file_citation", "container_file_citation"),
    }
)
# Kinds whose content is kept by the provider, or whose tokens nothing here bounds: files (a page
# may take a few bytes in them), and what was done at the provider before.
_UNSEEN_PARTS: Final = frozenset({"file"})
_UNSEEN_ITEMS: Final = frozenset(
    {
        *("input_file", "item_reference", "compaction", "web_search_call", "mcp_call"),
        *("file_search_call", "code_interpreter_call", "image_generation_call", "mcp_list_tools"),
        *("mcp_approval_request", "program", "program_output"),
    }
)
_IMAGE_ITEMS: Final = frozenset({"input_image", "computer_screenshot"})
_NONE: Final[frozenset[str]] = frozenset()
# Items that bring tools of their own, or make the provider work beside the answer.
_ACTING: Final = frozenset(
    {"additional_tools", "tool_search_output", "mcp_approval_response", "compaction_trigger"}
)


MESSAGES: Final = b"m"
ITEMS: Final = b"i"


def _kinds(names: frozenset[str]) -> re.Pattern[bytes]:
    """Finds a kind of content in JSON.  Inside a string every quote is escaped, so it cannot be
    found in text."""
    choice = "|".join(sorted(names)).encode()
    return re.compile(rb'"type"[ \t\r\n]*:[ \t\r\n]*"(?:%b)"' % choice)


_OF_UNSEEN: Final = {MESSAGES: _kinds(_UNSEEN_PARTS), ITEMS: _kinds(_UNSEEN_ITEMS)}

_NOT_GOVERNED: Final = (
    "content other than text and images is not governed: nothing bounds its tokens"
)


class ContentWalk(Walk):
    """The rules by which content is measured.  `image_floor` is the least bound of an image;
    `is_context_bound` lets pass what only the model's context bounds."""

    __slots__ = ("_image_floor", "_images", "_is_context_bound", "_unseen")

    def __init__(self, is_of_items: bool, image_floor: int, is_context_bound: bool) -> None:
        self._unseen = _UNSEEN_ITEMS if is_of_items else _UNSEEN_PARTS
        self._images = _IMAGE_ITEMS if is_of_items else _NONE
        self._image_floor = image_floor
        self._is_context_bound = is_context_bound

    def of_message(self, message: Any) -> tuple[list[str], int]:
        """One message of a chat.  Raises Refusal."""
        if not isinstance(message, dict):
            raise Refusal(INVALID_REQUEST, "each message must be an object")
        if message.get("audio") is not None:  # names an earlier answer, which is input again
            raise Refusal(UNBOUNDED_REQUEST, "an earlier answer in audio is not governed as input")
        self._check_parts(message.get("content"))
        return self.walk(message, MESSAGE_TOKENS)

    def of_item(self, item: Any) -> tuple[list[str], int]:
        """One item of a responses input: a message, a call, its output.  Raises Refusal."""
        if not isinstance(item, dict):
            raise Refusal(INVALID_REQUEST, "each item of `input` must be an object")
        kind = item.get("type")
        if kind is None and "role" not in item and not self._is_context_bound:
            raise Refusal(
                UNBOUNDED_REQUEST,
                "an item that only names another is governed with its type, `item_reference`",
            )
        if type(kind) is str and kind in _ACTING:
            raise Refusal(UNBOUNDED_REQUEST, "items that bring or run tools are not governed")
        self._check_parts(item.get("content"))
        self._check_parts(item.get("output"))
        return self.walk(item, MESSAGE_TOKENS + TOOL_CALL_TOKENS)

    def open(self, value: dict[str, Any], texts: list[str], waiting: list[Any]) -> int:
        kind = value.get("type")
        if type(kind) is str:
            if kind == "image_url" and "image_url" in value:
                waiting.extend(v for k, v in value.items() if k not in ("type", "image_url"))
                return self._nested_image(value["image_url"])
            if kind in self._images:
                waiting.extend(v for k, v in value.items() if k not in _OF_IMAGE)
                return self._image(value.get("detail"), kind == "computer_screenshot")
            if self._is_context_bound and kind in self._unseen:
                return 0
            if kind not in _PLAIN and (kind in self._unseen or _REFERENCE.search(kind)):
                raise Refusal(UNBOUNDED_REQUEST, _NOT_GOVERNED)
        if not value.keys() <= _FIELDS:
            texts.extend(value.keys() - _FIELDS)
        waiting.extend(value.values())
        return TOOL_CALL_TOKENS if "function" in value else 0

    def _nested_image(self, image: Any) -> int:
        """The bound of an image of a chat; its bytes or address are no text."""
        if not isinstance(image, dict):
            raise Refusal(INVALID_REQUEST, "`image_url` must be an object with a `url`")
        return image_tokens(image.get("detail", "auto"), self._image_floor)

    def _image(self, detail: Any, is_screenshot: bool) -> int:
        """The bound of an image of an item; a screenshot is shown as it is if nothing is said."""
        if detail is None:
            detail = "original" if is_screenshot else "auto"
        return image_tokens(detail, self._image_floor)

    @staticmethod
    def _check_parts(parts: Any) -> None:
        """Refuse content parts that stand for something else, also those without a type: there are
        servers that go by the name of the member instead."""
        if type(parts) is not list:
            return
        for part in parts:
            if type(part) is not dict:
                continue
            kind = part.get("type")
            if type(kind) is str and kind in _KNOWN_PARTS:
                continue
            if any(map(_REFERENCE.search, part)):
                raise Refusal(UNBOUNDED_REQUEST, _NOT_GOVERNED)


_OF_IMAGE: Final = frozenset({"type", "image_url", "file_id", "detail"})
_KNOWN_PARTS: Final = _PLAIN | {"input_image", "computer_screenshot", "file", "input_file"}

# Small models that bill images by patches, as the large ones do; not gpt-4o-mini, and none that a
# name does not tell.
_CHEAP_MINI: Final = re.compile(r"(?:gpt-4\.1|gpt-5(?:\.\d)?|o4)-mini")

# By whether the model bills images like gpt-4o-mini does, and whether all is held at the context.
_RULES: Final = ((0, False), (IMAGE_TOKENS_MINI, False), (0, True), (IMAGE_TOKENS_MINI, True))
_WALKS: Final = {
    MESSAGES: tuple(ContentWalk(False, floor, is_bound) for floor, is_bound in _RULES),
    ITEMS: tuple(ContentWalk(True, floor, is_bound) for floor, is_bound in _RULES),
}
_NAMES: Final = {MESSAGES: (b"m", b"M", b"n", b"N"), ITEMS: (b"i", b"I", b"j", b"J")}
_FAMILIES: Final = {name: family for family, names in _NAMES.items() for name in names}


def bind(request: Request) -> None:
    """Choose how content is measured, by what is known of the request now: its model, and whether
    it is held at the context.  To be called again when one of them changes."""
    is_dear = "mini" in request.model and _CHEAP_MINI.match(request.model) is None
    at = is_dear + 2 * request.is_context_bound
    for run in request.runs:
        family = _FAMILIES.get(run.name)
        if family is not None:
            walk = _WALKS[family][at]
            run.name = _NAMES[family][at]
            run.measure = walk.of_message if family == MESSAGES else walk.of_item


def has_unseen(family: bytes, body: bytes | bytearray, start: int, end: int) -> bool:
    """Whether content between two offsets of the body is bounded by nothing but a context.

    A kind that is written with escapes is not found here, and is refused when it is measured.
    """
    return _OF_UNSEEN[family].search(body, start, end) is not None
