"""What became of the work, as applications report it: success or failure, and what each cost.

An outcome closes a request or a session: what was charged for it since its last outcome then counts
as useful or as spent while failing, at the tenant and feature that paid for it.  Open amounts are
remembered by the key that caused them, so nobody can close another caller's; they are bounded and
live in this process only: what is forgotten (the oldest, or all at the steward's death) was charged
but never gets an outcome. The counts themselves stand in `spend.json`.

What callers cost is only laid by, a row an entry, until an outcome makes it worth sorting: whoever
never reports pays next to nothing for it.

The row of an outcome may lie in another worker's ring than the rows of what it closes, and be read
before them.  So it waits until every ring was read once more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from s4fw.core.attribution import DIMENSION_INDEX, DIMENSIONS, OTHER
from s4fw.core.reason import Reason
from s4fw.ledger.journal import JournalRow, Kind
from s4fw.observe.meters import OUTCOMES_BY

VALUES_MAX: Final = 1000  # of each; the surplus shares one
OPEN_MAX: Final = 16_384  # requests, and as many sessions

_KEY, _SESSION = DIMENSION_INDEX["key"], DIMENSION_INDEX["session"]
_NO_REQUEST: Final = bytes(16)
_SUCCESSES, _FAILURES, _USEFUL, _FAILING = range(4)


_Names = Sequence[str | None]  # the values by dimension
# A request's id in hex, whether it was a success, and whose it was.
_Reported = tuple[str, bool, list[str | None]]


@dataclass(frozen=True, slots=True)
class OutcomeFigures:
    """What one tenant or feature reported; amounts are nano-USD."""

    value: str
    successes: int
    failures: int
    useful_nusd: int
    failing_nusd: int


class Outcomes:
    """Sums by value, and what is still open."""

    __slots__ = ("_due", "_fresh", "_heard", "_is_used", "_requests", "_sessions", "_sums")

    def __init__(self) -> None:
        self._sums: dict[str, dict[str, list[int]]] = {name: {} for name in OUTCOMES_BY}
        # What a request cost, what a key's session cost so far, and who paid for it (last).
        self._requests: dict[bytes, tuple[int, _Names]] = {}
        self._sessions: dict[tuple[str, str], tuple[int, _Names]] = {}
        # What was not sorted into these yet: request, values by dimension, charge.
        self._fresh: deque[tuple[bytes, _Names, int]] = deque(maxlen=OPEN_MAX)
        self._is_used = False  # an outcome was reported at some time
        self._heard: list[_Reported] = []
        self._due: list[_Reported] = []

    def note(self, row: JournalRow, names: Sequence[str | None]) -> None:
        """Take one row; `names` are its values by dimension."""
        if names[_KEY] is None:
            return  # only callers with a key report
        charged = row.charged_nusd
        if charged:
            if row.kind is not Kind.CORRECT:
                self._fresh.append((row.request, names, charged))
                if len(self._fresh) == OPEN_MAX and self._is_used:
                    self._sort()
        elif row.kind is Kind.EVENT and row.reason in (Reason.SUCCEEDED, Reason.FAILED):
            is_success = row.reason is Reason.SUCCEEDED
            self._heard.append((row.request.hex(), is_success, list(names)))

    def settle(self) -> None:
        """All rings were read to their end: close what waited for that."""
        if self._due or self._heard:
            self._is_used = True
            self._sort()
            for request, is_success, names in self._due:
                self._close(bytes.fromhex(request), is_success, names)
            self._due, self._heard = self._heard, []

    def _sort(self) -> None:
        for request, names, charged in self._fresh:
            key, session = names[_KEY] or "", names[_SESSION]
            self._requests[request] = (charged, names)
            _bound(self._requests)
            if session is not None:
                before = self._sessions.pop((key, session), None)
                amount = charged if before is None else before[0] + charged
                self._sessions[key, session] = (amount, names)
                _bound(self._sessions)
        self._fresh.clear()

    def _close(self, request: bytes, is_success: bool, said_by: _Names) -> None:
        key, session = said_by[_KEY] or "", said_by[_SESSION]
        found: tuple[int, _Names] | None = None
        if request != _NO_REQUEST:
            found = self._of_request(request, key)
        elif session is not None:
            found = self._sessions.pop((key, session), None)
        amount, names = (0, said_by) if found is None else found
        for dimension in OUTCOMES_BY:
            sums = self._sums_of(dimension, names[DIMENSION_INDEX[dimension]] or OTHER)
            sums[_SUCCESSES if is_success else _FAILURES] += 1
            sums[_USEFUL if is_success else _FAILING] += amount

    def _of_request(self, request: bytes, key: str) -> tuple[int, _Names] | None:
        """What an open request of this key cost, taken out of its session too."""
        found = self._requests.get(request)
        if found is None or (found[1][_KEY] or "") != key:
            return None
        amount, names = self._requests.pop(request)
        session = names[_SESSION]
        if session is not None:
            of_session = self._sessions.get((key, session))
            if of_session is not None:
                self._sessions[key, session] = (max(0, of_session[0] - amount), of_session[1])
        return amount, names

    def _sums_of(self, dimension: str, value: str) -> list[int]:
        of_dimension = self._sums[dimension]
        if value not in of_dimension and len(of_dimension) >= VALUES_MAX:
            value = OTHER
        return of_dimension.setdefault(value, [0, 0, 0, 0])

    def by(self, dimension: str) -> list[OutcomeFigures]:
        """By one of OUTCOMES_BY."""
        return [OutcomeFigures(value, *sums) for value, sums in self._sums[dimension].items()]

    def document(self) -> dict[str, Any]:
        """As it stands in a file."""
        waiting = [*self._due, *self._heard]
        return {**{name: dict(sums) for name, sums in self._sums.items()}, "waiting": waiting}

    @classmethod
    def read(cls, document: Any) -> Outcomes:
        """From a file; anew where there is none: the sums of spend are elsewhere."""
        outcomes = cls()
        try:
            for name in OUTCOMES_BY:
                for value, (successes, failures, useful, failing) in document[name].items():
                    counts = [int(successes), int(failures), int(useful), int(failing)]
                    outcomes._sums[name][str(value)] = counts
            outcomes._is_used = any(outcomes._sums.values())
            for request, is_success, names in document["waiting"]:
                if len(bytes.fromhex(request)) != len(_NO_REQUEST) or len(names) != len(DIMENSIONS):
                    raise ValueError("no outcome")
                outcomes._heard.append((request, bool(is_success), names))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()
        return outcomes


def _bound(open_amounts: dict[Any, Any]) -> None:
    """Forget what was open longest."""
    if len(open_amounts) > OPEN_MAX:
        del open_amounts[next(iter(open_amounts))]
