"""Moments as text."""

from __future__ import annotations

import pytest

from s4fw.observe.times import rfc3339, rfc3339_ms


@pytest.mark.parametrize(
    ("at_s", "expected"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_795_262_400, "2026-11-21T12:00:00Z"),
        (4_102_444_800, "2100-01-01T00:00:00Z"),
    ],
)
def test_rfc3339_is_utc_whatever_the_machine_says(at_s: int, expected: str) -> None:
    """Logs of two machines are read side by side."""
    assert expected == rfc3339(at_s)


def test_rfc3339_ms_is_cut_not_rounded() -> None:
    """A rounded moment may lie after the next one."""
    assert "2026-11-21T12:00:00.999Z" == rfc3339_ms(1_795_262_400_999_999_999)
