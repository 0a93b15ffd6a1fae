"""The clock as it stands in a real table, over restarts."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from s4fw.ledger.table import Table
from s4fw.process.clock import SECOND_NS, boot_ns
from s4fw.process.timekeeper import ORDER, Timekeeper
from s4fw.process.witness import Witness

HOUR_NS = 3600 * SECOND_NS


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    with Table.create(tmp_path / "table", slots=2, cells=16, leases=8, values=64, rows=16) as made:
        yield made


def test_publish_in_a_new_table_believes_the_wall_clock(table: Table) -> None:
    """The first start has nothing else to go by."""
    Timekeeper(table, Witness(), is_same_boot=False).publish()
    offset_ns, starts_s = table.clock()
    assert abs(boot_ns() + offset_ns - time.time_ns()) < SECOND_NS
    assert 0 == starts_s[2] % 86400 == starts_s[5]


@pytest.mark.parametrize("is_same_boot", [True, False])
def test_publish_after_a_restart_keeps_the_offset_of_this_boot_only(
    table: Table, is_same_boot: bool
) -> None:
    """A restart is no way around the probation; after a reboot the old offset means nothing."""
    true_ns = time.time_ns() - boot_ns()
    table.publish_clock(true_ns - HOUR_NS, (0,) * 6)  # as if the wall clock jumped an hour ahead
    Timekeeper(table, Witness(), is_same_boot).publish()
    behind_ns = true_ns - table.clock()[0]
    assert (HOUR_NS if is_same_boot else 0) == pytest.approx(behind_ns, abs=SECOND_NS)


def test_publish_never_takes_a_window_back(table: Table) -> None:
    """Not even over a reboot into the past: those windows' cells may be closed."""
    ahead_s = time.time_ns() // SECOND_NS + 40 * 86400
    table.publish_clock(0, (ahead_s,) * 6)
    Timekeeper(table, Witness(), is_same_boot=False).publish()
    assert (ahead_s,) * 6 == table.clock()[1]


def jumped(table: Table, ahead_ns: int) -> Timekeeper:
    """A timekeeper that doubts: the wall clock is ahead of what was accepted."""
    true_ns = time.time_ns() - boot_ns()
    table.publish_clock(true_ns - ahead_ns, (0,) * 6)
    timekeeper = Timekeeper(table, Witness(), is_same_boot=True)
    timekeeper.publish()
    return timekeeper


def test_publish_after_an_order_follows_the_wall_clock_at_once(table: Table) -> None:
    """A person who set a wrong clock right should not have to wait ten minutes."""
    timekeeper = jumped(table, HOUR_NS)
    order = table.path.with_name(ORDER)
    order.touch()
    timekeeper.publish()
    assert not order.exists()
    assert abs(boot_ns() + table.clock()[0] - time.time_ns()) < SECOND_NS


def test_publish_after_an_order_never_goes_back(table: Table) -> None:
    """A clock set back would return to windows whose cells are closed."""
    timekeeper = jumped(table, -HOUR_NS)
    before = table.clock()
    table.path.with_name(ORDER).touch()
    timekeeper.publish()
    assert before[0] == table.clock()[0]


def test_order_without_a_doubt_or_from_before_the_start_means_nothing(table: Table) -> None:
    """An order is for the step that a person looked at, not for one that comes later."""
    table.path.with_name(ORDER).touch()
    timekeeper = jumped(table, HOUR_NS)
    timekeeper.publish()
    assert HOUR_NS == pytest.approx(time.time_ns() - boot_ns() - table.clock()[0], abs=SECOND_NS)
    calm = Timekeeper(table, Witness(), is_same_boot=False)
    calm.publish()
    order = table.path.with_name(ORDER)
    order.touch()
    calm.publish()
    assert order.exists()  # the command takes it back and says so
