"""When a dead child is replaced, and when the service gives up."""

from s4fw.process.backoff import (
    DELAYS_S,
    KILLED_DELAYS_S,
    KILLED_READY_S_MAX,
    YOUNG_S,
    Backoff,
    BootFailures,
)


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


def test_kill_of_one_that_served_never_waits_for_long():
    """Somebody outside kills what works: callers shall have it back."""
    backoff = Backoff()
    delays = [backoff.after_kill_s(1.0, True) for _ in range(20)]
    assert (0.0, KILLED_READY_S_MAX) == (delays[0], max(delays))
    assert backoff.after_kill_s(YOUNG_S, True) == 0.0
    assert backoff.delay_s(0.1) == 0.0  # its own deaths are another matter


def test_kill_before_ready_waits_longer_each_time_until_it_is_ready_once():
    """The kernel may kill it for its memory for ever: that must not eat the machine."""
    backoff = Backoff()
    delays = [backoff.after_kill_s(0.1, False) for _ in KILLED_DELAYS_S]
    assert (list(KILLED_DELAYS_S), 5.0) == (delays, backoff.after_kill_s(0.1, False))
    backoff.after_kill_s(1.0, True)
    assert backoff.after_kill_s(0.1, False) == 0.0


def test_boot_failures_five_within_a_minute_are_hopeless():
    """A broken installation fails visibly instead of forking for ever."""
    failures = BootFailures()
    assert [failures.is_hopeless(t) for t in (0, 1, 3, 7, 60)] == [False, False, False, False, True]


def test_boot_failures_spread_over_more_than_a_minute_are_not():
    """Memory that was short for a moment, once an hour, must not stop the service."""
    failures = BootFailures()
    assert not any(failures.is_hopeless(t) for t in (0, 16, 32, 48, 61, 80, 96))
