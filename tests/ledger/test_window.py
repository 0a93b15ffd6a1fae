"""Windows: where they start and end, and that they only move forward."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s4fw.ledger.window import KINDS, Clock, boot_ns, end_of, start_of

ZONES = st.sampled_from(
    [None, *map(ZoneInfo, ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"))]
)
CALENDAR = st.sampled_from(["day", "week", "month"])
MOMENTS = st.integers(0, 4_000_000_000)


def at(text: str) -> int:
    """A UTC moment as unix seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        ("minute", "2026-11-21T17:40:00", "2026-11-21T17:41:00"),
        ("hour", "2026-11-21T17:00:00", "2026-11-21T18:00:00"),
        ("day", "2026-11-21T00:00:00", "2026-11-22T00:00:00"),
        ("week", "2026-11-16T00:00:00", "2026-11-23T00:00:00"),
        ("month", "2026-11-01T00:00:00", "2026-12-01T00:00:00"),
    ],
)
def test_window_of_a_saturday_afternoon(kind: str, start: str, end: str) -> None:
    """Calendar windows start at 00:00 UTC, weeks on Monday."""
    now_s = at("2026-11-21T17:40:08")
    assert at(start) == start_of(kind, now_s)
    assert at(end) == end_of(kind, at(start))


def test_window_total_never_ends() -> None:
    """A total budget is one window for ever."""
    assert 0 == start_of("total", 123)
    assert end_of("total", 0) > 10**15


def test_window_day_in_a_zone_follows_its_daylight_saving() -> None:
    """In Berlin 2026-10-25 has 25 hours; a day's budget lasts that long."""
    berlin = ZoneInfo("Europe/Berlin")
    start_s = start_of("day", at("2026-10-25T12:00:00"), berlin)
    assert at("2026-10-24T22:00:00") == start_s
    assert 25 * 3600 == end_of("day", start_s, berlin) - start_s


@given(kind=CALENDAR, now_s=MOMENTS, zone=ZONES)
def test_window_holds_its_moment_and_the_next_one_begins_at_its_end(
    kind: str, now_s: int, zone: ZoneInfo | None
) -> None:
    """No gap and no overlap: a request belongs to exactly one window."""
    start_s = start_of(kind, now_s, zone)
    end_s = end_of(kind, start_s, zone)
    assert start_s <= now_s < end_s
    assert start_s == start_of(kind, end_s - 1, zone)
    assert end_s == start_of(kind, end_s, zone)


@given(steps=st.lists(st.integers(-(10**15), 10**15), max_size=8), kind=st.sampled_from(KINDS))
def test_clock_start_never_goes_back(steps: list[int], kind: str) -> None:
    """A clock that is set back must not open a window a second time."""
    clock = Clock(10**18 - boot_ns())
    latest = clock.start_of(kind)
    for step in steps:
        clock.follow(max(0, clock.offset_ns + step), (0,) * len(KINDS))
        start_s = clock.start_of(kind)
        assert start_s >= latest
        latest = start_s


def test_clock_takes_over_a_start_that_the_master_published() -> None:
    """A worker that is late by a moment does not fall behind the others."""
    clock = Clock(1_000_000 * 10**9 - boot_ns())
    ahead = start_of("day", 2_000_000)
    clock.follow(clock.offset_ns, (0, 0, ahead, 0, 0, 0))
    assert ahead == clock.start_of("day")
