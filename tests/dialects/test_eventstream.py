"""Event streams cut into frames as botocore reads them, however the network cuts the bytes."""

from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.dialects import eventstream
from s4fw.dialects.eventstream import Frame, FrameCutter
from tests.samples import sample

STREAMS = [
    "bedrock_converse/stream.bin",
    "bedrock_converse/stream_throttled.bin",
    "bedrock_converse/stream_cut.bin",
    "bedrock_invoke/stream.bin",
    "bedrock_invoke/stream_model_error.bin",
]


def cut(stream: bytes, step: int = 10**9) -> tuple[list[Frame], FrameCutter]:
    """All frames of a stream that comes in pieces of `step` bytes."""
    cutter = FrameCutter()
    frames = []
    for at in range(0, len(stream), step):
        frames += cutter.feed(stream[at : at + step])
    return frames, cutter


def botocore_reads(stream: bytes) -> list[tuple[dict[str, str], bytes]]:
    """What the SDK's own reader sees."""
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [(message.headers, message.payload) for message in buffer]


@pytest.mark.parametrize("step", [1, 2, 3, 11, 12, 13, 64, 10**6])
@pytest.mark.parametrize("name", STREAMS)
def test_frames_in_any_split_are_those_of_botocore(name: str, step: int) -> None:
    """We meter what the SDK reads: the two must see the same events."""
    stream = sample(name)
    frames, cutter = cut(stream, step)
    assert botocore_reads(stream) == [(f.headers(), f.payload) for f in frames]
    assert not cutter.is_broken
    assert stream[len(stream) - cutter.held :] == stream[sum(len(f.raw) for f in frames) :]


@given(
    headers=st.dictionaries(
        st.text("abc:-", min_size=1, max_size=20), st.text(max_size=40), max_size=5
    ),
    payload=st.binary(max_size=200),
)
@settings(max_examples=100, deadline=None)
def test_encoded_any_headers_and_payload_botocore_reads_them(
    headers: dict[str, str], payload: bytes
) -> None:
    """The exception frame that ends a broken stream is worth nothing unless the SDK reads it."""
    frame = eventstream.encoded(headers, payload)
    assert [(headers, payload)] == botocore_reads(frame)
    assert [(headers, payload)] == [(f.headers(), f.payload) for f in cut(frame)[0]]


@pytest.mark.parametrize("step", [1, 10**6])
def test_feed_with_any_damaged_byte_ends_before_the_damaged_frame(step: int) -> None:
    """A usage out of damaged bytes would be money out of thin air."""
    good, bad = eventstream.event("a", b"{}"), eventstream.event("metadata", b'{"usage":1}')
    for at in range(len(bad)):
        damaged = bytearray(bad)
        damaged[at] ^= 0x10
        frames, cutter = cut(good + bytes(damaged) + good, step)
        assert [good] == [frame.raw for frame in frames]
        assert cutter.is_broken
        assert 0 == cutter.held


@pytest.mark.parametrize(
    ("length", "headers"),
    [
        (15, 0),
        (16, 1),
        (0, 0),
        (2**32 - 1, 0),
        (16 + 24 * 1024 * 1024 + 1, 0),
        (300_000, 128 * 1024 + 1),
    ],
)
def test_feed_with_impossible_lengths_is_broken_at_once(length: int, headers: int) -> None:
    """An upstream must not make us hold gigabytes by announcing them."""
    start = length.to_bytes(4, "big") + headers.to_bytes(4, "big")
    _, cutter = cut(start + crc32(start).to_bytes(4, "big"))
    assert cutter.is_broken


def test_feed_with_the_largest_payload_is_read() -> None:
    """The limit is botocore's own, so whatever it reads is metered."""
    frame = eventstream.event("chunk", bytes(eventstream.PAYLOAD_BYTES_MAX))
    frames, cutter = cut(frame, 1 << 20)
    assert eventstream.PAYLOAD_BYTES_MAX == len(frames[0].payload)
    assert not cutter.is_broken


def test_headers_of_every_type_are_stepped_over() -> None:
    """Only strings matter here, but they stand behind values of other types."""
    others = b"".join(
        (
            b"\x01a\x00" + b"\x01b\x01" + b"\x01c\x02\x07" + b"\x01d\x03\x00\x01",
            b"\x01e\x04" + bytes(4) + b"\x01f\x05" + bytes(8) + b"\x01g\x06\x00\x02hi",
            b"\x01h\x08" + bytes(8) + b"\x01i\x09" + bytes(16) + b"\x01j\x07\x00\x02ok",
        )
    )
    start = (len(others) + 16).to_bytes(4, "big") + len(others).to_bytes(4, "big")
    body = start + crc32(start).to_bytes(4, "big") + others
    frames, _ = cut(body + crc32(body).to_bytes(4, "big"))
    assert {"j": "ok"} == frames[0].headers()


@pytest.mark.parametrize(
    "block",
    [
        b"\x01",
        b"\x05ab",
        b"\x01a",
        b"\x01a\x07",
        b"\x01a\x07\x00\x05ab",
        b"\x01a\x0a",
        b"\x01a\x04\x00",
        b"\x01a\x07\x00\x01x\x01a\x07\x00\x01y",
        b"\x01\xff\x07\x00\x01x",
    ],
)
def test_headers_malformed_are_refused(block: bytes) -> None:
    """A frame whose kind can be read in two ways has none."""
    start = (len(block) + 16).to_bytes(4, "big") + len(block).to_bytes(4, "big")
    body = start + crc32(start).to_bytes(4, "big") + block
    frames, _ = cut(body + crc32(body).to_bytes(4, "big"))
    with pytest.raises(ValueError, match=r"header|decode"):
        frames[0].headers()
