"""A text cut into pieces has the same tokens as the whole."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.tokens import pieces as module
from s4fw.tokens.pieces import chunks_of, pieces

# Where the patterns turn: contractions, runs of spaces, marks, digits of other scripts, case.
FRAGMENTS = [
    *"abzABZ019 \t\n\r'!.,/-_\"\\",
    *("'s", "'LL", "'t", " \n", "\r\n", "  ", "word", "123", "1234", "://"),
    *("é", "ß", "ſ", "K", "ж", "Σ", "ʰ", "ª", "ǅ", "́", "‍", "٣", "½", "\u00a0", "\u3000"),
    *("漢", "字", "か", "。", "、", "한", "글", "ก", "ำ", "😀", "👩‍👩‍👧"),
]
texts = st.lists(st.sampled_from(FRAGMENTS) | st.characters(exclude_categories=["Cs"])).map("".join)


Encodings = dict[str, tiktoken.Encoding]


def encoded(encoding: tiktoken.Encoding, chunks: Iterable[str]) -> list[int]:
    return [
        token
        for piece, is_tokenized in pieces(chunks)
        for token in encoding.encode_ordinary(piece)
        if is_tokenized
    ]


@pytest.fixture
def smallest_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut wherever it is allowed, so that short texts show what long ones rarely do."""
    monkeypatch.setattr(module, "PIECE", 1)


@pytest.mark.usefixtures("smallest_pieces")
def test_tokens_of_pieces_are_those_of_the_whole(encodings: Encodings) -> None:
    """Because a count in pieces must be exact, not about right."""

    @settings(max_examples=400, deadline=None, derandomize=True, database=None)
    @given(texts)
    def check(text: str) -> None:
        for encoding in encodings.values():
            assert encoding.encode_ordinary(text) == encoded(encoding, [text])

    check()


@pytest.mark.usefixtures("smallest_pieces")
def test_tokens_do_not_depend_on_where_chunks_end(encodings: Encodings) -> None:
    """Because a long string is decoded in chunks that end anywhere."""

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(st.lists(texts, max_size=5))
    def check(chunks: list[str]) -> None:
        for encoding in encodings.values():
            assert encoding.encode_ordinary("".join(chunks)) == encoded(encoding, chunks)

    check()


@pytest.mark.parametrize(
    "unit",
    ["The quick brown fox. ", "def f(x):\n    return x['a']\n\n", "漢字かな交じり文。", "aGVsbG8x"],
    ids=["prose", "code", "japanese", "base64"],
)
def test_long_text_is_cut_into_short_pieces(encodings: Encodings, unit: str) -> None:
    """Because each piece is one step that holds up other threads."""
    text = unit * (200_000 // len(unit))

    parts = list(pieces(chunks_of(text)))

    assert text == "".join(piece for piece, _ in parts)
    assert all(is_tokenized for _, is_tokenized in parts)
    assert max(len(piece) for piece, _ in parts) < module.PIECE + 100
    for encoding in encodings.values():
        assert encoding.encode_ordinary(text) == encoded(encoding, chunks_of(text))


@pytest.mark.parametrize("unit", ["a", " ", "\n", "é", "!"])
def test_text_without_a_cut_is_bounded_by_its_bytes(unit: str) -> None:
    """Because a million spaces exhaust the pattern's stack, and a word of them takes seconds."""
    text = "before " + unit * 300_000 + "9 after"

    parts = list(pieces(chunks_of(text)))

    assert text == "".join(piece for piece, _ in parts)
    stretch = "".join(piece for piece, is_tokenized in parts if not is_tokenized)
    assert len(stretch) >= 300_000
    assert "after" not in stretch


def test_text_of_just_the_longest_stretch_is_exact() -> None:
    """Because the bound is only for what no language has."""
    text = "a" * module.STRETCH_MAX

    assert [(text, True)] == list(pieces(chunks_of(text)))
