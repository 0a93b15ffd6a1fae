"""Reads single fields of a scanned body, so that they have one reading only.

A name that some lenient server might take for a metered one is refused, and so is a number that is
no plain integer: `true`, `1.0` and `"1"` are none.  Messages name fields, never values.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from s4fw.dialects.strictjson import ARRAY, OBJECT, Document
from s4fw.errors import AMBIGUOUS_FIELD, INVALID_REQUEST, Refusal

MODEL: Final = re.compile(r"[A-Za-z0-9._:/@-]{1,256}")
TOKENS_MAX: Final = 2**31 - 1  # of a field that bounds tokens
LABEL_CHARS_MAX: Final = 1024  # of a field that says who pays; no documented one is longer than 512

_NAMES_REMEMBERED_MAX: Final = 4096


def fold(name: str) -> str:
    """What a lenient reader might take two names for: case, Unicode form, separators."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if char.isalnum())


class Guard:
    """The names that a body may hold only as they are documented.

    `metered` are the fields that a shape reads.  `foreign` have a meaning elsewhere and none in
    this shape: a server on the way that obeys one would spend what nobody held, so they are refused
    in every spelling.
    """

    __slots__ = ("_good", "_guarded", "_metered")

    def __init__(self, metered: Iterable[str], foreign: Iterable[str]) -> None:
        self._metered = frozenset(metered)
        self._guarded = {fold(name): name for name in (*foreign, *self._metered)}
        self._good: set[str] = set(self._metered)

    def check(self, name: str) -> None:
        """Refuse a member whose name is not a metered one but could be read as one."""
        if name in self._good:
            return
        guarded = self._guarded.get(fold(name))
        if guarded is not None:
            raise Refusal(
                AMBIGUOUS_FIELD,
                f"a field of the body could be read as `{guarded}` by one server and ignored by "
                "another; leave it out or use the documented name",
            )
        if len(self._good) < _NAMES_REMEMBERED_MAX:  # names come from callers
            self._good.add(name)


def integer(document: Document, name: str, least: int, most: int) -> int | None:
    """A field that is an integer, or null.  Raises Refusal."""
    return plain_integer(document.value(name), name, least, most)


def plain_integer(value: Any, name: str, least: int, most: int) -> int | None:
    """A decoded value that is an integer, or null.  Raises Refusal."""
    if value is None:
        return None
    if type(value) is not int or not least <= value <= most:
        raise Refusal(INVALID_REQUEST, f"`{name}` must be an integer from {least} to {most}")
    return value


def boolean(document: Document, name: str) -> bool | None:
    """A field that is true or false, or null.  Raises Refusal."""
    value = document.value(name)
    if value is not None and type(value) is not bool:
        raise Refusal(INVALID_REQUEST, f"`{name}` must be true or false")
    return value


def one_of(document: Document, name: str, known: frozenset[str]) -> str | None:
    """A field that is one of a few texts, or null.  Raises Refusal."""
    value = document.value(name)
    if value is not None and (not isinstance(value, str) or value not in known):
        raise Refusal(INVALID_REQUEST, f"`{name}` must be one of {', '.join(sorted(known))}")
    return value


def model(document: Document, name: str = "model") -> str:
    """The name of a model.  Raises Refusal."""
    value = document.value(name)
    if not isinstance(value, str) or MODEL.fullmatch(value) is None:
        raise Refusal(INVALID_REQUEST, f"`{name}` must be a model's name")
    return value


def label(document: Document, name: str) -> str | None:
    """A short text that says who pays; None where it is anything else, which nobody is billed by.

    What is too long to be one is not decoded.
    """
    start, end, _ = document.members[name]
    if end - start > LABEL_CHARS_MAX * 6:
        return None
    value = document.value(name)
    return value if isinstance(value, str) and 0 < len(value) <= LABEL_CHARS_MAX else None


def label_map(document: Document, name: str, keys: frozenset[str] | None) -> dict[str, str]:
    """The same for the members of an object, under `name.key`; all of them where `keys` is None."""
    start, end, kind = document.members[name]
    if kind != OBJECT or end - start > 64 * LABEL_CHARS_MAX:
        return {}
    return {
        f"{name}.{key}": value
        for key, value in document.value(name).items()
        if isinstance(value, str)
        and 0 < len(value) <= LABEL_CHARS_MAX
        and (keys is None or key in keys)
    }


def require_list(document: Document, name: str) -> None:
    """Refuse a field that is no list."""
    if document.members[name][2] != ARRAY:
        raise Refusal(INVALID_REQUEST, f"`{name}` must be a list")
