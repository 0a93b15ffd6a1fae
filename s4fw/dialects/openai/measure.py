"""Measures what a request holds beside its content: tools, schemas, prompts; and one image.

Each function takes one parsed value and returns its texts and the tokens to add.  They are called
only for what was not counted before, and refuse what cannot be bounded, so what is remembered as
counted is also what was found to be bounded.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

# Framing, as an upper bound of what the provider adds to the text: 3 per message and 3 for the
# reply (OpenAI cookbook, "How to count tokens"), 5 more per message and 32 flat for safety; tools
# and schemas are counted as their JSON, an upper bound of their inner rendering but for its lines.
MESSAGE_TOKENS: Final = 3 + 5
REPLY_TOKENS: Final = 3 + 32
TOOL_CALL_TOKENS: Final = 8
TOOL_TOKENS: Final = 10
LINE_TOKENS: Final = 2  # of a tool's description: the comment sign and the end of the line
TOOLS_TOKENS: Final = 16 + 16  # the section, and a forced tool_choice
SCHEMA_TOKENS: Final = 16

# Bounds of one image by its `detail`; the most expensive model of each kind.
IMAGE_TOKENS: Final = {"low": 300, "high": 3_800, "auto": 3_800, "original": 25_000}
IMAGE_TOKENS_MINI: Final = 48_169  # gpt-4o-mini bills an image up to 33 times as many tokens


def image_tokens(detail: Any, floor: int) -> int:
    """The bound of one image by its `detail`; `floor` is what the model bills at most for any."""
    if not isinstance(detail, str):
        raise Refusal(INVALID_REQUEST, "`detail` of an image must be a text")
    return max(IMAGE_TOKENS.get(detail, IMAGE_TOKENS["original"]), floor)


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


def of_flat_tool(tool: Any) -> tuple[list[str], int]:
    """A tool of a responses request, counted as its JSON; its kind was judged when it was read."""
    if not isinstance(tool, dict):
        raise Refusal(INVALID_REQUEST, "each tool must be an object")
    return _definition(tool)


def of_text(text: Any) -> tuple[list[str], int]:
    """A text that the model is shown as a message of its own, or null."""
    if text is None:
        return [], 0
    if not isinstance(text, str):
        raise Refusal(INVALID_REQUEST, "this must be a text")
    return [text], MESSAGE_TOKENS


def of_prompt(prompt: Any) -> tuple[list[str], int]:
    """One of several prompts or inputs: a text, or a list of token ids, whose length is exact."""
    if type(prompt) is str:
        return [prompt], 0
    if type(prompt) is list:
        for token in prompt:
            of_token(token)
        return [], len(prompt)
    raise Refusal(INVALID_REQUEST, "each element must be a text or a list of token ids")


def of_token(token: Any) -> tuple[list[str], int]:
    """One token id of an input that is a list of them."""
    if type(token) is not int or token < 0:
        raise Refusal(INVALID_REQUEST, "a list of token ids holds only integers")
    return [], 1
