"""Cuts a long text into pieces that are tokenized one by one with the same sum of tokens.

Theory of operation

A tokenizer first cuts text by a pattern (`encoding.py`) and then merges within each cut, so a text
may be split wherever the pattern is certain to cut, seen from both sides:

* No alternative of either pattern has a letter or digit directly followed by anything but letters,
  marks, digits of the same run, or an apostrophe (a contraction).  So between a letter or digit and
  a space or a plain punctuation mark there is always a cut, and between a letter and a digit.
* What comes before the cut ends in a letter or digit, so the alternatives that look ahead for the
  end of a run of spaces (`\\s+(?!\\S)`, `\\s++$`) see the same.  What comes after is matched from
  its own start: neither pattern looks behind.

Only characters whose class no version of Unicode will change are used: ASCII, Latin-1, Greek,
Cyrillic, kana, common Han, Hangul.

A stretch without such a place for `STRETCH_MAX` characters is no language: one word of 64 Ki
letters, a screen of spaces.  Tokenizing it costs more than its length (measured: 0.1 us per byte at
16 KiB, 0.3 at 256 KiB; a million spaces exhaust the pattern's stack), so it is bounded by its bytes
instead: no token is shorter than one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PIECE = 16_384  # characters: about 0.4 ms of tokenizing, most of it without the GIL
STRETCH_MAX = 65_536  # characters

_LETTER = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u03b1-\u03c9\u0410-\u044f"
_LETTER += "\u3042-\u3093\u30a2-\u30f3\u4e00-\u9fa5\uac00-\ud7a3"
_PLAIN = ' \\t\\n\\r!"#$%&()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~'
_PLAIN += "\u3001\u3002\uff0c\uff01\uff1f\uff1a\uff1b"
_CUT = re.compile(
    f"(?<=[0-9{_LETTER}])(?=[{_PLAIN}])|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])"
)


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a text and whether each is short enough to be tokenized."""
    at, length = 0, len(text)
    while length - at > PIECE:
        end = _cut_after(text, at + PIECE)
        yield text[at:end], end - at <= STRETCH_MAX
        at = end
    yield text[at:], True


def _cut_after(text: str, start: int) -> int:
    """The first certain cut at or after `start`, else the end; never long without a pause."""
    length = len(text)
    while start < length:
        found = _CUT.search(text, start, start + PIECE)
        if found:
            return found.start()
        start += PIECE
    return length
