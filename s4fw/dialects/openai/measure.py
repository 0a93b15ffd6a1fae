"""Measures the content of a chat request: its texts, and what costs tokens beside them.

Each function takes one parsed value and returns its texts and the tokens to add.  They are called
only for what was not counted before, and refuse what cannot be bounded, so what is remembered as
counted is also what was found to be bounded.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

# Framing, as an upper bound of what the provider adds to the text: 3 per message and 3 for the
# reply (OpenAI cookbook, "How to count tokens"), 5 more per message and 32 flat for safety; tools
# and schemas are counted as their JSON, an upper bound of their inner rendering but for its lines.
MESSAGE_TOKENS = 3 + 5
REPLY_TOKENS = 3 + 32
TOOL_CALL_TOKENS = 8
TOOL_TOKENS = 10
LINE_TOKENS = 2  # of a tool's description: the comment sign and the end of the line
TOOLS_TOKENS = 16 + 16  # the section, and a forced tool_choice
SCHEMA_TOKENS = 16

# Bounds of one image by its `detail`; the most expensive model of each kind.
IMAGE_TOKENS = {"low": 300, "high": 3_800, "auto": 3_800, "original": 25_000}
IMAGE_TOKENS_MINI = 48_169  # gpt-4o-mini bills an image up to 33 times as many tokens

# The wire format's own names in a message: the model does not see them.  Any other is counted.
_FIELDS = frozenset(
    {
        *("role", "content", "name", "tool_calls", "tool_call_id", "function_call", "audio"),
        *("type", "text", "refusal", "image_url", "id", "function", "custom", "arguments", "input"),
    }
)

# What stands for bytes that are elsewhere, or that are no text: its own text bounds nothing.
_REFERENCE = re.compile(r"image|audio|video|file|document|media|speech|pdf", re.IGNORECASE)
_TEXT_PARTS = ("text", "refusal", "image_url")


def of_message(message: Any) -> tuple[list[str], int]:
    """One message.  Raises Refusal."""
    return _of_content(message, 0)


def of_message_mini(message: Any) -> tuple[list[str], int]:
    """One message to a model that bills images like gpt-4o-mini does.  Raises Refusal."""
    return _of_content(message, IMAGE_TOKENS_MINI)


def _of_content(message: Any, image_floor: int) -> tuple[list[str], int]:
    """Every text of one message, and tokens for its framing and images.  Raises Refusal.

    Walks whatever is there, so a content part that is not known yet is counted as text.
    """
    if not isinstance(message, dict):
        raise Refusal(INVALID_REQUEST, "each message must be an object")
    if message.get("audio") is not None:  # names an earlier answer, which is input again
        raise Refusal(UNBOUNDED_REQUEST, "an earlier answer in audio is not governed as input")
    content = message.get("content")
    if type(content) is list:
        _check_parts(content)
    texts: list[str] = []
    tokens = MESSAGE_TOKENS
    waiting: list[Any] = [message]
    while waiting:
        value = waiting.pop()
        if type(value) is str:
            texts.append(value)
        elif type(value) is list:
            waiting.extend(value)
        elif type(value) is dict:
            kind = value.get("type")
            if kind == "image_url" and "image_url" in value:
                tokens += _image_tokens(value["image_url"], image_floor)
                waiting.extend(v for k, v in value.items() if k not in ("type", "image_url"))
                continue
            if type(kind) is str and kind not in _TEXT_PARTS and _REFERENCE.search(kind):
                raise Refusal(UNBOUNDED_REQUEST, _NOT_GOVERNED)
            if "function" in value:
                tokens += TOOL_CALL_TOKENS
            if not value.keys() <= _FIELDS:
                texts.extend(value.keys() - _FIELDS)
            waiting.extend(value.values())
        elif value is not None:
            texts.append(str(value))  # numbers where a text is expected: count their digits
    return texts, tokens


_NOT_GOVERNED = "content other than text and `image_url` is not governed: nothing bounds its tokens"


def _check_parts(parts: list[Any]) -> None:
    """Refuse content parts that stand for something else, also those without a type: there are
    servers that go by the name of the member instead."""
    for part in parts:
        if type(part) is not dict or part.get("type") in _TEXT_PARTS:
            continue
        if any(map(_REFERENCE.search, part)):
            raise Refusal(UNBOUNDED_REQUEST, _NOT_GOVERNED)


def _image_tokens(image: Any, floor: int) -> int:
    """The bound of one image; its bytes or address are no text."""
    if not isinstance(image, dict):
        raise Refusal(INVALID_REQUEST, "`image_url` must be an object with a `url`")
    detail = image.get("detail", "auto")
    if not isinstance(detail, str):
        raise Refusal(INVALID_REQUEST, "`detail` of an image must be a text")
    bound = IMAGE_TOKENS.get(detail, IMAGE_TOKENS["original"])
    return max(bound, floor)


def of_tool(tool: Any) -> tuple[list[str], int]:
    """A tool is counted as its JSON.  Hosted tools run and bill at the provider: refused."""
    if not isinstance(tool, dict):
        raise Refusal(INVALID_REQUEST, "each tool must be an object")
    if tool.get("type") not in ("function", "custom"):
        raise Refusal(UNBOUNDED_REQUEST, "only tools of type `function` or `custom` are governed")
    return _definition(tool)


def of_function(function: Any) -> tuple[list[str], int]:
    """A legacy function definition, counted as its JSON."""
    if not isinstance(function, dict):
        raise Refusal(INVALID_REQUEST, "each function must be an object")
    return _definition(function)


def _definition(value: dict[str, Any]) -> tuple[list[str], int]:
    """A definition as its JSON; each line of a description is shown to the model as a comment."""
    text = orjson.dumps(value).decode()
    return [text], TOOL_TOKENS + LINE_TOKENS * text.count("\\n")


def of_schema(schema: Any) -> tuple[list[str], int]:
    """A response format, counted as its JSON."""
    return [orjson.dumps(schema).decode()], 0
