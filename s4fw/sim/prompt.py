"""How many tokens a chat prompt has, and how many of them the provider still had in its cache.

The count is the honest estimate of OpenAI's framing: the texts, 3 tokens for each message and 3 to
prime the reply, tools by name, description and schema.  The counter remembers every message, so a
transcript that is sent again costs only its new ones.

The cache works on whole messages: a prefix of a prompt that was sent before, with the same model
and tools, is found again when it has at least 1,024 tokens, in steps of 128.
Source: OpenAI, "Prompt caching", 2026-11.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from s4fw.core.request import Run
from s4fw.tokens import TokenCounter

PREFIXES_MAX = 65_536
CACHED_TOKENS_MIN = 1_024
CACHED_TOKENS_STEP = 128

# Tokens of an image whose size is not looked at: gpt-4o's for 1024 x 1024, and for detail "low".
_IMAGE_TOKENS = 765
_IMAGE_TOKENS_LOW = 85


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of a prompt: `cached` of them were found in the cache, `written` went into it."""

    tokens: int
    cached: int
    written: int


class Prompts:
    """Counts prompts and plays the prompt cache of one simulator."""

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._prefixes: OrderedDict[bytes, None] = OrderedDict()

    def count(self, model: str, body: dict[str, Any]) -> Counted:
        """Count the prompt of a chat request and remember its prefixes."""
        encoding = self._counter.encoding_for(model) or "o200k_base"
        chain = blake2b(model.encode(), digest_size=16)
        tokens, cached = 3, 0
        hit = True
        for part in _parts(body):
            raw = orjson.dumps(part)
            tokens += self._part_tokens(encoding, raw)
            chain.update(raw)
            digest = chain.digest()
            hit = hit and digest in self._prefixes
            if hit:
                cached = tokens - 3
            self._remember(digest)
        cached = _cacheable(cached)
        return Counted(tokens, cached, max(0, _cacheable(tokens) - cached))

    def forget(self) -> None:
        """Empty the prompt cache."""
        self._prefixes.clear()

    def text_tokens(self, model: str, text: str) -> int:
        """Count one text as the model would."""
        encoding = self._counter.encoding_for(model) or "o200k_base"
        return self._part_tokens(encoding, orjson.dumps(text))

    def _part_tokens(self, encoding: str, raw: bytes) -> int:
        digest = blake2b(raw, digest_size=16).digest()
        run = Run(b"sim", [(0, len(raw))], [digest], _measure)
        tokens, at = self._counter.seek(encoding, run)
        return tokens if at else self._counter.count(encoding, raw, run, 0, 0)

    def _remember(self, digest: bytes) -> None:
        self._prefixes[digest] = None
        self._prefixes.move_to_end(digest)
        if len(self._prefixes) > PREFIXES_MAX:
            self._prefixes.popitem(last=False)


def _cacheable(tokens: int) -> int:
    return tokens - tokens % CACHED_TOKENS_STEP if tokens >= CACHED_TOKENS_MIN else 0


def _parts(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the parts of a prompt in the order the model sees them, each wrapped with its kind."""
    for tool in body.get("tools") or ():
        yield {"tool": tool}
    if isinstance(form := body.get("response_format"), dict) and "json_schema" in form:
        yield {"schema": form["json_schema"]}
    for message in body["messages"]:
        yield {"message": message}


def _measure(part: Any) -> tuple[list[str], int]:
    """Give the texts of a part, and the tokens that are no text."""
    if isinstance(part, str):
        return [part], 0
    if "message" in part:
        return _measure_message(part["message"])
    if "schema" in part:
        return [_minified(part["schema"])], 0
    tool = part["tool"]
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict):
        return [_minified(tool)], 0
    texts = [str(function.get("name", "")), str(function.get("description", ""))]
    return [*texts, _minified(function.get("parameters", {}))], 4


def _measure_message(message: dict[str, Any]) -> tuple[list[str], int]:
    texts, extra = [str(message.get("role", ""))], 3
    if "name" in message:
        texts.append(str(message["name"]))
        extra += 1
    content = message.get("content")
    if isinstance(content, str):
        texts.append(content)
    elif isinstance(content, list):
        for item in content:
            text, tokens = _measure_item(item)
            texts.append(text)
            extra += tokens
    for call in message.get("tool_calls") or ():
        function = call.get("function", {})
        texts += [str(function.get("name", "")), str(function.get("arguments", ""))]
        extra += 4
    return texts, extra


def _measure_item(item: dict[str, Any]) -> tuple[str, int]:
    kind = item.get("type")
    if kind == "image_url":
        image = item.get("image_url")
        is_low = isinstance(image, dict) and image.get("detail") == "low"
        return "", _IMAGE_TOKENS_LOW if is_low else _IMAGE_TOKENS
    text = item.get("text", item.get("refusal", ""))
    return text if isinstance(text, str) else "", 0


def _minified(value: Any) -> str:
    return orjson.dumps(value).decode()
