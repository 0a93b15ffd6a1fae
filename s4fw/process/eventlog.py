"""The last events, and which journal rows are events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from heapq import merge
from itertools import islice

from s4fw.admin.facts import Event
from s4fw.core.attribution import DIMENSIONS
from s4fw.core.reason import Reason
from s4fw.ledger.journal import Decision, JournalRow, Kind

EVENTS_MAX = 1000  # what /v1/events promises
RARE_MAX = 500
# What comes with the traffic; a storm of it must not push out what came once.
COMMON = frozenset({
    "accrued", "block", "clamp", "correction", "loop_warning", "overrun", "reroute", "shadow_block",
})  # fmt: skip

Names = Sequence[str | None]
BudgetOf = Callable[[tuple[int, int]], str | None]  # of a cell: index, generation


class EventLog:
    """The last events in memory; a steward that dies forgets them, the money it does not."""

    def __init__(self) -> None:
        self._common: deque[Event] = deque(maxlen=EVENTS_MAX)
        self._rare: deque[Event] = deque(maxlen=RARE_MAX)

    def note(self, event: Event) -> None:
        (self._common if event.kind in COMMON else self._rare).append(event)

    def note_past(self, events: Iterable[Event]) -> None:
        """What was before this log began, heard when it has begun already."""
        for event in events:
            self.note(event)
        for kept in (self._common, self._rare):
            in_order = sorted(kept, key=lambda e: e.at_ns)
            kept.clear()
            kept.extend(in_order)

    def newest(self, limit: int, kind: str | None = None) -> list[Event]:
        """Newest first; of one kind only where it is given."""
        both = merge(reversed(self._common), reversed(self._rare), key=lambda e: -e.at_ns)
        return list(islice((e for e in both if kind is None or e.kind == kind), limit))

    def note_row(self, row: JournalRow, names: Names, budget_of: BudgetOf) -> None:
        """Keep a row that is worth a person's look; `names` are its values by dimension."""
        told = _told(row)
        if told is None:
            return
        kind, level, message = told
        fields: dict[str, str | int] = {"slot": row.slot}
        if row.kind is not Kind.CORRECT:  # that is of no request
            fields["request_id"] = "fw_" + row.request.hex()
        if row.code is not None:
            fields["code"] = row.code
        if row.reason:
            fields["reason"] = row.reason.name.lower()
        if row.cells and (budget_id := budget_of(row.cells[0])) is not None:
            fields["budget_id"] = budget_id
        amount_nusd = row.reserved_nusd if kind in ("block", "shadow_block") else row.charged_nusd
        if amount_nusd:
            fields["amount_nusd"] = amount_nusd
        fields |= {n: v for n, v in zip(DIMENSIONS, names, strict=True) if v is not None}
        self.note(Event(row.at_ns, kind, level, message, fields))


def is_told(row: JournalRow) -> bool:
    """Whether a row is worth a person's look."""
    return _told(row) is not None


def _told(row: JournalRow) -> tuple[str, str, str] | None:
    """Kind, level and sentence of a row; None for the daily business."""
    if row.kind is Kind.BLOCK:
        return "block", "info", f"refused: {row.code or 'unknown'}"
    if row.kind is Kind.GAP:
        return "gap", "alarm", "journal rows were dropped: the steward was too slow"
    if row.kind is Kind.CORRECT and row.reason is Reason.POWER_LOSS:
        return "power_loss", "alarm", "charged up to the durable mark: the table was lost"
    if row.kind is Kind.CORRECT:
        return "correction", "warning", "a charge was corrected"
    if row.charged_nusd > row.reserved_nusd:
        return "overrun", "alarm", "the cost was above the reservation"
    if row.is_accrued and row.charged_nusd:
        why = row.reason.name.lower().replace("_", " ")
        return "accrued", "warning", f"charged at worst case: {why}"
    if row.decision is Decision.CLAMP:
        return "clamp", "info", "a budget lowered the output of this instead of refusing it"
    if row.decision is Decision.REROUTE:
        return "reroute", "info", "a budget sent this to a cheaper model instead of refusing it"
    if row.loop == "warn":
        return "loop_warning", "warning", "this looks like a loop of its agent"
    if row.decision is Decision.SHADOW_BLOCK:
        return "shadow_block", "info", "a shadow budget would have refused this"
    return None
