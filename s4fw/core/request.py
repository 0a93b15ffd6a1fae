"""What came in: the head and body as received, and what a dialect read from them.

The body is kept as the bytes that arrived.  A dialect never re-serialises it: where a field must be
added, `pieces` splices the new bytes between spans of the old, so that what is forwarded is what
was metered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

# Measures one parsed JSON value: the texts to be counted as tokens, and tokens to add for what is
# no text (framing, images).
Measure = Callable[[Any], tuple[list[str], int]]


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
        "choices",
        "headers",
        "hides_usage",
        "may_cache_12h",
        "method",
        "model",
        "output_tokens_extra",
        "output_tokens_max",
        "path",
        "pieces",
        "query",
        "runs",
        "stream",
        "tier",
        "tokens_extra",
    )

    def __init__(
        self, method: bytes, path: bytes, query: bytes, headers: dict[bytes, bytes]
    ) -> None:
        self.method = method
        self.path = path  # raw, never decoded
        self.query = query  # raw, without the question mark
        self.headers = headers
        self.body: bytes | bytearray = b""
        # Read by the dialect from the body:
        self.model = ""
        self.stream = False
        self.choices = 1  # how many answers are generated and billed
        self.output_tokens_max: int | None = None  # of one choice; None: the model's own maximum
        self.output_tokens_extra = 0  # output tokens beside those, of one choice (predictions)
        self.tier: str | None = None
        self.may_cache_12h = False  # it may write to a cache that is kept, and billed, for 12 hours
        self.runs: Sequence[Run] = ()
        self.tokens_extra = 0  # input tokens beside those of the runs (framing)
        # What is sent upstream instead of the body, where the dialect had to add something:
        self.pieces: tuple[bytes | memoryview, ...] | None = None
        self.hides_usage = False  # we asked for usage, the caller did not: do not show it
