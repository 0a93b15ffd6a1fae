"""What came in: the head and body as received, and what a dialect read from them.

The body is kept as the bytes that arrived.  A dialect never re-serialises it: where a field must be
added or replaced, an edit says which span gives way to which bytes, so that what is forwarded is
what was metered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from s4fw.core.transcript import Transcript

# Measures one parsed JSON value: the texts to be counted as tokens, and tokens to add for what is
# no text (framing, images).
Measure = Callable[[Any], tuple[list[str], int]]

# What a request can write to the provider's cache, and so be billed for: each kind may be dearer
# than plain input, by how long it is kept.
CACHE_NONE, CACHE_5M, CACHE_1H, CACHE_30M, CACHE_12H = range(5)

NO_LABELS: Final[Mapping[str, str]] = {}


class Run:
    """A sequence of JSON values to be counted, in the body, with a digest of each prefix.

    `spans` are (start, end) offsets into the body, one for each value; `digests` holds for each the
    16-byte keyed hash of everything in the run up to its end.  A transcript that grew shares all
    digests of its old part, so only its new suffix needs counting.

    `long_strings` are spans of strings in the body that `measure` passes on as texts without
    looking into them: it may be given short stand-ins for them, because decoding a string of many
    megabytes at once would hold up everything else.
    """

    __slots__ = ("digests", "long_strings", "measure", "name", "spans")

    def __init__(
        self,
        name: bytes,
        spans: Sequence[tuple[int, int]],
        digests: Sequence[bytes],
        measure: Measure,
        long_strings: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.name = name  # separates the digests of one kind of run from those of another
        self.spans = spans
        self.digests = digests
        self.measure = measure
        self.long_strings = long_strings


class Request:
    """The head and body as received, then what the dialect read from the body.

    `headers` maps lower-case names to values; a name that came twice is joined by the reader of
    the head or refused there, so there is one value for each.
    """

    __slots__ = (
        "body",
        "body_sha256",
        "cache",
        "choices",
        "edits",
        "geo",
        "headers",
        "hides_usage",
        "input_turns",
        "is_context_bound",
        "labels",
        "labels_of_path",
        "method",
        "model",
        "opaque_file_tokens",
        "output_tokens_extra",
        "output_tokens_max",
        "path",
        "prefix",
        "query",
        "runs",
        "searches_max",
        "speed",
        "stream",
        "tier",
        "tokens_extra",
        "transcript",
    )

    def __init__(
        self, method: bytes, path: bytes, query: bytes, headers: dict[bytes, bytes]
    ) -> None:
        self.method = method
        self.path = path  # raw, never decoded: with every prefix, as a signature covers it
        self.query = query  # raw, without the question mark
        self.headers = headers
        self.body: bytes | bytearray = b""
        self.body_sha256 = b""  # in hex, once somebody needed it
        # Read from the path, before the route:
        self.prefix = b""  # names an upstream
        self.labels_of_path: Mapping[str, str] = NO_LABELS  # dimension -> what the path says
        # Input tokens of a file that the body only names, as the operator bounds them; None where
        # nothing does, so that what names one is refused.  Set before the body is read.
        self.opaque_file_tokens: int | None = None
        # Read by the dialect from the body (the model of some from the path):
        self.model = ""
        self.stream = False
        self.choices = 1  # how many answers are generated and billed
        self.output_tokens_max: int | None = None  # of one choice; None: the model's own maximum
        self.output_tokens_extra = 0  # output tokens beside those, of one choice (predictions)
        self.tier: str | None = None
        self.speed: str | None = None  # of those that are billed apart, "fast"
        self.geo: str | None = None  # where it must run, where that is billed apart
        self.cache = CACHE_NONE
        self.labels: Mapping[str, str] = NO_LABELS  # fields that say who pays, by their name
        self.runs: Sequence[Run] = ()
        self.transcript: Transcript | None = None  # where a shape has one
        self.tokens_extra = 0  # input tokens beside those of the runs (framing)
        self.input_turns = 1  # how often the input may be billed: tools that the provider runs
        self.searches_max = 0  # calls of a web search, billed each
        self.is_context_bound = False  # part of the input is not here: only the context bounds it
        # What is sent upstream differs from the body by these, apart and in any order:
        self.edits: list[tuple[int, int, bytes]] | None = None  # start, end, what stands there now
        self.hides_usage = False  # we asked for usage, the caller did not: do not show it

    def edit(self, start: int, end: int, new: bytes) -> None:
        """Forward `new` in place of body[start:end]; an earlier edit of the same span gives way."""
        edits = [e for e in self.edits or () if (e[0], e[1]) != (start, end)]
        edits.append((start, end, new))
        self.edits = edits

    def pieces(self) -> tuple[bytes | bytearray | memoryview, ...]:
        """What is sent upstream, in order."""
        if self.edits is None:
            return (self.body,)
        body = memoryview(self.body)
        pieces: list[bytes | memoryview] = []
        at = 0
        for start, end, new in sorted(self.edits):
            pieces += (body[at:start], new)
            at = end
        pieces.append(body[at:])
        return tuple(pieces)
