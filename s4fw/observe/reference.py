"""docs/reference/metrics.md, written from what is declared: `python -m s4fw.observe.reference`."""

from __future__ import annotations

from pathlib import Path

from s4fw.core.counter import COUNTERS
from s4fw.observe import meters
from s4fw.observe.meters import Meter
from s4fw.observe.prometheus import CALLER_SCOPES_MAX, SCOPES_MAX, counter_meter

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"

HEAD = f"""# Metrics

<!-- Written by `python -m s4fw.observe.reference`; change the declarations, not this page. -->

`GET /metrics` on the admin listener answers in the Prometheus text format 0.0.4.
The figures are read from the shared table: they are right without any set-up, whichever process
answers, and a worker's counters outlive it.
With `admin.token` set, the scraper sends it as a bearer token (`authorization:
{{credentials_file: ...}}` in its scrape configuration).

Counters are summed in a family of their own and per worker in another (`s4fw_worker_...`, label
`worker` = slot of the table), so that `sum()` never counts twice.
Amounts are dollars in exact decimal text; the exact integers are in `/v1/budgets` (see
[admin.md](admin.md)).

**How many series.** Budget amounts have one label for each dimension of the budget
(`tenant="acme"`).
Callers choose some of those values, so the number of series is bounded: a budget with more than
{SCOPES_MAX} scopes in the current window, or more than {CALLER_SCOPES_MAX} where `key`,
`customer`, `agent` or `session` is among its dimensions, is shown as one sum without scope
labels.
The limit of a sum says nothing, so `s4fw_budget_limit_usd` and `s4fw_budget_remaining_usd` are
absent there; `s4fw_budget_used_ratio_max` tells for every budget how near its nearest scope is to
its limit, and is what to alert on:

```yaml
- alert: BudgetNearlyUsed
  expr: s4fw_budget_used_ratio_max{{mode="enforce"}} >= 0.9
- alert: MoneyChargedAtWorstCase
  expr: increase(s4fw_accrued_total[15m]) > 0
- alert: TableMismatch
  expr: s4fw_audit_mismatches_total > 0
```
"""


def page() -> str:
    """The whole page as Markdown."""
    summed = [counter_meter(counter, False) for counter in COUNTERS]
    per_worker = [counter_meter(counter, True) for counter in COUNTERS]
    sections = (
        ("The instance", list(meters.GAUGES.values())),
        ("Budgets: amounts", list(meters.BUDGET_AMOUNTS)),
        ("Budgets: figures", list(meters.BUDGET_FIGURES)),
        ("Traffic, summed over all workers", summed),
        ("Traffic, per worker", per_worker),
        ("Workers", list(meters.WORKER_FIGURES)),
        ("Tokens", [meters.TOKEN_FACTOR]),
        ("Loops", [meters.LOOP_FINDINGS, meters.LOOP_WASTED]),
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
