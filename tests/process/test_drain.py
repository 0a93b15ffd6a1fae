"""The steps of a shutdown."""

from s4fw.process.drain import LATE_S, Drain, Step


def test_drain_waits_for_workers_then_for_the_steward():
    """The steward goes last: it writes what the workers' last rows tell."""
    drain = Drain(0.0, 300.0)
    assert Step.WORKING is drain.look(1.0, workers=2, stewards=1)
    assert Step.EMPTYING is drain.look(2.0, workers=0, stewards=1)
    assert Step.OVER is drain.look(3.0, workers=0, stewards=0)


def test_drain_is_late_only_after_the_deadline_and_time_to_settle():
    """Workers abort by themselves at the deadline; killing them then would cost worst cases."""
    drain = Drain(0.0, 10.0)
    assert not drain.is_late(10.0 + LATE_S)
    assert drain.is_late(10.1 + LATE_S)


def test_hurry_brings_the_deadline_to_now():
    """The second SIGTERM of an impatient operator."""
    drain = Drain(0.0, 300.0)
    drain.hurry(7.0)
    assert drain.is_late(7.1 + LATE_S)


def test_nudge_is_due_once_a_second_after_the_deadline():
    """A second SIGTERM that met the first in a busy worker was lost; it is told again."""
    drain = Drain(0.0, 300.0)
    drain.hurry(0.1)
    assert [t for t in (0.2, 0.9, 1.0, 1.5, 2.0, 2.9, 3.0) if drain.is_nudge_due(t)] == [
        1.0,
        2.0,
        3.0,
    ]
    drain.look(3.5, workers=0, stewards=1)
    assert not drain.is_nudge_due(4.5)


def test_drain_steward_that_hangs_is_late_too():
    """A full disk under the steward must not keep the service from ending."""
    drain = Drain(0.0, 300.0)
    drain.look(2.0, workers=0, stewards=1)
    assert not drain.is_late(2.0 + LATE_S)
    assert drain.is_late(2.1 + LATE_S)
