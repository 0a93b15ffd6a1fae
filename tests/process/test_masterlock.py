"""One master for each runtime directory."""

import pytest

from s4fw.process.exitcode import ANOTHER_MASTER, Stop
from s4fw.process.masterlock import MasterLock


def test_second_lock_is_refused_and_names_the_first_pid(tmp_path):
    """Two masters on one table would recover each other's living workers."""
    first = MasterLock(tmp_path / "master.lock")
    with pytest.raises(Stop) as refused:
        MasterLock(tmp_path / "master.lock")
    assert refused.value.code == ANOTHER_MASTER == 75
    assert (tmp_path / "master.lock").read_text().strip() in refused.value.sentence
    first.release()


def test_released_lock_can_be_taken_again_when_nobody_came(tmp_path):
    """At the end of a drain only the sole master may mark the table clean."""
    lock = MasterLock(tmp_path / "master.lock")
    lock.release()
    assert not lock.has_successor()
    assert lock.take_again()
    lock.release()


def test_released_lock_of_a_successor_is_left_alone(tmp_path):
    """The successor's table is in use: the old master must not write to it."""
    lock = MasterLock(tmp_path / "master.lock")
    lock.release()
    (tmp_path / "master.lock").write_text("1\n")
    assert lock.has_successor()
    assert not lock.take_again()
