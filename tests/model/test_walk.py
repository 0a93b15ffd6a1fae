"""The compiled table does what its mirror in plain Python does, call by call."""

from __future__ import annotations

import pytest

from tests.model.walk import walk

# Every answer that a call may give must be met, or the walk leaves something out.
OUTCOMES = {
    "arrive", "arrive -2", "arrive early", "claim", "claim -2", "claim -4", "close", "correct",
    "crash", "drain", "freeze", "intern", "intern -4", "prepare", "prepare -2", "publish",
    "release", "reserve", "reserve -1", "reserve -2", "reserve -3", "reserve -4", "reserve -6",
    "reserve -14", "sent", "set_limit", "settle", "settle -7", "sweep", "void", "void -7",
    "set_marked", "set_mark", "raise_charged", "reserve -15",
}  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_table_answers_as_its_mirror_for_fifty_thousand_operations(seed: int) -> None:
    """Same state and same call give the same decision and the same sums; all kinds of answers."""
    counts = walk(50_000, seed)
    assert OUTCOMES == counts.keys()
    assert min(counts.values()) >= 10
