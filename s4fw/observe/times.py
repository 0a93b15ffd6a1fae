"""Moments as text: RFC 3339 in UTC, the only form that leaves the firewall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at_s: int) -> str:
    """Unix seconds as `2026-01-31T00:00:00Z`."""
    return f"{_EPOCH + timedelta(seconds=at_s):%Y-%m-%dT%H:%M:%SZ}"


def rfc3339_ms(at_ns: int) -> str:
    """Unix nanoseconds as `2026-01-31T00:00:00.125Z`, cut to milliseconds."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return f"{rfc3339(seconds)[:-1]}.{rest // 1_000_000:03d}Z"
