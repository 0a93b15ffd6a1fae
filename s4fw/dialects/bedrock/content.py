"""Measures the content of a Converse request: its texts, and what costs tokens beside them.

Called only for what was not counted before; refuses what cannot be bounded, so what is remembered
as counted is also what was found to be bounded.  Texts are counted in bytes: hardly a model here
has a public tokenizer.  Base64 of an image or a file is no text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import orjson

from s4fw.core.request import Measure
from s4fw.dialects.walk import has_member
from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

MESSAGE_TOKENS: Final = 8  # framing of one message
BLOCK_TOKENS: Final = 4  # of one block in it
TOOL_TOKENS: Final = 16  # of one definition or call, beside its JSON
DOCUMENT_TOKENS: Final = 64  # its name and what surrounds it
CITATIONS_TOKENS: Final = 1_000  # how to cite, once for each document that may be cited

# What nothing in the request bounds but that the model reads no more than its context, which the
# quote cuts at: pages of a PDF and text of an office file are compressed, a video is many images.
CONTEXT: Final = 20_000_000

_TEXT_DOCUMENTS: Final = frozenset({"csv", "html", "txt", "md"})
# A block that is not known: one whose name says that it stands for something else is refused.
_REFERENCE: Final = re.compile(
    r"image|audio|video|file|document|media|speech|pdf|uri|url", re.IGNORECASE
)
_S3: Final = "s3Location"
_ELSEWHERE: Final = frozenset({_S3, "s3Uri", "uri", "url"})

_NOT_HERE: Final = (
    "content that is kept elsewhere (`s3Location`) is not governed: nothing here bounds it"
)
_NOT_KNOWN: Final = "content of a kind that is not known is not governed: nothing bounds its tokens"


class Tally:
    """What was found so far, and the bounds of what is no text: of an image, and of a file that is
    elsewhere; None refuses one."""

    __slots__ = ("image_tokens", "opaque_tokens", "texts", "tokens")

    def __init__(self, tokens: int, image_tokens: int, opaque_tokens: int | None = None) -> None:
        self.texts: list[str] = []
        self.tokens = tokens
        self.image_tokens = image_tokens
        self.opaque_tokens = opaque_tokens

    def result(self) -> tuple[list[str], int]:
        """As `core.request.Measure` returns it."""
        return self.texts, self.tokens


def message_measure(image_tokens: int, opaque_tokens: int | None) -> Measure:
    """The measure of one message to a model that bills an image as so many tokens at most."""

    def of_message(message: Any) -> tuple[list[str], int]:
        if type(message) is not dict:
            raise Refusal(INVALID_REQUEST, "each message must be an object")
        tally = Tally(MESSAGE_TOKENS, image_tokens, opaque_tokens)
        for name, value in message.items():
            if name == "content":
                _of_blocks(value, tally)
            elif name != "role":
                _of_unknown(name, value, tally)
        return tally.result()

    return of_message


def block_measure(image_tokens: int) -> Measure:
    """The measure of one block of the system prompt."""

    def of_block(block: Any) -> tuple[list[str], int]:
        tally = Tally(MESSAGE_TOKENS, image_tokens)
        _of_block(block, tally)
        return tally.result()

    return of_block


def of_tools(config: Any) -> tuple[list[str], int]:
    """The whole `toolConfig`, counted as its JSON."""
    if type(config) is not dict:
        raise Refusal(INVALID_REQUEST, "`toolConfig` must be an object")
    tools = config.get("tools") or []
    if type(tools) is not list:
        raise Refusal(INVALID_REQUEST, "`toolConfig.tools` must be a list")
    for tool in tools:
        if type(tool) is not dict:
            raise Refusal(INVALID_REQUEST, "each tool must be an object")
        if not tool.keys() <= {"toolSpec", "cachePoint"}:
            raise Refusal(
                UNBOUNDED_REQUEST,
                "only tools of the kind `toolSpec` are governed: a tool that the provider runs "
                "bills what nothing here bounds",
            )
    return [_json(config)], TOOL_TOKENS * (1 + len(tools))


def _of_blocks(blocks: Any, tally: Tally) -> None:
    if type(blocks) is not list:
        raise Refusal(INVALID_REQUEST, "`content` must be a list of blocks")
    for block in blocks:
        _of_block(block, tally)


def _of_block(block: Any, tally: Tally) -> None:
    """One block is an object with one member that names its kind; all members are counted."""
    if type(block) is not dict:
        raise Refusal(INVALID_REQUEST, "each block of content must be an object")
    tally.tokens += BLOCK_TOKENS
    for kind, value in block.items():
        known = _KINDS.get(kind)
        if known is not None:
            known(value, tally)
        else:
            _of_unknown(kind, value, tally)


def _of_text(value: Any, tally: Tally) -> None:
    if type(value) is not str:
        raise Refusal(INVALID_REQUEST, "`text` must be a text")
    tally.texts.append(value)


def _of_json(value: Any, tally: Tally) -> None:
    """What is shown to the model as JSON, or in less."""
    tally.texts.append(_json(value))
    tally.tokens += TOOL_TOKENS


def _of_image(value: Any, tally: Tally) -> None:
    _source(value, tally)
    tally.tokens += tally.image_tokens
    _of_rest(value, tally)


def _of_clip(value: Any, tally: Tally) -> None:
    """A video or audio: bounded by the context only, or by the operator where it is elsewhere."""
    source = _source(value, tally)
    if "bytes" in source:
        tally.tokens += CONTEXT
    _of_elsewhere(source, tally)
    _of_rest(value, tally)


def _of_document(value: Any, tally: Tally) -> None:
    """A document: its text where it is one, else it is bounded by the context only."""
    source = _source(value, tally, ("bytes", "text", "content"))
    tally.tokens += DOCUMENT_TOKENS
    before = len(tally.texts)
    if "text" in source:
        _of_text(source["text"], tally)
    if "content" in source:
        _of_blocks(source["content"], tally)
    if "bytes" in source:
        encoded = source["bytes"]
        if value.get("format") in _TEXT_DOCUMENTS and type(encoded) is str:
            tally.texts.append(encoded)  # a third longer than the text that it encodes
        else:
            tally.tokens += CONTEXT
    _of_elsewhere(source, tally)
    if value.get("citations"):
        tally.texts += tally.texts[before:]  # each sentence gets a mark: at most as long again
        _of_elsewhere(source, tally)  # a text that is only named, too
        tally.tokens += CITATIONS_TOKENS
    _of_rest(value, tally)


def _of_rest(value: dict[str, Any], tally: Tally) -> None:
    """The members beside the source: a name, a context, a format."""
    rest = {name: member for name, member in value.items() if name != "source"}
    _refuse_elsewhere(rest)
    tally.texts.append(_json(rest))


def _source(value: Any, tally: Tally, kinds: tuple[str, ...] = ("bytes",)) -> dict[str, Any]:
    """The source of an image or file, which must be in the request itself or have a bound."""
    source = value.get("source") if type(value) is dict else None
    if type(source) is not dict or not source:
        raise Refusal(INVALID_REQUEST, "an image or file needs a `source`")
    others = source.keys() - set(kinds)
    if others and (others != {_S3} or tally.opaque_tokens is None):
        raise Refusal(UNBOUNDED_REQUEST, _NOT_HERE)
    return source


def _of_elsewhere(source: dict[str, Any], tally: Tally) -> None:
    if _S3 in source and tally.opaque_tokens is not None:
        tally.tokens += tally.opaque_tokens


def _of_tool_result(value: Any, tally: Tally) -> None:
    if type(value) is not dict:
        raise Refusal(INVALID_REQUEST, "`toolResult` must be an object")
    tally.tokens += TOOL_TOKENS
    for name, member in value.items():
        if name == "content":
            _of_blocks(member, tally)
        else:
            _of_json(member, tally)


def _of_guarded(value: Any, tally: Tally) -> None:
    """`guardContent` holds a text or an image in shapes of its own."""
    if type(value) is not dict or not value:
        raise Refusal(INVALID_REQUEST, "`guardContent` must be an object")
    for name, member in value.items():
        if name == "image":
            _of_image(member, tally)
        else:
            _of_json(member, tally)


def _of_nothing(value: Any, tally: Tally) -> None:
    """A cache point marks a place and is no text."""


def _of_unknown(kind: str, value: Any, tally: Tally) -> None:
    """Text, for all we know, or shown as an image; refused where it stands for something else."""
    if _REFERENCE.search(kind):
        raise Refusal(UNBOUNDED_REQUEST, _NOT_KNOWN)
    _refuse_elsewhere(value)
    tally.tokens += tally.image_tokens
    tally.texts.append(kind)
    _of_json(value, tally)


def _refuse_elsewhere(whole: Any) -> None:
    """Refuse a reference anywhere within what is not known."""
    if has_member(whole, _ELSEWHERE):
        raise Refusal(UNBOUNDED_REQUEST, _NOT_HERE)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


_KINDS: Final[dict[str, Callable[[Any, Tally], None]]] = {
    "text": _of_text,
    "image": _of_image,
    "document": _of_document,
    "video": _of_clip,
    "audio": _of_clip,
    "toolUse": _of_json,
    "toolResult": _of_tool_result,
    "json": _of_json,
    "reasoningContent": _of_json,
    "guardContent": _of_guarded,
    "cachePoint": _of_nothing,
    "citationsContent": _of_json,
    "searchResult": _of_json,
    "toolAddition": _of_json,
    "toolRemoval": _of_json,
}
