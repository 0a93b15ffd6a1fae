"""Measures values of an invoke body whose shape is its maker's own.

There is no common shape, so whatever is there is walked and counted as text, names included.  What
stands under a name of an image is an image; what stands under a name of something longer is bounded
by the model's context only.  An object whose `type` is such a name, with no member of one, is what
it says, wherever its content is.
"""

from __future__ import annotations

import re
from typing import Any, Final

from s4fw.dialects.bedrock.content import CONTEXT
from s4fw.dialects.walk import Walk, has_member
from s4fw.errors import UNBOUNDED_REQUEST, Refusal

VALUE_TOKENS: Final = 8  # framing of one message or value
OBJECT_TOKENS: Final = 4  # of one object in it

# Names of what is no text: an image, which is group 1, or something longer.
_NO_TEXT: Final = re.compile(
    r"(?:input_?)?(?:(images?)|(?:audio|video|document|file|media|pdf)s?)(?:_?url)?", re.IGNORECASE
)
_ELSEWHERE: Final = frozenset({"s3Location", "s3Uri", "file_id", "fileUri"})

_NOT_HERE: Final = "content that is kept elsewhere is not governed: nothing bounds it"


class LooseWalk(Walk):
    """How values are measured; `image_tokens` of None refuses what is no text."""

    __slots__ = ("_image_tokens",)

    def __init__(self, image_tokens: int | None) -> None:
        self._image_tokens = image_tokens

    def of_value(self, whole: Any) -> tuple[list[str], int]:
        """One value of the body.  Raises Refusal."""
        return self.walk(whole, VALUE_TOKENS)

    def open(self, value: dict[str, Any], texts: list[str], waiting: list[Any]) -> int:
        tokens = OBJECT_TOKENS
        beside = 0
        for name, member in value.items():
            more = tokens_beside_text(name, member, self._image_tokens)
            if more:
                beside += more
            else:
                texts.append(name)
                waiting.append(member)
        kind = value.get("type")
        if not beside and type(kind) is str:
            beside = tokens_beside_text(kind, True, self._image_tokens)
        return tokens + beside


def tokens_beside_text(name: str, value: Any, image_tokens: int | None) -> int:
    """The bound of a member that is no text by its name, 0 for any other.  Raises Refusal."""
    if name in _ELSEWHERE:
        raise Refusal(UNBOUNDED_REQUEST, _NOT_HERE)
    found = _NO_TEXT.fullmatch(name)
    if found is None or value is None:
        return 0
    if image_tokens is None:
        raise Refusal(
            UNBOUNDED_REQUEST, "vectors of anything but text have no price here: not governed"
        )
    if has_member(value, _ELSEWHERE):
        raise Refusal(UNBOUNDED_REQUEST, _NOT_HERE)
    if found[1] is None:
        return CONTEXT
    return image_tokens * max(len(value) if type(value) is list else 1, 1)
