"""What must be true of money at any time, and once traffic has stopped."""

from __future__ import annotations

from typing import Any

from tests.harness.firewall import Firewall
from tests.harness.simulator import Simulator
from tests.harness.wait import wait_until


class Budgets(list[dict[str, Any]]):
    """Entries of /v1/budgets."""

    def one(self, budget_id: str, **scope: str) -> dict[str, Any]:
        """The one entry of a budget with this scope; fails when there is none or several."""
        found = [b for b in self if b["id"] == budget_id and (not scope or b["scope"] == scope)]
        assert len(found) == 1, f"{len(found)} entries of {budget_id} {scope}: {list(self)}"
        return found[0]

    @property
    def held_nusd(self) -> int:
        """What is held in all entries together."""
        return sum(entry["held_nusd"] for entry in self)


def quiesce(firewall: Firewall, *, timeout_s: float = 3.0) -> Budgets:
    """Wait until nothing is held; the cap must not block what fits.  Returns the budgets."""
    budgets = Budgets()

    def is_quiet() -> bool:
        budgets[:] = firewall.budgets()
        assert_cap_holds(budgets)
        return budgets.held_nusd == 0

    wait_until(is_quiet, "nothing is held any more", timeout_s=timeout_s)
    return budgets


def assert_cap_holds(budgets: list[dict[str, Any]]) -> None:
    """Check every entry: the sums agree and an enforced limit is not passed."""
    for entry in budgets:
        assert entry["used_nusd"] == entry["charged_nusd"] + entry["held_nusd"], entry
        assert entry["charged_nusd"] == entry["spent_nusd"] + entry["accrued_nusd"], entry
        assert entry["remaining_nusd"] == max(0, entry["limit_nusd"] - entry["used_nusd"]), entry
        if entry["mode"] == "enforce":
            assert entry["used_nusd"] <= entry["limit_nusd"], entry


def assert_paid(
    firewall: Firewall, simulator: Simulator, budget_id: str, *, exactly: bool = True
) -> dict[str, Any]:
    """Compare a budget that covers all traffic with what the provider charged; returns its entry.

    Where usage was lost or wrong the firewall charges the worst case: `exactly=False` then wants
    at least the provider's sum.
    """
    simulator.wait_idle()
    entry = quiesce(firewall).one(budget_id)
    paid_nusd = simulator.ledger()["total_nusd"]
    if exactly:
        assert paid_nusd == entry["charged_nusd"], entry
    else:
        assert paid_nusd <= entry["charged_nusd"], entry
    return entry
