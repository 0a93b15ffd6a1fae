"""Who is stuck, which slot is next, who is to be recovered: decisions without a process."""

from dataclasses import dataclass

from s4fw.process import vitals


@dataclass
class Slot:
    slot: int = 0
    pid: int = 0
    is_live: bool = False
    open_leases: int = 0
    ring_lag: int = 0
    heartbeat_age_ms: int = 0


def test_is_stuck_only_after_five_seconds_without_a_beat():
    """A pause of 3 s (a snapshot, a debugger) must pass."""
    silent = Slot(pid=7, is_live=True, heartbeat_age_ms=3000)
    assert not vitals.is_stuck(silent, 7, 100.0, 100.0)
    silent.heartbeat_age_ms = 5001
    assert vitals.is_stuck(silent, 7, 100.0, 100.0)


def test_is_stuck_not_right_after_the_master_itself_was_paused():
    """A frozen machine makes every heartbeat old at once; killing all workers would be absurd."""
    silent = Slot(pid=7, is_live=True, heartbeat_age_ms=60_000)
    assert not vitals.is_stuck(silent, 7, 100.0, attention_s=0.0)
    assert vitals.is_stuck(silent, 7, 100.0, attention_s=5.1)


def test_is_stuck_before_joining_the_slot_counts_its_age():
    """A child that hangs while booting has no heartbeat to look at."""
    of_another = Slot(pid=1, is_live=False, heartbeat_age_ms=10**9)
    assert not vitals.is_stuck(of_another, 7, 29.0, 100.0)
    assert vitals.is_stuck(of_another, 7, 31.0, 100.0)


def test_has_left_only_who_was_there():
    """A worker that left its slot and is about to exit was once called stuck and aborted."""
    left = Slot(pid=0, is_live=False)
    assert vitals.has_left(left, 7, was_ready=True)
    assert not vitals.has_left(left, 7, was_ready=False)
    assert not vitals.has_left(Slot(pid=7, is_live=True), 7, was_ready=True)


def test_attention_restarts_after_a_gap():
    """Regular turns add up; one long gap and they begin again."""
    attention = vitals.Attention(0.0)
    assert attention.look(0.5) == 0.5
    assert attention.look(1.0) == 1.0
    assert attention.look(9.0) == 0.0
    assert attention.look(9.5) == 0.5


def test_free_slot_skips_the_living_the_owing_and_the_taken():
    """A slot with open leases is somebody's money."""
    infos = [
        Slot(0, is_live=True), Slot(1, open_leases=1), Slot(2), Slot(3, ring_lag=5), Slot(4),
    ]  # fmt: skip
    assert vitals.free_slot(infos, {2}) == 4
    assert vitals.free_slot(infos, {2, 4}) == 3
    assert vitals.free_slot(infos, {2, 3, 4}) is None


def test_to_recover_dead_owners_of_leases_that_are_not_ours():
    """Orphans of a former master are left alone while they live, recovered once they are dead."""
    infos = [Slot(0, is_live=True, open_leases=3), Slot(1, open_leases=2), Slot(2, open_leases=1)]
    assert vitals.to_recover(infos, {2}) == [1]
