"""The sums of spend: each journal row counts once, whatever dies."""

import pytest

from s4fw.core.attribution import DIMENSIONS
from s4fw.core.reason import Reason
from s4fw.ledger.journal import Kind
from s4fw.process.spend import VALUES_MAX, Spend, SpendFile
from tests.process.rows import NAMES, row


def of(spend, dimension="tenant"):
    (cost,) = spend.costs(dimension)
    return cost


def test_add_settled_row_counts_under_each_dimension_it_has():
    """Finance reads the same exchange by tenant, by feature and by model."""
    spend = Spend(1, 0)
    spend.add(row(), NAMES)
    cost = of(spend)
    assert (cost.value, cost.spent_nusd, cost.accrued_nusd, cost.requests) == ("acme", 500, 0, 1)
    assert (cost.tokens_in, cost.tokens_cached, cost.tokens_out) == (132, 20, 67)
    assert [d for d in DIMENSIONS if not spend.costs(d)] == ["agent"]


def test_add_accrued_and_recovered_rows_are_kept_apart_from_spent():
    """A worst case is no invoice: it must be visible as what it is."""
    spend = Spend(1, 0)
    spend.add(row(reason=Reason.CLIENT_GONE), NAMES)
    spend.add(row(kind=Kind.RECOVER, reason=Reason.WORKER_CRASH, charged=900), NAMES)
    cost = of(spend)
    assert (cost.spent_nusd, cost.accrued_nusd, cost.requests) == (0, 1400, 2)


def test_add_blocks_and_voids_cost_nothing():
    """A refusal counts as blocked; what was given back counts as nothing at all."""
    spend = Spend(1, 0)
    spend.add(row(kind=Kind.BLOCK, charged=0), NAMES)
    spend.add(row(kind=Kind.VOID, reason=Reason.NOT_SENT, charged=0), NAMES)
    spend.add(row(kind=Kind.RECOVER, reason=Reason.WORKER_CRASH, charged=0), NAMES)
    cost = of(spend)
    assert (cost.blocked, cost.requests, cost.charged_nusd) == (1, 0, 0)


def test_add_more_values_than_are_kept_folds_the_idle_ones_into_other():
    """Sessions come and go for ever; the file must not grow with them, and no cent may go."""
    spend = Spend(1, 0)
    count, busy = VALUES_MAX + VALUES_MAX // 2, 0  # folded twice
    for number in range(count):
        spend.add(row(), (*NAMES[:5], f"s{number}", *NAMES[6:]))
        if number % 1000 == 0:
            spend.add(row(), (*NAMES[:5], "busy", *NAMES[6:]))
            busy += 1
    sessions = {cost.value: cost for cost in spend.costs("session")}
    assert len(sessions) <= VALUES_MAX
    assert f"s{count - 1}" in sessions
    assert "s0" not in sessions
    assert sessions["busy"].spent_nusd == busy * 500
    assert sum(cost.spent_nusd for cost in sessions.values()) == (count + busy) * 500
    assert of(spend).spent_nusd == (count + busy) * 500


def test_file_round_trip_keeps_sums_and_positions(tmp_path):
    """What the file says is exactly which rows it contains."""
    file = SpendFile(tmp_path)
    assert file.take()
    spend, was_readable = file.read("table-a", 2, 77)
    assert was_readable
    spend.add(row(), NAMES)
    spend.tails = [5, 9]
    file.write(spend, "table-a")
    again, _ = file.read("table-a", 2, 99)
    assert (again.tails, again.since_s, of(again)) == ([5, 9], 77, of(spend))
    file.release()


def test_file_of_another_table_keeps_sums_and_drops_positions(tmp_path):
    """A new table counts its rows from zero; old positions would skip its first rows."""
    file = SpendFile(tmp_path)
    file.take()
    spend, _ = file.read("table-a", 1, 77)
    spend.add(row(), NAMES)
    spend.tails = [5]
    file.write(spend, "table-a")
    again, _ = file.read("table-b", 1, 99)
    assert (again.tails, of(again).spent_nusd) == ([0], 500)
    file.release()


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"version": 99}', b"\xff\x00"])
def test_file_that_cannot_be_read_is_set_aside(tmp_path, damage):
    """Sums of money are never overwritten with zeros unseen."""
    (tmp_path / "spend.json").write_bytes(damage)
    file = SpendFile(tmp_path)
    file.take()
    spend, was_readable = file.read("table-a", 1, 77)
    assert (was_readable, spend.costs("tenant")) == (False, [])
    assert (tmp_path / "spend.json.unreadable-77").read_bytes() == damage
    file.release()


def test_second_steward_waits_until_the_first_lets_go(tmp_path):
    """Two that drain the same rings would each see half of the rows."""
    first, second = SpendFile(tmp_path), SpendFile(tmp_path)
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
    second.release()
