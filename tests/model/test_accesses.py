"""The accesses without the lock hold with the orders that the C gives them, and only with those."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.model import death
from tests.model.accesses import SCENARIOS, SITES, Orders, Scenario
from tests.model.memory import Machine, Violation

NATIVE = Path(__file__).parents[2] / "native"
ORDERED = re.compile(r"s4_get_acquire\(|s4_put_release\(|atomic_thread_fence\(")


def holds(scenario: Scenario, weak: str = "") -> bool:
    """Whether no interleaving and no old value breaks a scenario."""
    try:
        Machine(scenario(Orders(weak))).explore()
    except Violation:
        return False
    return True


def everything_holds(weak: str) -> bool:
    """The readers, and what a death leaves."""
    o = Orders(weak)
    return (
        all(holds(scenario, weak) for scenario in SCENARIOS)
        and death.is_table_whole(o)
        and death.is_row_whole(o)
        and death.is_sent_known(death.lease_that_is_sent(o))
    )


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_access_without_lock_holds_with_the_orders_of_the_code(scenario: Scenario) -> None:
    """On any processor that C11 runs on, also those that show old values."""
    assert holds(scenario)


def test_death_leaves_whole_operations_whatever_order_the_compiler_chose() -> None:
    """The commit point needs program order, and release is what keeps it."""
    o = Orders()
    assert death.is_table_whole(o)
    assert death.is_row_whole(o)
    assert death.is_sent_known(death.lease_that_is_sent(o))


def test_death_shows_a_mark_that_comes_after_the_byte() -> None:
    """What was sent and not marked would be given back."""
    assert not death.is_sent_known(death.lease_that_is_sent_too_late(Orders()))


@pytest.mark.parametrize("name", dict.fromkeys(s.name for s in SITES if not s.why_not))
def test_access_that_is_weakened_to_relaxed_is_noticed(name: str) -> None:
    """An order that nothing needs is a comment that nobody can check."""
    assert not everything_holds(weak=name)


@pytest.mark.parametrize("name", dict.fromkeys(s.name for s in SITES if s.why_not))
def test_access_that_needs_no_order_holds_without_it(name: str) -> None:
    """Those are kept as a statement of intent; the list says why nothing rests on them."""
    assert everything_holds(weak=name)


def test_every_ordered_access_of_the_code_is_in_the_list() -> None:
    """A new one without the lock comes with its scenario, or with a reason."""
    for path in sorted(NATIVE.glob("s4_table_*.c")):
        sites = [s for s in SITES if s.file == path.stem.removeprefix("s4_table_")]
        lines = [line for line in path.read_text().splitlines() if ORDERED.search(line)]
        for site in sites:
            assert sum(site.text in line for line in lines) == 1, f"{path.name}: {site.text}"
        found = sum(len(ORDERED.findall(line)) for line in lines)
        assert found == len(sites), path.name
