"""Segments as files: what may be packed and sent, and what may not."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from s4fw.ledger import segments
from tests.ledger.signed import Chain


def test_seal_of_a_whole_segment_is_its_last_line() -> None:
    """Its digest becomes the name of the object: it stands for every line before it."""
    made = Chain()
    data = made.segment(5)
    assert made.writer.digest == segments.seal_of(data).digest


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda d: b"", id="empty"),
        pytest.param(lambda d: d[:-1], id="cut in the last line"),
        pytest.param(lambda d: d[: d.rfind(b"\n", 0, -1) + 1], id="without its seal"),
        pytest.param(lambda d: d[d.index(b"\n") + 1 :], id="without its head"),
        pytest.param(lambda d: d.replace(b'"seq":3', b'"seq":4', 1)[:-20], id="cut and changed"),
        pytest.param(lambda d: d + d[d.rfind(b"\n", 0, -1) + 1 :], id="sealed twice"),
        pytest.param(lambda d: d[d.rfind(b"\n", 0, -1) + 1 :], id="nothing but a seal"),
    ],
)
def test_seal_of_what_is_not_whole_is_refused(damage: Callable[[bytes], bytes]) -> None:
    """What is sent once under its name can never be sent again: it must be a whole segment."""
    with pytest.raises(ValueError, match="seal"):
        segments.seal_of(damage(Chain().segment(5)))


def test_pack_gives_the_same_bytes_for_the_same_lines() -> None:
    """A steward that dies in packing packs again; the moment of it must not be in the file."""
    data = Chain().segment(3)
    assert segments.pack(data) == segments.pack(data)
    assert data == gzip.decompress(segments.pack(data))
