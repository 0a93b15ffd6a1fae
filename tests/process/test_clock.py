"""The accepted clock: no step of the wall clock opens a second budget."""

from hypothesis import given
from hypothesis import strategies as st

from s4fw.process.clock import PROBATION_NS, SECOND_NS, STEP_NS_MAX, AcceptedClock

WALL = 1_800_000_000 * SECOND_NS
HOUR = 3600 * SECOND_NS


def test_look_small_forward_step_is_accepted_at_once():
    """Time servers correct by milliseconds to seconds; rows should have true times."""
    clock = AcceptedClock(WALL, 0)
    assert clock.look(WALL + 3 * SECOND_NS, SECOND_NS).offset_ns == WALL + 2 * SECOND_NS


def test_look_large_forward_step_waits_ten_minutes_of_boot_clock():
    """A clock set a month ahead must not refill the month's budget."""
    clock, month = AcceptedClock(WALL, 0), 31 * 24 * HOUR
    reading = clock.look(WALL + month + SECOND_NS, SECOND_NS)
    assert (reading.offset_ns, reading.is_doubted, reading.ahead_ns) == (WALL, True, month)
    almost = SECOND_NS + PROBATION_NS - 1
    assert clock.look(WALL + month + almost, almost).offset_ns == WALL
    later = SECOND_NS + PROBATION_NS
    assert clock.look(WALL + month + later, later).offset_ns == WALL + month


def test_look_step_that_is_taken_back_starts_the_probation_anew():
    """Ten minutes in all are not ten minutes without a break."""
    clock = AcceptedClock(WALL, 0)
    assert clock.look(WALL + HOUR, 0).is_doubted
    assert not clock.look(WALL + PROBATION_NS // 2, PROBATION_NS // 2).is_doubted
    at = PROBATION_NS + SECOND_NS
    assert clock.look(WALL + HOUR + at, at).offset_ns == WALL


def test_look_many_small_steps_together_count_as_a_large_one():
    """Five minutes each second would be a month within three hours."""
    clock = AcceptedClock(WALL, 0)
    at = 0
    for _ in range(100):
        at += SECOND_NS
        clock.look(WALL + at + at * 200, at)
    assert WALL < clock.offset_ns <= WALL + STEP_NS_MAX


def test_look_step_back_stays_and_is_told_when_large():
    """Going back and ahead again would return to windows whose cells are closed."""
    clock = AcceptedClock(WALL, 0)
    small = clock.look(WALL - SECOND_NS, 0)
    assert (small.offset_ns, small.is_doubted) == (WALL, False)
    large = clock.look(WALL - HOUR, 0)
    assert (large.offset_ns, large.is_doubted, large.ahead_ns) == (WALL, True, -HOUR)


def test_accept_on_order_believes_the_wall_clock_now():
    """A person who knows better need not wait."""
    clock = AcceptedClock(WALL, 0)
    clock.look(WALL + HOUR, 0)
    clock.accept(WALL + HOUR, 0)
    assert clock.look(WALL + HOUR, 0).offset_ns == WALL + HOUR


def test_offset_of_an_earlier_life_is_kept():
    """A restart must not be the way to make a jump count at once."""
    clock = AcceptedClock(WALL + HOUR, 0, offset_ns=WALL)
    assert clock.look(WALL + HOUR, 0).offset_ns == WALL


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-4000, 4000)), max_size=200))
def test_offset_never_goes_back_nor_ahead_faster_than_allowed(turns):
    """Whatever the wall clock does: at most 5 minutes in 10 without a probation."""
    clock, boot_s, last = AcceptedClock(WALL, 0), 0, WALL
    for pause_s, step_s in turns:
        boot_s += pause_s
        reading = clock.look(WALL + (boot_s + step_s) * SECOND_NS, boot_s * SECOND_NS)
        assert reading.offset_ns >= last
        if boot_s * SECOND_NS < PROBATION_NS:
            assert reading.offset_ns <= WALL + STEP_NS_MAX
        last = reading.offset_ns
