"""The text exposition, read back by a strict parser."""

from __future__ import annotations

from decimal import Decimal

import pytest

from s4fw.core.counter import COUNTERS, GAUGES
from s4fw.observe import meters
from s4fw.observe.figures import BudgetFigures, Snapshot
from s4fw.observe.prometheus import SCOPES_MAX, counter_meter, render
from s4fw.units import NUSD_MAX
from tests.admin.scripted import MIDNIGHT_S, USD, budget, counters, worker
from tests.observe.exposition import Family, parse


def rendered(*budgets: BudgetFigures) -> dict[str, Family]:
    return parse(render(Snapshot(list(budgets), [worker(0)], {"ready": 1})))


def test_render_counters_are_summed_and_per_worker_in_separate_families() -> None:
    """sum() over a family must count each request once."""
    workers = [
        worker(0, counters=counters(requests=5)),
        worker(3, counters=counters(requests=7), is_live=False, state="gone"),
    ]
    families = parse(render(Snapshot([], workers)))
    assert 12 == families["s4fw_requests_total"].value()
    assert 5 == families["s4fw_worker_requests_total"].value(worker="0")
    assert 7 == families["s4fw_worker_requests_total"].value(worker="3")


def test_render_has_every_declared_counter_and_meter() -> None:
    """A figure that is declared and not shown would be documented and missing."""
    gauges = {key: 1 for key in meters.GAUGES}
    learned = [("anthropic", "claude-since-4.7", 2150)]
    families = parse(render(Snapshot([budget()], [worker(0)], gauges, learned, loops=[])))
    declared = {counter_meter(c, per_worker).name for c in COUNTERS for per_worker in (0, 1)}
    figures = (*meters.BUDGET_AMOUNTS, *meters.BUDGET_FIGURES, *meters.WORKER_FIGURES)
    declared |= {m.name for m in (*figures, *meters.GAUGES.values(), meters.TOKEN_FACTOR)}
    assert declared | {meters.ERRORS.name} == families.keys()


def test_render_labels_are_those_the_declaration_promises() -> None:
    """The reference page is generated from the declaration."""
    families = rendered(budget(scope={"tenant": "acme", "feature": "chat"}))
    figures = (*meters.BUDGET_AMOUNTS, *meters.BUDGET_FIGURES, *meters.WORKER_FIGURES)
    for meter in figures:
        expected = set(meter.labels) - {"scope"}
        if "scope" in meter.labels:
            expected |= {"tenant", "feature"}
        (labels,) = families[meter.name].samples
        assert expected == {name for name, _ in labels}, meter.name


def test_render_gauges_are_no_counters() -> None:
    """rate() over a gauge gives nonsense."""
    families = rendered(budget())
    for name in GAUGES:
        assert "gauge" == families[f"s4fw_{name}"].kind
    assert "counter" == families["s4fw_requests_total"].kind


@pytest.mark.parametrize("amount", [0, 1, 999_999_999, USD, 123_456_789_012_345, NUSD_MAX])
def test_render_amounts_are_exact_decimals(amount: int) -> None:
    """No float on the way: what is scraped can be compared with the JSON to the last digit."""
    families = rendered(
        budget(scope={}, limit_nusd=amount, used_nusd=0, charged_nusd=0, accrued_nusd=0)
    )
    labels = {"budget": "tenant-day", "window": "day", "mode": "enforce"}
    assert Decimal(amount) / USD == families["s4fw_budget_limit_usd"].value(**labels)
    assert Decimal(amount) / USD == families["s4fw_budget_remaining_usd"].value(**labels)


def test_render_budget_amounts_agree_with_each_other() -> None:
    """used = charged + held, charged = spent + accrued, in every page."""
    families = rendered(budget(used_nusd=7, charged_nusd=5, accrued_nusd=2, limit_nusd=6))
    labels = {"budget": "tenant-day", "window": "day", "mode": "enforce", "tenant": "acme"}
    told = {
        name: families[f"s4fw_budget_{name}_usd"].value(**labels) * USD
        for name in ("used", "charged", "held", "spent", "accrued", "remaining")
    }
    expected = {"used": 7, "charged": 5, "held": 2, "spent": 3, "accrued": 2, "remaining": 0}
    assert expected == told


@pytest.mark.parametrize(
    "value",
    [
        'quote " inside',
        "back\\slash",
        "line\nfeed",
        "\\n literally",
        'a="b",c="d"',
        "} 1",
        "# HELP x y",
        "ünïcödé",
        "日本語",
        "trailing\\",
        "",
    ],
)
def test_render_hostile_label_value_comes_back_as_it_was(value: str) -> None:
    """Callers choose some of these values; one must not be able to add or break a series."""
    families = rendered(budget(scope={"tenant": value}))
    series = families["s4fw_budget_used_usd"].samples
    assert [value] == [dict(labels)["tenant"] for labels in series]


@pytest.mark.parametrize("value", ["nul\x00", "escape\x1b[31m", "return\r", "lone\ud800"])
def test_render_control_bytes_are_replaced(value: str) -> None:
    """A terminal that shows the page must not obey a caller; a surrogate cannot be encoded."""
    page = render(Snapshot([budget(scope={"tenant": value})], []))
    assert "\N{REPLACEMENT CHARACTER}" in page.decode()
    parse(page)


@pytest.mark.parametrize("dimension", ["session", "customer", "agent"])
def test_render_scopes_that_callers_choose_are_shown_only_where_asked_for(dimension: str) -> None:
    """Each customer is a series more: whoever pays for the monitoring decides."""
    cells = [budget(scope={dimension: "v1"}), budget(scope={dimension: "v2"})]
    summed = rendered(*cells)["s4fw_budget_used_usd"].samples
    assert [10] == list(summed.values())
    shown = parse(render(Snapshot(cells, [], labels=frozenset({dimension}))))
    assert 2 == len(shown["s4fw_budget_used_usd"].samples)


def test_render_many_scopes_are_summed_so_series_stay_bounded() -> None:
    """A table of budgets must not fill the disk of the monitoring."""
    dimension, scopes_max = "tenant", SCOPES_MAX

    def scopes(number: int) -> list[BudgetFigures]:
        return [
            budget(
                scope={dimension: f"v{at}"},
                limit_nusd=1000,
                used_nusd=at,
                charged_nusd=at,
                accrued_nusd=0,
            )
            for at in range(number)
        ]

    few = rendered(*scopes(scopes_max))
    assert scopes_max == len(few["s4fw_budget_used_usd"].samples)
    many = rendered(*scopes(scopes_max + 1))
    labels = {"budget": "tenant-day", "window": "day", "mode": "enforce"}
    expected = sum(range(scopes_max + 1))
    assert expected == many["s4fw_budget_used_usd"].value(**labels) * USD
    assert "s4fw_budget_limit_usd" not in many
    assert "s4fw_budget_remaining_usd" not in many
    assert scopes_max + 1 == many["s4fw_budget_cells"].value(**labels)
    nearest = many["s4fw_budget_used_ratio_max"].value(**labels)
    assert Decimal(scopes_max) / 1000 == nearest


@pytest.mark.parametrize(
    ("used", "limit", "expected"),
    [(0, 10, "0"), (1, 3, "0.333"), (999_999, 1_000_000, "0.999"), (3, 2, "1.5"), (0, 0, "1")],
)
def test_render_used_ratio_is_rounded_down(used: int, limit: int, expected: str) -> None:
    """An alert at 1 means that nothing is left, not almost nothing."""
    families = rendered(budget(used_nusd=used, limit_nusd=limit))
    (ratio,) = families["s4fw_budget_used_ratio_max"].samples.values()
    assert Decimal(expected) == ratio


def test_render_dead_worker_is_down_and_has_no_heartbeat() -> None:
    """An age that grows for ever would hide behind a healthy average."""
    families = parse(render(Snapshot([], [worker(0), worker(1, is_live=False, state="dead")])))
    assert 1 == families["s4fw_worker_up"].value(worker="0", kind="worker", state="ready")
    assert 0 == families["s4fw_worker_up"].value(worker="1", kind="worker", state="dead")
    assert [{("worker", "0")}] == [
        set(labels) for labels in families["s4fw_worker_heartbeat_age_seconds"].samples
    ]


def test_render_errors_are_told_apart_by_whose_fault_they_were() -> None:
    """Who is paged depends on it; a timeout is not counted as an upstream error again."""
    counted = counters(
        invalid=1, unauthorized=2, blocked_budget=3, blocked_policy=4, rate_limited=5,
        upstream_errors=10, upstream_timeouts=4, internal_errors=6, shed=7,
    )  # fmt: skip
    families = parse(render(Snapshot([], [worker(0, counters=counted)])))
    told = {dict(labels)["class"]: n for labels, n in families["s4fw_errors_total"].samples.items()}
    expected = {"validation": 3, "policy": 12, "upstream": 6, "timeout": 4, "internal": 13}
    assert expected == told


def test_render_reset_is_the_end_of_the_window_and_absent_for_total() -> None:
    """`resets_at - time()` is how long a blocked tenant has to wait."""
    total = budget("all", window="total", resets_at_s=None, scope={})
    families = rendered(budget(), total)
    resets = families["s4fw_budget_resets_timestamp_seconds"]
    labels = {"budget": "tenant-day", "window": "day", "mode": "enforce"}
    assert {MIDNIGHT_S} == set(resets.samples.values())
    assert MIDNIGHT_S == resets.value(**labels)


def test_render_nothing_is_a_valid_page() -> None:
    """The first scrape may come before the first worker."""
    families = parse(render(Snapshot([], [])))
    assert 0 == families["s4fw_requests_total"].value()


def test_render_token_factors_in_exact_decimals() -> None:
    """A factor is an integer of thousandths everywhere else."""
    families = parse(render(Snapshot([], [], {}, [("bedrock", "nova", 1500)])))
    assert 1.5 == families["s4fw_token_factor"].value(provider="bedrock", family="nova")
