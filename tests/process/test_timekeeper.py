"""The clock as it stands in a real table, over restarts."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from s4fw.ledger.table import Table
from s4fw.process.clock import SECOND_NS, boot_ns
from s4fw.process.timekeeper import Timekeeper
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
