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
from collections.abc import Iterable, Iterator

PIECE = 16_384  # characters: about 0.4 ms of tokenizing, most of it without the GIL
STRETCH_MAX = 65_536  # characters

_LETTER = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u03b1-\u03c9\u0410-\u044f"
_LETTER += "\u3042-\u3093\u30a2-\u30f3\u4e00-\u9fa5\uac00-\ud7a3"
_PLAIN = ' \\t\\n\\r!"#$%&()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~'
_PLAIN += "\u3001\u3002\uff0c\uff01\uff1f\uff1a\uff1b"
_CUT = re.compile(
    f"(?<=[0-9{_LETTER}])(?=[{_PLAIN}])|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])"
)


def pieces(chunks: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Cut a text that comes in chunks.  Yields pieces, and for each whether it is tokenized (else
    it belongs to a stretch that is bounded by its bytes)."""
    text, is_stretch = "", False
    for chunk in chunks:
        text += chunk
        at = 0
        while (end := _certain_cut(text, at + (1 if is_stretch else PIECE))) is not None:
            yield text[at:end], not is_stretch
            at, is_stretch = end, False
        if is_stretch or len(text) - at > STRETCH_MAX:
            yield text[at:-1], False
            at, is_stretch = len(text) - 1, True  # a cut may follow the last character
        text = text[at:]
    yield text, not is_stretch


def _certain_cut(text: str, start: int) -> int | None:
    """The first certain cut at or after `start`, None where there is none yet."""
    for window in range(start, len(text), PIECE):  # each search is short: it holds the GIL
        found = _CUT.search(text, window, window + PIECE)
        if found:
            return found.start()
    return None


def chunks_of(text: str) -> Iterator[str]:
    """A text at hand in chunks, for `pieces`."""
    return (text[at : at + STRETCH_MAX] for at in range(0, len(text), STRETCH_MAX))
