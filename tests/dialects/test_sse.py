"""Cutting server-sent events out of a stream of bytes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from s4fw.dialects.sse import EventCutter, data_of

LINE_END = st.sampled_from([b"\n", b"\r\n", b"\r"])
FIELD = st.sampled_from([b"data: a", b"data:b", b"event: x", b": ping", "data: é✅".encode()])


@given(
    events=st.lists(st.lists(FIELD, min_size=1, max_size=3), max_size=5),
    end=LINE_END,
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
def test_feed_any_split_keeps_bytes_and_events(
    events: list[list[bytes]], end: bytes, cuts: list[int]
) -> None:
    """However the network cuts, the bytes are the same and so are the events' data."""
    stream = b"".join(end.join(lines) + end + end for lines in events)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    cutter = EventCutter()
    got: list[bytes] = []
    for start, stop in pairwise(edges):
        got += cutter.feed(stream[start:stop])
    assert stream == b"".join(got) + cutter.rest()
    data = [data_of(event) for event in got if event.strip(b"\r\n")]
    assert [data_of(end.join(lines)) for lines in events] == data


def test_data_of_joins_lines_and_strips_one_space() -> None:
    """Several data lines are one text with LF between (WHATWG HTML 9.2.6)."""
    assert b"a\n b\n" == data_of(b"data: a\ndata:  b\nid: 7\ndata\n\n")


def test_data_of_ignores_a_leading_byte_order_mark() -> None:
    """A BOM at the start of the stream is no part of the first field's name."""
    assert b"x" == data_of(b"\xef\xbb\xbfdata: x\n\n")


def test_feed_lone_crlf_is_one_line_end() -> None:
    """CR and LF of one line end must not be taken for a blank line."""
    cutter = EventCutter()
    assert [] == cutter.feed(b"data: a\r\ndata: b\r\n")
    assert [b"data: a\r\ndata: b\r\n\r\n"] == cutter.feed(b"\r\n")
