"""Whatever text is handed in, the answer is a Config or ConfigErrors, soon."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s4fw.config import ConfigErrors, parse

START = "upstreams: {openai: {base_url: https://a.example}}\n"
WORDS = [
    "server",
    "budgets",
    "keys",
    "(name)",
    "per",
    "id",
    "limit_usd",
    "overrides",
    "a",
    "1",
    "0.5",
    "null",
    "file",
    "upstreams",
]
MARKS = [
    "{",
    "}",
    "[",
    "]",
    "?",
    "&",
    "&a",
    "*a",
    "!x",
    "!!map",
    "<<",
    "~",
    "'",
    '"',
    "\\",
    "${",
    "${X}",
    "${Y:-",
    "#",
    "%",
    "|",
    "---",
    "...",
]
SPACES = [": ", "- ", ", ", "? ", "\n", "\n  ", "\n    ", "\t", "|\n", "---\n", "!x "]
ODD = ["\x00", "\x85", "\ufeff", "\U0001f4b8", '"\\ud800"', '"\\U99999999"']
PIECES = st.sampled_from(WORDS + MARKS + SPACES + ODD)


@given(st.lists(PIECES, max_size=30))
def test_any_text_is_read_or_refused_with_sentences(pieces: list[str]) -> None:
    """A reload runs in the master: no text may bring it down."""
    said = "fine"
    try:
        parse(START + "".join(pieces), "x", {"X": "{a: 1}"})
    except ConfigErrors as errors:
        said = str(errors)
    assert said.encode()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('server: {host: "\\ud800"}', "half a character"),
        ('server: {host: "\\U99999999"}', "is not valid YAML"),
        ("a: " + "[" * 5000, "nested deeper than 32"),
        ("a: " + "{a: " * 5000, "nested deeper than 32"),
        ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "anchors and aliases"),
    ],
)
def test_known_traps_are_told_in_words(text: str, sentence: str) -> None:
    """Each has brought down a YAML reader somewhere."""
    with pytest.raises(ConfigErrors, match=sentence):
        parse(text, "x", {})
