"""What an exchange did cost: each way it can end, and what is charged then."""

from typing import Any

import pytest

from s4fw.config.pricing import PriceOverride
from s4fw.core.counter import COUNTER_INDEX, COUNTERS
from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.core.request import Request
from s4fw.core.usage import Usage
from s4fw.core.verdict import Block
from s4fw.dialects import ROUTES
from s4fw.errors import BUDGET_EXCEEDED, INTERNAL_ERROR, INVALID_API_KEY, INVALID_REQUEST
from s4fw.pricing import RateCard
from s4fw.stages.reconcile import UNBILLED, Reconcile

CHAT = ROUTES[b"/v1/chat/completions"][b"POST"]
RATES = RateCard.load({})


class Held:
    """A reservation of 1 USD that notes how it was resolved."""

    amount_nusd = 1_000_000_000
    is_open = True
    resolved: tuple[Any, ...] = ()

    def settle(self, actual_nusd: int, x: Exchange) -> None:
        self.resolved = ("settled", actual_nusd)

    def accrue(self, reason: Reason, x: Exchange) -> None:
        self.resolved = ("accrued", reason)

    def void(self, reason: Reason, x: Exchange) -> None:
        self.resolved = ("voided", reason)


class Journal:
    """Takes the rows of blocked exchanges."""

    def __init__(self) -> None:
        self.blocked: list[Exchange] = []

    def journal_block(self, x: Exchange) -> None:
        self.blocked.append(x)


class Metered:
    """What a meter saw."""

    def __init__(self, usage: Usage | None = None, **flags: bool) -> None:
        self.usage = usage
        self.is_complete = flags.get("is_complete", True)
        self.saw_error = flags.get("saw_error", False)
        self.is_implausible = flags.get("is_implausible", False)


def finish(
    *,
    is_sent: bool = True,
    status: int = 200,
    meter: Metered | None = None,
    reason: Reason = Reason.USAGE,
    rates: RateCard = RATES,
) -> tuple[tuple[Any, ...], Exchange, list[int]]:
    """End one exchange that holds 1 USD; how it was resolved, and the counters."""
    counters = [0] * len(COUNTERS)
    x = Exchange(CHAT, Request(b"POST", b"/v1/chat/completions", b"", {}))
    x.request.model = "gpt-4o"
    x.price = rates.row("gpt-4o")
    held = Held()
    x.reservation = held  # type: ignore[assignment]
    x.is_sent, x.status, x.reason = is_sent, status, reason
    x.meter = meter  # type: ignore[assignment]
    Reconcile(Journal(), rates, counters).finish(x)  # type: ignore[arg-type]
    return held.resolved, x, counters


TOLD = Usage(uncached_input=1000, output=100)
TOLD_NUSD = 1000 * 2_500 + 100 * 10_000  # gpt-4o: 2.50 and 10 USD per million tokens


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        # The provider told: exact, whatever else happened.
        ({"meter": Metered(TOLD)}, ("settled", TOLD_NUSD)),
        ({"meter": Metered(TOLD), "reason": Reason.UPSTREAM_CUT}, ("settled", TOLD_NUSD)),
        ({"meter": Metered(TOLD), "reason": Reason.CLIENT_GONE}, ("settled", TOLD_NUSD)),
        ({"meter": Metered(TOLD, saw_error=True)}, ("settled", TOLD_NUSD)),
        # Nothing was sent: nothing was charged.
        ({"is_sent": False, "status": 0}, ("voided", Reason.NOT_SENT)),
        ({"status": 429}, ("voided", Reason.UNBILLED_STATUS)),
        ({"status": 500}, ("voided", Reason.UNBILLED_STATUS)),
        ({"status": 503, "reason": Reason.UPSTREAM_CUT}, ("voided", Reason.UNBILLED_STATUS)),
        # The truth is unknown: worst case.
        ({"meter": Metered()}, ("accrued", Reason.NO_USAGE)),
        ({"meter": Metered(saw_error=True)}, ("accrued", Reason.ERROR_EVENT)),
        ({"meter": Metered(TOLD, is_implausible=True)}, ("accrued", Reason.IMPLAUSIBLE_USAGE)),
        ({"meter": Metered(), "reason": Reason.UPSTREAM_CUT}, ("accrued", Reason.UPSTREAM_CUT)),
        ({"status": 0, "reason": Reason.UPSTREAM_TIMEOUT}, ("accrued", Reason.UPSTREAM_TIMEOUT)),
        ({"status": 0, "reason": Reason.CLIENT_GONE}, ("accrued", Reason.CLIENT_GONE)),
        ({"status": 504}, ("accrued", Reason.UNKNOWN_STATUS)),
        ({"status": 408}, ("accrued", Reason.UNKNOWN_STATUS)),
        ({"status": 302}, ("accrued", Reason.UNKNOWN_STATUS)),
        ({"status": 204, "meter": Metered()}, ("accrued", Reason.NO_USAGE)),
    ],
)
def test_finish_resolves_by_what_is_known(
    ending: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    """Each ending has one charge, and doubt charges the worst case."""
    resolved, _, _ = finish(**ending)
    assert expected == resolved


def test_finish_settles_at_the_price_of_the_model_that_ran() -> None:
    """A dearer model in the answer is what the provider bills."""
    dear = Usage(uncached_input=1000, output=100, model="gpt-4-turbo")
    resolved, _, _ = finish(meter=Metered(dear))
    assert ("settled", 1000 * 10_000 + 100 * 30_000) == resolved


def own_rate(input_pusd: int) -> PriceOverride:
    """Rates that somebody negotiated: input alone."""
    return PriceOverride(
        input_usd_per_mtok=input_pusd // 10**6, output_usd_per_mtok=0, max_output_tokens=100
    )


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"gpt-4o": 7}, 7_000),
        ({"gpt-4o": 7, "gpt-4o-2024-08-06": 3}, 3_000),
        ({"gpt-4o-2024-08-06": 3}, 3_000),
    ],
)
def test_finish_settles_an_alias_at_the_rates_that_were_written_for_it(
    own: dict[str, int], expected: int
) -> None:
    """Answers name the snapshot; rates of our own for the alias would hold for no settlement."""
    rates = RateCard.load({model: own_rate(usd * 10**6) for model, usd in own.items()})
    snapshot = Usage(uncached_input=1, model="gpt-4o-2024-08-06")
    resolved, _, _ = finish(meter=Metered(snapshot), rates=rates)
    assert ("settled", expected) == resolved


def test_finish_unknown_model_in_the_answer_keeps_the_quoted_price() -> None:
    """A name nobody lists must not settle at nothing."""
    resolved, _, _ = finish(meter=Metered(Usage(1000, output=100, model="gpt-4o-next")))
    assert ("settled", TOLD_NUSD) == resolved


def test_finish_overrun_is_charged_in_full_and_counted() -> None:
    """What the provider bills beyond the reservation is never dropped."""
    resolved, x, counters = finish(meter=Metered(Usage(output=1_000_000)))
    assert ("settled", 10_000_000_000) == resolved
    assert 10_000_000_000 == x.billed_nusd
    assert 1 == counters[COUNTER_INDEX["overruns"]]


@pytest.mark.parametrize(
    ("code", "counter"),
    [
        (BUDGET_EXCEEDED, "blocked_budget"),
        (INVALID_API_KEY, "unauthorized"),
        (INVALID_REQUEST, "invalid"),
        (INTERNAL_ERROR, "internal_errors"),
    ],
)
def test_finish_blocked_exchange_is_counted_and_journalled(code: Any, counter: str) -> None:
    """Every refusal leaves a row, without money."""
    counters = [0] * len(COUNTERS)
    journal = Journal()
    x = Exchange(CHAT, Request(b"POST", b"/v1/chat/completions", b"", {}))
    x.block = Block(code, "no")
    Reconcile(journal, RATES, counters).finish(x)  # type: ignore[arg-type]
    assert [x] == journal.blocked
    assert 1 == counters[COUNTER_INDEX[counter]]
    assert "blocked" == x.outcome


def test_unbilled_statuses_leave_out_those_after_work_was_done() -> None:
    """A timeout at the provider may have been billed: it must not be given back."""
    assert UNBILLED.isdisjoint({200, 201, 204, 301, 302, 408, 504})
