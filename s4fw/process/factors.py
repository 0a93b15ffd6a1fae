"""Where the learned token factors live: a few words of each worker's counter area."""

from __future__ import annotations

from s4fw.core.counter import FACTORS_AT
from s4fw.ledger.table import Table
from s4fw.ledger.window import Clock
from s4fw.tokens.factors import FAMILIES, FAMILIES_MAX, Factors, current

_MINUTE_NS = 60_000_000_000


def factors_of(table: Table, clock: Clock) -> Factors:
    """The factors as the worker of this process learns and reads them."""
    return Factors(_area(table, table.slot), _areas(table), lambda: _minute(clock))


def learned(table: Table, clock: Clock) -> list[tuple[str, str, int]]:
    """What is held with now, for people: provider, family, thousandths."""
    areas = _areas(table)
    minute = _minute(clock)
    return [(f.provider, f.name, current(f, areas, minute)) for f in FAMILIES]


def _areas(table: Table) -> list[memoryview]:
    return [_area(table, slot) for slot in range(table.sizes.slots)]


def _area(table: Table, slot: int) -> memoryview:
    return table.counters(slot)[FACTORS_AT : FACTORS_AT + FAMILIES_MAX]


def _minute(clock: Clock) -> int:
    return clock.now_ns() // _MINUTE_NS
