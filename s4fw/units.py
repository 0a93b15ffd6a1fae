"""Money and sizes as integers: the only place where they are read from or written as text.

Money is an `int` of nano-USD (names end in `_nusd`); rates are an `int` of pico-USD per token
(names end in `_pusd`).  USD per million tokens times 10**6 is pico-USD per token, so a published
rate with at most six decimals is exact.
"""

from __future__ import annotations

import re
from typing import Final

NUSD_PER_USD: Final = 1_000_000_000
PUSD_PER_NUSD: Final = 1_000

NUSD_MAX: Final = 2**62  # half of int64: a sum of two amounts never overflows in the counter table

_DECIMAL: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]+))?")  # not \d: that is any script's digits


def ceil_div(dividend: int, divisor: int) -> int:
    """Divide two non-negative integers and round up: money errs toward spent."""
    return -(-dividend // divisor)


def scaled_decimal(text: str, places: int) -> int:
    """Read decimal text as an integer of 10**-places; no sign, no exponent, no float on the way.

    Raises ValueError when the text is not plain decimal or has more than `places` decimals.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError("not a plain decimal number")
    whole, fraction = match[1], (match[2] or "").rstrip("0")
    if len(fraction) > places:
        raise ValueError(f"more than {places} decimal places")
    scale: int = 10**places
    return int(whole) * scale + int(fraction.ljust(places, "0") or "0")


def nusd_from_usd(text: str) -> int:
    """Read dollars written as decimal text ("0.05") as nano-USD.  Raises ValueError."""
    return scaled_decimal(text, 9)


def pusd_per_token(usd_per_mtok: str) -> int:
    """Read a rate in USD per million tokens as pico-USD per token.  Raises ValueError."""
    return scaled_decimal(usd_per_mtok, 6)


def usd_9(amount_nusd: int) -> str:
    """Write nano-USD as dollars with all nine places, exact: the form of our headers."""
    sign = "-" if amount_nusd < 0 else ""
    whole, fraction = divmod(abs(amount_nusd), NUSD_PER_USD)
    return f"{sign}{whole}.{str(fraction).zfill(9)}"  # several times as fast as a format


def usd(amount_nusd: int) -> str:
    """Write nano-USD for people: `$1,234.50`; below a dollar six places: `$0.421300`."""
    sign = "-" if amount_nusd < 0 else ""
    amount = abs(amount_nusd)
    if amount >= NUSD_PER_USD or amount == 0:
        cents = ceil_div(amount, 10_000_000)
        return f"{sign}${cents // 100:,}.{str(cents % 100).zfill(2)}"
    micros = ceil_div(amount, 1_000)
    if micros == 1_000_000:
        return f"{sign}$1.00"
    return f"{sign}$0.{str(micros).zfill(6)}"
