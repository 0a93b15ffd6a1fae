"""The simulator's text has as many tokens as it has words."""

import pytest

from s4fw.core.request import Run
from s4fw.sim.words import WORDS, words
from s4fw.tokens import TokenCounter


@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
def test_words_in_any_order_are_one_token_each(encoding: str) -> None:
    """The bill is made from the number of words; a word of two tokens would make it a lie."""
    counter = TokenCounter()
    text = "".join([*(" " + word for word in WORDS), *(" " + word for word in reversed(WORDS))])
    counts = [_count(counter, encoding, sample) for sample in (text, *WORDS)]
    assert [2 * len(WORDS), *([1] * len(WORDS))] == counts


def test_words_same_seed_same_text() -> None:
    """Runs can be compared only if the same request gets the same answer."""
    assert words(b"a", 50) == words(b"a", 50)
    assert words(b"a", 50) != words(b"b", 50)


def _count(counter: TokenCounter, encoding: str, text: str) -> int:
    run = Run(b"test", [(0, 2)], [text.encode()], lambda value: ([text], 0))
    return counter.count(encoding, b"[]", run, 0, 0)
