"""How old the shipped rates are."""

from __future__ import annotations

from datetime import UTC, date, datetime

# When data/prices.json was taken, and of which source; a test holds both to the file.
TAKEN_ON = date(2026, 11, 21)
TAKEN_OF = "8f8060d8ce7a40c9"


def age_days(now_s: int) -> int:
    """Whole days since the shipped rates were taken; `now_s` is wall clock."""
    return max(0, (datetime.fromtimestamp(now_s, UTC).date() - TAKEN_ON).days)
