"""When a dead child is replaced, and when the service gives up."""

from s4fw.process.backoff import DELAYS_S, YOUNG_S, Backoff, BootFailures


def test_delay_first_death_is_immediate_then_doubles_to_30_s():
    """One crash costs callers nothing; a crash loop must not eat the machine."""
    backoff = Backoff()
    assert list(DELAYS_S) == [backoff.delay_s(0.1) for _ in DELAYS_S]
    assert backoff.delay_s(0.1) == 30.0


def test_delay_after_a_long_life_starts_from_zero_again():
    """A crash today has nothing to do with the crashes of last week."""
    backoff = Backoff()
    for _ in range(5):
        backoff.delay_s(0.1)
    assert backoff.delay_s(YOUNG_S) == 0.0
    assert backoff.delay_s(YOUNG_S - 1) == 1.0


def test_boot_failures_five_within_a_minute_are_hopeless():
    """A broken installation fails visibly instead of forking for ever."""
    failures = BootFailures()
    assert [failures.is_hopeless(t) for t in (0, 1, 3, 7, 60)] == [False, False, False, False, True]


def test_boot_failures_spread_over_more_than_a_minute_are_not():
    """Memory that was short for a moment, once an hour, must not stop the service."""
    failures = BootFailures()
    assert not any(failures.is_hopeless(t) for t in (0, 16, 32, 48, 61, 80, 96))
