"""Budgets: which cells an exchange must fit, and taking its reservation in all of them at once.

Theory of operation.  A budget applies to an exchange that has a value for each of its dimensions.
Which cells that are depends only on the attribution and on the current windows, so the answer is
resolved once and remembered with the moment at which its first window ends; the hot path is one
dictionary lookup, one comparison and one C call.  What is remembered may be stale in one way only:
the steward closed a cell that nobody used.  The table notices (the cell's generation has passed)
and the answer is resolved anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from time import monotonic_ns
from typing import Final

from s4fw.core.attribution import DIMENSION_INDEX, DIMENSIONS, OTHER, Attribution
from s4fw.core.counter import COUNTER_INDEX
from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.core.verdict import Block
from s4fw.errors import (
    BUDGET_EXCEEDED,
    FIREWALL_OVERLOADED,
    FIREWALL_UNAVAILABLE,
    FROZEN,
)
from s4fw.ledger import journal
from s4fw.ledger import table as t
from s4fw.ledger.applied import Applied, AppliedCell
from s4fw.ledger.callers import Callers
from s4fw.ledger.marks import ASK_EACH_NS, FIRST_PAUSE_S, LONGEST_PAUSE_S, Unmarked, Wait
from s4fw.ledger.records import other_id
from s4fw.ledger.reservation import HeldReservation, Resolver
from s4fw.ledger.rule import BUDGET_DIMENSION, Budget, BudgetRule, rules_of, values_that_fit
from s4fw.ledger.standing import Standing
from s4fw.ledger.table import StaleValue, Table, TableBusy, TableFull
from s4fw.ledger.window import Clock, end_of
from s4fw.units import NUSD_MAX

PRICE_DIMENSION: Final = BUDGET_DIMENSION + 1  # the versions of the price table are interned too
TOOLS_DIMENSION: Final = PRICE_DIMENSION + 1  # and the names of tools that are offered together
TOOLS_MAX: Final = 2048

KEY: Final = DIMENSION_INDEX["key"]
_MARKS_PASSED: Final = COUNTER_INDEX["marks_passed"]
REMEMBERED_MAX: Final = 100_000  # attributions whose cells a worker remembers
CLAIM_TRIES: Final = 4  # each try fails only if a cell was closed between claim and reserve


class Budgets:
    """Takes reservations for one worker; each process has its own, over the one shared table."""

    def __init__(
        self,
        table: Table,
        budgets: Sequence[Budget],
        clock: Clock,
        price_version: str,
        values_max: dict[str, int] | None = None,
        resolver: Resolver | None = None,
        callers: Callers | None = None,
        wait: Wait | None = None,
    ) -> None:
        """`wait`: durable marks are kept; without it nothing is written down before it is spent."""
        self.callers = callers or Callers(table)
        self._table = table
        self._clock = clock
        self._price = table.intern(PRICE_DIMENSION, price_version.encode())
        self.rules = rules_of(table, budgets)
        self._values_max = values_that_fit(self.rules, table.sizes, values_max or {})
        self._resolver = resolver or Resolver(table, clock)
        self._applied: dict[Attribution, Applied] = {}
        self._wait = wait
        table.set_marked(wait is not None)
        table.set_strict(wait is not None and wait.is_strict)

    def value_ids(self, attribution: Attribution) -> tuple[int, ...]:
        """The interned ids of an attribution's values, 0 where it has none."""
        return tuple(
            0 if value is None else self._intern(dimension, value)
            for dimension, value in enumerate(attribution.values)
        )

    def _intern(self, dimension: int, value: str) -> int:
        most = self._values_max.get(DIMENSIONS[dimension], 0)
        return self._table.intern(dimension, value.encode(), most)

    def reserve(self, x: Exchange) -> Block | None:
        """Hold `x.quote_nusd` in every cell of the exchange, or in none and say why."""
        assert x.attribution is not None
        for _ in range(CLAIM_TRIES):
            applied = self._applied.get(x.attribution)
            if applied is None or self._clock.now_ns() >= applied.until_ns:
                try:
                    applied = self._resolve(x.attribution)
                except StaleValue:
                    continue
                except TableBusy:
                    return self._block(x, None, t.BUSY)
                except TableFull:
                    return self._block(x, None, t.RING_FULL)
            lease = self._table.reserve(applied.cell_set, x.quote_nusd, x.id, self._price)
            if lease >= 0:
                x.reservation = HeldReservation(
                    self._table, self._resolver, lease, x.quote_nusd, self._price
                )
                self._describe(x, applied)
                return None
            if lease != t.STALE:
                return self._block(x, applied, lease)
            del self._applied[x.attribution]
        return self._block(x, None, t.BUSY)  # cells were closed as fast as they were found

    async def reserve_marked(self, x: Exchange) -> Block | None:
        """Reserve what met a durable mark, once it was raised; after a while without, or not."""
        wait = self._wait
        assert wait is not None
        deadline_ns = wait.deadline_ns()
        ask_ns, pause_s = 0, FIRST_PAUSE_S
        refused: Block | None = Unmarked()
        while isinstance(refused, Unmarked):
            now_ns = monotonic_ns()
            applied = self._applied.get(x.attribution) if x.attribution is not None else None
            if now_ns >= ask_ns and applied is not None:
                ask_ns = now_ns + ASK_EACH_NS
                wait.ask(applied.places, x.quote_nusd)
            if now_ns >= deadline_ns:
                wait.give_up()
                return refused if wait.is_strict else self._reserve_past_marks(x)
            await wait.pause(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            refused = self.reserve(x)
        return refused

    def _reserve_past_marks(self, x: Exchange) -> Block | None:
        self._table.counters()[_MARKS_PASSED] += 1
        self._table.set_marked(False)
        refused = self.reserve(x)
        self._table.set_marked(True)
        return refused

    def left(self, x: Exchange) -> Iterator[tuple[int, int]]:
        """What is left in each enforced budget of an exchange, and its limit, as of the reserve
        that was just taken for it."""
        assert x.attribution is not None
        answer = self._table.answer
        for index, cell in enumerate(self._applied[x.attribution].cells):
            if not cell.rule.is_shadow:
                yield cell.limit_nusd - answer[2 + index], cell.limit_nusd

    def tools_id(self, names: bytes) -> int:
        """The value id of the names of some tools; 0 while the table is busy."""
        try:
            return self._table.intern(TOOLS_DIMENSION, names, TOOLS_MAX)
        except TableBusy:
            return 0

    def journal_block(self, x: Exchange) -> None:
        """Journal a refused exchange: no money, and no names while the table is busy."""
        values: tuple[int, ...] = ()
        if x.attribution is not None:
            applied = self._applied.get(x.attribution)
            with contextlib.suppress(TableBusy):
                values = applied.values if applied is not None else self.value_ids(x.attribution)
        journal.fill_block(self._table.row(), x, self._clock.now_ns(), values)
        self._table.publish()

    def standing(self, attribution: Attribution) -> list[Standing] | None:
        """How the budgets of somebody stand now; None where cells are closed as fast as they are
        found.  Opens cells, as a request would.  Raises TableBusy, TableFull."""
        for _ in range(CLAIM_TRIES):
            applied = self._applied.get(attribution)
            try:
                if applied is None or self._clock.now_ns() >= applied.until_ns:
                    applied = self._resolve(attribution)
                infos = [self._table.cell(index) for index, _ in applied.places]
            except (StaleValue, KeyError):
                self._applied.pop(attribution, None)
                continue
            if all(i.generation == p[1] for i, p in zip(infos, applied.places, strict=True)):
                return [Standing(c, i) for c, i in zip(applied.cells, infos, strict=True)]
            del self._applied[attribution]
        return None

    def note_outcome(self, reason: Reason, request: bytes, attribution: Attribution) -> None:
        """Journal what an application reported of a request (16 bytes; zeros: of its session).
        Raises TableBusy."""
        values = self.value_ids(attribution)
        journal.fill_outcome(self._table.row(), self._clock.now_ns(), reason, request, values)
        self._table.publish()

    def _resolve(self, attribution: Attribution) -> Applied:
        """Find or open the cells of an attribution in the windows of now."""
        ids = self.value_ids(attribution)
        named = [
            OTHER if value is not None and self._table.is_other(value_id) else value
            for value, value_id in zip(attribution.values, ids, strict=True)
        ]
        cells, places = [], []
        until_s = 2**62
        for rule in self.rules:
            scope = rule.values_in(named)
            if scope is None:
                continue
            start_s = self._clock.start_of(rule.budget.window, rule.zone)
            ends_s = end_of(rule.budget.window, start_s, rule.zone)
            place, scope = self._claim(rule, start_s, ids, scope)
            places.append(place)
            cells.append(AppliedCell(rule, scope, ends_s))
            until_s = min(until_s, ends_s)
        until_ns = until_s * 1_000_000_000
        cell_set = self._table.cell_set(places, ids)
        shared = [cell.limit_nusd for cell in cells if cell.is_shared_by_keys]
        smallest = min(shared, default=NUSD_MAX)
        self.callers.limit_open(cell_set, attribution.values[KEY], ids[KEY], smallest)
        applied = Applied(cell_set, cells, places, ids, until_ns)
        if len(self._applied) >= REMEMBERED_MAX:
            self._applied.clear()
        self._applied[attribution] = applied
        return applied

    def _claim(
        self, rule: BudgetRule, start_s: int, ids: tuple[int, ...], scope: tuple[str, ...]
    ) -> tuple[tuple[int, int], tuple[str, ...]]:
        """The cell of a scope.  When cells are short it is the one that the surplus shares: callers
        who make up values must not stop everybody else.  Raises TableFull."""
        named = [ids[dimension] for dimension in rule.dimensions]
        try:
            return self._open(rule, start_s, named, scope), scope
        except TableFull:
            if not named:
                raise
        others = [other_id(dimension) for dimension in rule.dimensions]
        shared = (OTHER,) * len(others)
        return self._open(rule, start_s, others, shared), shared

    def _open(
        self, rule: BudgetRule, start_s: int, ids: list[int], scope: tuple[str, ...]
    ) -> tuple[int, int]:
        limit, stated = rule.enforced_limit_of(scope), rule.limit_of(scope)
        return self._table.claim(rule.value_id, rule.kind, start_s, ids, limit, stated)

    def _describe(self, x: Exchange, applied: Applied) -> None:
        """Fill what the answer's headers say: the tightest budget, warnings, shadow blocks."""
        answer = self._table.answer
        tightest = None
        for index, cell in applied.shown:
            left = cell.limit_nusd - answer[2 + index]
            if tightest is None or left < tightest:
                tightest = left
                x.budget_id = cell.rule.id
                x.budget_resets_at = cell.resets_at
        if tightest is not None:
            x.budget_remaining_nusd = max(0, tightest)
        for index, cell in applied.warned:
            used = answer[2 + index]
            for amount, text in cell.warn:
                if used >= amount:
                    x.budget_warning = (
                        text if x.budget_warning is None else f"{x.budget_warning}, {text}"
                    )
                    break
        if answer[1]:
            x.shadow_reason = BUDGET_EXCEEDED.name

    def _block(self, x: Exchange, applied: Applied | None, refused: int) -> Block:
        if refused == t.DENIED and applied is not None:
            index = self._table.answer[0]
            x.denied_by = applied.places[index]
            return applied.cells[index].refusal(x.quote_nusd, self._table.answer[2 + index])
        if refused == t.UNMARKED:
            return Unmarked()
        if refused == t.CROWDED:
            key = x.attribution.values[KEY] if x.attribution is not None else None
            return self.callers.crowded(key)
        if refused == t.FROZEN:
            return Block(FROZEN, "not sent. Spending is frozen by the operator of this firewall.")
        if refused in (t.FULL, t.BUSY):
            return Block(
                FIREWALL_OVERLOADED,
                "not sent. The firewall is busy; try again shortly.",
                retry_after_s=1,
            )
        return Block(
            FIREWALL_UNAVAILABLE,
            "not sent. The firewall cannot record spend at the moment, so it lets nothing through.",
        )
