"""Money read and written as text, against exact rationals.  Costs and quotes: tests/pricing."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.units import NUSD_MAX, ceil_div, nusd_from_usd, pusd_per_token, usd_9

DOLLARS = st.builds(
    lambda whole, places: f"{whole}.{places}" if places else str(whole),
    st.integers(0, 10**9),
    st.text("0123456789", max_size=9),
)
settings.register_profile("money", derandomize=True, database=None, max_examples=300)


@settings(settings.get_profile("money"))
@given(DOLLARS)
def test_dollars_are_read_exactly(text: str) -> None:
    """A limit is what the operator wrote, to the last place."""
    assert Fraction(text) * 10**9 == nusd_from_usd(text)


@settings(settings.get_profile("money"))
@given(st.integers(0, 10**6), st.text("0123456789", min_size=1, max_size=6))
def test_rates_are_read_exactly(whole: int, places: str) -> None:
    """USD per million tokens times 10**6 is pico-USD per token."""
    text = f"{whole}.{places}"
    assert Fraction(text) / 10**6 * 10**12 == pusd_per_token(text)


@settings(settings.get_profile("money"))
@given(st.integers(0, NUSD_MAX))
def test_amount_is_written_so_that_it_reads_back(amount_nusd: int) -> None:
    """A header shows the exact quote."""
    assert Fraction(amount_nusd, 10**9) == Fraction(usd_9(amount_nusd))


@settings(settings.get_profile("money"))
@given(st.integers(0, 2**80), st.integers(1, 2**40))
def test_division_rounds_up_and_only_up(dividend: int, divisor: int) -> None:
    """Money errs toward spent, by less than one."""
    assert ceil(Fraction(dividend, divisor)) == ceil_div(dividend, divisor)
