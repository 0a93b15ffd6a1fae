"""Sizes, durations and decimals: exact, bounded, and read again as they are shown."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s4fw.config.document import Scalar
from s4fw.config.forms import Auto, Duration, Flag, Plain, Size, Whole, WholeSeconds, permille, usd
from s4fw.units import NUSD_MAX

SIZE = Size("0", "1GiB")
DURATION = Duration("0s", "366d")


@given(st.integers(0, 1 << 30))
def test_size_shown_reads_back(size: int) -> None:
    """`check --print` must be a file that means the same."""
    assert size == SIZE.read(Scalar(str(SIZE.show(size))))


@given(st.integers(0, 366 * 86_400_000))
def test_duration_shown_reads_back(milliseconds: int) -> None:
    """Seconds are floats here; a millisecond must not get lost in them."""
    assert milliseconds / 1000 == DURATION.read(Scalar(DURATION.show(milliseconds / 1000)))


@given(st.integers(1, NUSD_MAX))
def test_usd_shown_reads_back(amount_nusd: int) -> None:
    """A limit is money: exact to the nano-dollar up to the largest one."""
    assert amount_nusd == usd().read(Scalar(str(usd().show(amount_nusd))))


@given(st.decimals(min_value=0, max_value=10**9, places=9, allow_nan=False, allow_infinity=False))
def test_usd_agrees_with_decimal(amount: D) -> None:
    """An independent reading of the same text."""
    nusd = int(amount * 10**9)
    if nusd:
        assert nusd == usd().read(Scalar(f"{amount:f}"))


def test_usd_of_a_tenth_is_exact() -> None:
    """0.1 is no binary fraction: the reason why the text is read and not a float."""
    assert 100_000_000 == usd().read(Scalar("0.1"))
    assert 300_000_000 == usd().read(Scalar("0.3", is_quoted=True))


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    """Whatever people write, the answer is a value or a sentence, never another exception."""
    for form in (SIZE, DURATION, usd(), permille(), Whole(0, 9), Flag(), Auto(1, 9, lambda: 2)):
        said = "a value"
        try:
            form.read(Scalar(text))
        except ValueError as error:
            said = str(error)
        assert said == "a value" or "must be" in said


@pytest.mark.parametrize("text", ["1e3", "+5", "-0", "0x10", "1_000", "٣", " 5", ".5", "5.", "inf"])
def test_usd_in_another_notation_is_refused(text: str) -> None:
    """What two readers could read differently is no limit."""
    with pytest.raises(ValueError, match="must be US dollars"):
        usd().read(Scalar(text))


def test_permille_is_exact_and_bounded() -> None:
    """0.95 of a limit is 950 per thousand; all of it is no warning."""
    assert 950 == permille().read(Scalar("0.95"))
    assert Plain("0.95") == permille().show(950)
    with pytest.raises(ValueError, match="below 1"):
        permille().read(Scalar("1"))


def test_auto_takes_what_the_machine_has_within_bounds() -> None:
    """A machine with more processors than the bound must start, too."""
    assert 2 == Auto(1, 4, lambda: 2).read(Scalar("auto"))
    assert 4 == Auto(1, 4, lambda: 96).read(Scalar("auto"))


def test_whole_seconds_of_a_fraction_is_refused() -> None:
    """Idle time is whole seconds in the ledger; rounding it would be a surprise."""
    assert 90 == WholeSeconds("1s", "1d").read(Scalar("90s"))
    with pytest.raises(ValueError, match="whole seconds"):
        WholeSeconds("1s", "1d").read(Scalar("1500ms"))
