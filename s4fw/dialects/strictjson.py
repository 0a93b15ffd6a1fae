"""Reads a request body so strictly that nobody can read it differently.

`scan` proves that a body is one RFC 8259 object in valid UTF-8, without duplicate names at any
level and within the limits of `native/s4_json_api.h`; only then are single members decoded, by
orjson, where a dialect asks for them.  The only importer of the compiled scan.

Offsets in refusals and spans are bytes from the start of the body.  Nothing here keeps or shows
content: digests are keyed with random bytes that live as long as the process tree.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final, overload

import orjson

from s4fw.dialects._json import ffi, lib
from s4fw.errors import DUPLICATE_KEY, INVALID_REQUEST, Refusal

OBJECT, ARRAY, STRING, NUMBER, TRUE, FALSE, NULL = range(7)

# In the order of the codes in native/s4_json_api.h.
_PROBLEMS: Final = (
    "",
    "the body is not a JSON object",
    "the JSON body is cut short",
    "there is something after the JSON object",
    "the body is not valid JSON",
    "a number is not valid JSON",
    f"a number is longer than {lib.S4_JSON_NUMBER_MAX} characters"
    f" or an integer has more than {lib.S4_JSON_DIGITS_MAX} digits",
    "the body is not valid UTF-8",
    "a string has an escape that JSON does not know",
    "a string has half of a surrogate pair",
    "a string has a control character that is not escaped",
    f"the body is nested deeper than {lib.S4_JSON_DEPTH_MAX} levels",
    f"the body has more than {lib.S4_JSON_TOP_MAX} members",
    f"an object has more than {lib.S4_JSON_MEMBERS_MAX} members",
    f"the body has more than {lib.S4_JSON_VALUES_MAX} values",
    "the body is too long",
    "the firewall had no memory to check the body",
    "an object has the same name twice",
)

# at, member_count, span_count, value_count, long_count, veiled
_HEAD: Final = struct.Struct("=IIIIII8x")
_MEMBER: Final = struct.Struct("=IIIIIIBBB5x")
_SPAN: Final = struct.Struct("=II")
_MEMBERS_AT: Final = _HEAD.size
_SPANS_AT: Final = _MEMBERS_AT + _MEMBER.size * lib.S4_JSON_TOP_MAX
_LONGS_AT: Final = _SPANS_AT + 8 * lib.S4_JSON_ITEMS_MAX
_DIGEST_BYTES: Final = 16

Span = tuple[int, int]


# A body may be scanned in a thread beside the loop's, so each thread has a work area of its own.
_areas: Final = threading.local()


def _work_area() -> tuple[Any, memoryview]:
    """The work area of this thread, and a view of it."""
    area = ffi.new("s4_json_scratch *")
    own: tuple[Any, memoryview] = (area, memoryview(ffi.buffer(area)))
    _areas.own = own
    return own


def set_key(key: bytes) -> None:
    """Set the 16-byte key of all digests, so that a process tree agrees on them.

    Call it before threads and forks; without a call the key is drawn when this module is loaded,
    which processes forked later share.
    """
    if len(key) != 16:
        raise ValueError("the key of the scan has 16 bytes")
    lib.s4_json_set_key(key)


set_key(os.urandom(16))


class Spans(Sequence[Span]):
    """The (start, end) offsets of an array's elements; tuples are made when asked for."""

    __slots__ = ("_words",)

    def __init__(self, words: memoryview) -> None:
        self._words = words

    def __len__(self) -> int:
        return len(self._words) // 2

    @overload
    def __getitem__(self, index: int) -> Span: ...
    @overload
    def __getitem__(self, index: slice) -> list[Span]: ...
    def __getitem__(self, index: int | slice) -> Span | list[Span]:
        words = self._words
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        at = index * 2 if index >= 0 else len(words) + index * 2
        if at < 0:
            raise IndexError(index)
        return words[at], words[at + 1]

    def __iter__(self) -> Iterator[Span]:
        words = self._words.tolist()
        return zip(words[::2], words[1::2], strict=True)


class Digests(Sequence[bytes]):
    """One 16-byte digest for each element of an array: of the array's bytes up to its end."""

    __slots__ = ("_bytes",)

    def __init__(self, digests: bytes) -> None:
        self._bytes = digests

    def __len__(self) -> int:
        return len(self._bytes) // _DIGEST_BYTES

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        at = index if index >= 0 else len(self) + index
        digest = self._bytes[at * _DIGEST_BYTES : (at + 1) * _DIGEST_BYTES] if at >= 0 else b""
        if not digest:
            raise IndexError(index)
        return digest


class Document:
    """A body that passed the scan.

    `members` maps each top-level name to (start, end, type).  `long_strings` are the spans, quotes
    included, of all string values of 128 KiB and more, wherever they stand.  `is_veiled` says that
    somewhere a letter, a digit or an underscore is written as an escape, which nobody has to do and
    which hides names from a search in the raw bytes.
    """

    __slots__ = ("_arrays", "_body", "_spans", "is_veiled", "long_strings", "members")

    def __init__(
        self,
        body: bytes | bytearray,
        members: dict[str, tuple[int, int, int]],
        arrays: dict[str, tuple[int, int, int]],
        spans: bytes,
        long_strings: Sequence[Span],
        is_veiled: bool,
    ) -> None:
        self.members = members
        self.is_veiled = is_veiled
        self.long_strings = long_strings
        self._body = body
        self._arrays = arrays  # name -> (first, count, not recorded)
        self._spans = spans

    def __repr__(self) -> str:
        return f"<Document {len(self._body)} bytes, {len(self.members)} members>"

    def value(self, name: str, default: Any = None) -> Any:
        """The decoded value of a top-level member, `default` where it is absent.

        Raises Refusal for a number that JSON allows and no reader can hold (1e400).
        """
        member = self.members.get(name)
        if member is None:
            return default
        kind = member[2]
        if kind >= TRUE:
            return (True, False, None)[kind - TRUE]
        return _decoded(memoryview(self._body)[member[0] : member[1]], member[0])

    def digest(self, name: str) -> bytes:
        """A 16-byte keyed digest of a top-level member's bytes.  Raises KeyError."""
        start, end, _ = self.members[name]
        out = bytearray(_DIGEST_BYTES)
        source = ffi.from_buffer("uint8_t[]", self._body)
        lib.s4_json_digest(source + start, end - start, ffi.from_buffer("uint8_t[]", out))
        return bytes(out)

    def items(self, name: str) -> tuple[Sequence[Span], Sequence[bytes]]:
        """The elements of a top-level array: their spans, and for each a 16-byte keyed digest of
        everything from the opening bracket to its end, so that a longer array that begins alike
        shares them.

        Raises KeyError where there is no such array, Refusal where it has too many elements.
        """
        first, count, is_unrecorded = self._arrays[name]
        start = self.members[name][0]
        if is_unrecorded:
            problem = f"an array has more than {lib.S4_JSON_ITEMS_MAX} elements"
            raise Refusal(INVALID_REQUEST, f"{problem}, at byte {start}")
        spans = self._spans[first * 8 : (first + count) * 8]
        out = bytearray(count * _DIGEST_BYTES)
        lib.s4_json_digests(
            self._body if type(self._body) is bytes else ffi.from_buffer("uint8_t[]", self._body),
            start,
            spans,
            count,
            ffi.from_buffer("uint8_t[]", out),
        )
        return Spans(memoryview(spans).cast("I")), Digests(bytes(out))


def scan(body: bytes | bytearray) -> Document:
    """Validate a whole body and find its top-level members.  May run in any thread.

    Linear in the body's length; raises Refusal(INVALID_REQUEST or DUPLICATE_KEY) with a sentence
    that names the problem and the byte, never content.
    """
    area, view = getattr(_areas, "own", None) or _work_area()
    source = body if type(body) is bytes else ffi.from_buffer("uint8_t[]", body)
    code = lib.s4_json_scan(source, len(body), area)
    at, member_count, span_count, _, long_count, veiled = _HEAD.unpack_from(view)
    if code != 0:
        refused = DUPLICATE_KEY if code == lib.S4_JSON_DUPLICATE else INVALID_REQUEST
        raise Refusal(refused, f"{_PROBLEMS[code]}, at byte {at}")
    members: dict[str, tuple[int, int, int]] = {}
    arrays: dict[str, tuple[int, int, int]] = {}
    records = _MEMBER.iter_unpack(view[_MEMBERS_AT : _MEMBERS_AT + member_count * _MEMBER.size])
    for name_start, name_end, start, end, first, count, kind, is_escaped, is_unrecorded in records:
        if is_escaped:
            name = orjson.loads(body[name_start - 1 : name_end + 1])
        else:
            name = str(body[name_start:name_end], "utf-8")
        members[name] = start, end, kind
        if kind == ARRAY:
            arrays[name] = first, count, is_unrecorded
    spans = bytes(view[_SPANS_AT : _SPANS_AT + span_count * 8])
    longs = (
        list(_SPAN.iter_unpack(view[_LONGS_AT : _LONGS_AT + long_count * 8])) if long_count else ()
    )
    return Document(body, members, arrays, spans, longs, veiled > 0)


def _decoded(span: memoryview, at: int) -> Any:
    try:
        return orjson.loads(span)
    except orjson.JSONDecodeError:
        raise Refusal(
            INVALID_REQUEST, f"a number is out of range, in the member at byte {at}"
        ) from None
