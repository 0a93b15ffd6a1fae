"""Deterministic text whose length in tokens is known without counting.

Every word below is exactly one token of o200k_base and of cl100k_base, at the start of a text and
after a space, so a text of n words is a text of n tokens; a test checks it against both
vocabularies.  A few words are not ASCII, so that streams can be cut inside a character.
"""

from __future__ import annotations

import random

_TEXT = """
the order left our this and will reach your door by we checked each item so nothing is missing from
box if you need more time please write back to us today small parts come first then large ones
follow after a short wait thank for asking about it again here are some notes on price size color
weight how long takes most people choose blue or green but red also works well in every room of
house über été → —
"""
WORDS = tuple(_TEXT.split())


def words(seed: bytes, count: int) -> list[str]:
    """Give `count` words drawn by `seed`; each but the first begins with a space."""
    drawn = random.Random(seed).choices(WORDS, k=count)
    return [word if index == 0 else " " + word for index, word in enumerate(drawn)]
