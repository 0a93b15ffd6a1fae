"""The small pieces that tables are made of."""

from __future__ import annotations

import pytest

from s4fw.cli import show


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (90_000, "1 d 1 h"),
     (86_400, "1 d")],
)  # fmt: skip
def test_duration_has_its_two_largest_units(seconds: int, expected: str) -> None:
    """Nobody reads 5,400 s."""
    assert expected == show.duration(seconds)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (999_999, "999.9k"), (112_000_000, "112.0M"),
     (7_650_000_000, "7.6G")],
)  # fmt: skip
def test_compact_is_rounded_down_and_short(number: int, expected: str) -> None:
    """Six characters at most, so that a column keeps its width."""
    assert expected == show.compact(number)


@pytest.mark.parametrize(
    ("part", "whole", "expected"), [(0, 10, 0), (9999, 10_000, 999), (15, 10, 1500), (0, 0, 1000)]
)
def test_permille_is_rounded_down_and_a_limit_of_zero_is_used_up(
    part: int, whole: int, expected: int
) -> None:
    """Never a float, and never full before it is full."""
    assert expected == show.permille(part, whole)


def test_seconds_between_is_never_negative() -> None:
    """The firewall's clock and the operator's may differ."""
    assert 0 == show.seconds_between("2026-11-21T12:00:01Z", "2026-11-21T12:00:00Z")
    assert 86_400 == show.seconds_between("2026-11-21T12:00:00+00:00", "2026-11-22T12:00:00Z")


def test_scope_of_nobody_is_all() -> None:
    """An empty cell in a pipe would shift the columns."""
    assert "all" == show.scope({})
    assert "tenant=acme feature=chat" == show.scope({"tenant": "acme", "feature": "chat"})


@pytest.mark.parametrize(
    ("nusd", "expected"),
    [
        (99_999_811_000, "$99.99"),
        (100_000_000_000, "$100.00"),
        (999_999_999, "$0.999999"),
        (999, "$0.00"),
        (0, "$0.00"),
    ],
)
def test_left_is_rounded_down(nusd: int, expected: str) -> None:
    """What is shown as left must be there."""
    assert expected == show.left(nusd).plain
