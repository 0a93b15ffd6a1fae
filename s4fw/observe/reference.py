"""docs/reference/metrics.md, written from what is declared: `python -m s4fw.observe.reference`."""

from __future__ import annotations

from pathlib import Path

from s4fw.core.counter import COUNTERS
from s4fw.observe import meters
from s4fw.observe.exchanges import VALUES_MAX
from s4fw.observe.meters import Meter
from s4fw.observe.prometheus import SCOPES_MAX, counter_meter

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"

HEAD = f"""# Metrics

<!-- Written by `python -m s4fw.observe.reference`; change the declarations, not this page. -->

`GET /metrics` on the admin listener answers in the Prometheus text format 0.0.4.
Counters, budgets and workers are read from the shared table, so a worker's counters outlive it;
histograms, decisions, sums and outcomes are the steward's, added up from journal rows.
Where a token is set, the scraper sends `admin.read_token` as a bearer token (`authorization:
{{credentials_file: ...}}` in its scrape configuration).

Counters are summed in a family of their own and per worker in another (`s4fw_worker_...`, label
`worker` = slot of the table), so that `sum()` never counts twice.
Amounts are dollars in exact decimal text; the exact integers are in `/v1/budgets` (see
[admin.md](admin.md)).

**How many series.** Budget amounts have one label for each dimension of the budget
(`tenant="acme"`).
Callers choose some of those values, so the number of series is bounded: a budget with more than
{SCOPES_MAX} scopes in the current window, or with `customer`, `agent` or `session` among its
dimensions and not in `admin.metric_labels`, is shown as one sum without scope labels.
Sums by tenant, feature, model and provider (and by what `admin.metric_labels` names) have at most
{VALUES_MAX} values, else they too are one sum.
The limit of a sum says nothing, so `s4fw_budget_limit_usd` and `s4fw_budget_remaining_usd` are
absent there; `s4fw_budget_used_ratio_max` tells for every budget how near its nearest scope is to
its limit, and is what to alert on.
A dashboard and alert rules are in [docs/monitoring](../monitoring/README.md).
"""


_LOOPS = [
    meters.LOOP_FINDINGS,
    meters.LOOP_WASTED,
    meters.LOOP_AVOIDABLE,
    meters.LOOP_FALSE_SHARE_MAX,
]


def page() -> str:
    """The whole page as Markdown."""
    summed = [counter_meter(counter, False) for counter in COUNTERS]
    per_worker = [counter_meter(counter, True) for counter in COUNTERS]
    by = (*meters.SUMMED_BY, *meters.OPTIONAL_LABELS)
    sections = (
        ("The instance", list(meters.GAUGES.values())),
        ("Budgets: amounts", list(meters.BUDGET_AMOUNTS)),
        ("Budgets: figures", list(meters.BUDGET_FIGURES)),
        ("Traffic, summed over all workers", summed),
        ("Traffic, per worker", per_worker),
        ("Workers", list(meters.WORKER_FIGURES)),
        ("Exchanges", [meters.ERRORS, meters.DECISIONS, *meters.HISTOGRAMS]),
        ("Sums by dimension", [m(d) for d in by for m in (meters.charged_by, meters.tokens_by)]),
        (
            "Outcomes",
            [
                m(d)
                for d in meters.OUTCOMES_BY
                for m in (meters.outcomes_by, meters.outcome_charged_by)
            ],
        ),
        ("Tokens", [meters.TOKEN_FACTOR]),
        ("Loops", _LOOPS),
    )
    return HEAD + "".join(_section(title, rows) for title, rows in sections)


def _section(title: str, rows: list[Meter]) -> str:
    lines = [
        "",
        f"## {title}",
        "",
        "| metric | type | unit | labels | what |",
        "|---|---|---|---|---|",
    ]
    for m in rows:
        labels = ", ".join(m.labels)
        lines.append(f"| `{m.name}` | {m.kind} | {m.unit} | {labels} | {m.sentence} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
