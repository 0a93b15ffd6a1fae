"""Measures values of an invoke body whose shape is its maker's own.

There is no common shape, so whatever is there is walked and counted as text, names included.  What
stands under a name of an image is an image; what stands under a name of something longer is bounded
by the model's context only.
"""

from __future__ import annotations

import re
from typing import Any

from s4fw.core.request import Measure
from s4fw.dialects.bedrock.content import CONTEXT
from s4fw.errors import UNBOUNDED_REQUEST, Refusal

VALUE_TOKENS = 8  # framing of one message or value
OBJECT_TOKENS = 4  # of one object in it

_IMAGE = re.compile(r"(?:input_?)?images?(?:_?url)?", re.IGNORECASE)
_LONGER = re.compile(r"(?:input_?)?(?:audio|video|document|file|media|pdf)s?", re.IGNORECASE)
_ELSEWHERE = frozenset({"s3Location", "s3Uri", "file_id", "fileUri"})


def value_measure(image_tokens: int | None) -> Measure:
    """The measure of one value; `image_tokens` of None refuses what is no text."""

    def of_value(whole: Any) -> tuple[list[str], int]:
        texts: list[str] = []
        tokens = VALUE_TOKENS
        waiting: list[Any] = [whole]
        while waiting:
            value = waiting.pop()
            if type(value) is str:
                texts.append(value)
            elif type(value) is list:
                waiting.extend(value)
            elif type(value) is dict:
                tokens += OBJECT_TOKENS
                for name, member in value.items():
                    more = tokens_beside_text(name, member, image_tokens)
                    if more:
                        tokens += more
                    else:
                        texts.append(name)
                        waiting.append(member)
            elif value is not None:
                texts.append(str(value))
        return texts, tokens

    return of_value


def tokens_beside_text(name: str, value: Any, image_tokens: int | None) -> int:
    """The bound of a member that is no text by its name, 0 for any other.  Raises Refusal."""
    if name in _ELSEWHERE:
        raise Refusal(
            UNBOUNDED_REQUEST, "content that is kept elsewhere is not governed: nothing bounds it"
        )
    is_image = _IMAGE.fullmatch(name) is not None
    if not is_image and _LONGER.fullmatch(name) is None:
        return 0
    if value is None:
        return 0
    if image_tokens is None:
        raise Refusal(
            UNBOUNDED_REQUEST, "vectors of anything but text have no price here: not governed"
        )
    _refuse_elsewhere(value)
    if not is_image:
        return CONTEXT
    return image_tokens * max(len(value) if type(value) is list else 1, 1)


def _refuse_elsewhere(whole: Any) -> None:
    waiting = [whole]
    while waiting:
        value = waiting.pop()
        if type(value) is list:
            waiting.extend(value)
        elif type(value) is dict:
            for name, member in value.items():
                tokens_beside_text(name, None, 0)
                waiting.append(member)
