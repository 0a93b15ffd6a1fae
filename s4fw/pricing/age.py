"""How old the shipped rates are."""

from __future__ import annotations

from datetime import UTC, date, datetime

TAKEN_ON = date(2026, 11, 21)  # of data/prices.json; `make_prices` says to change it


def age_days(now_s: int) -> int:
    """Whole days since the shipped rates were taken; `now_s` is wall clock."""
    return max(0, (datetime.fromtimestamp(now_s, UTC).date() - TAKEN_ON).days)
