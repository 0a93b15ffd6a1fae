"""How old the rates are is told from a date that must follow the rates."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from s4fw.pricing.age import TAKEN_OF, TAKEN_ON, age_days
from s4fw.pricing.ratecard import DATA


def test_date_belongs_to_the_rates_that_are_shipped() -> None:
    """Whoever takes new rates changes the date in the same commit, or old ones look young."""
    source = orjson.loads(DATA.read_bytes())["source_sha256"]
    assert source.startswith(TAKEN_OF), "set TAKEN_ON and TAKEN_OF of s4fw/pricing/age.py"


def test_age_is_whole_days_and_never_negative() -> None:
    """A machine whose clock is behind has young prices, not prices of the future."""
    day = int(datetime(TAKEN_ON.year, TAKEN_ON.month, TAKEN_ON.day, tzinfo=UTC).timestamp())
    assert [0, 0, 1, 120] == [age_days(day + s) for s in (-9, 86_399, 86_400, 120 * 86_400)]
