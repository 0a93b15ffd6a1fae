"""Everything /metrics shows beside the counters of the data plane, declared once.

A meter's `name` is the metric's whole name.  Amounts are in dollars because base units are the
convention of the format; they are written as exact decimal text.  `labels` are in the order they
are written; `scope` stands for one label for each dimension of the budget.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meter:
    """One metric family.  `kind` is the format's word: gauge or counter."""

    name: str
    kind: str
    unit: str
    sentence: str
    labels: tuple[str, ...] = ()


_OF_BUDGET = ("budget", "window", "mode")


def _amount(name: str, sentence: str) -> Meter:
    return Meter(
        f"s4fw_budget_{name}_usd", "gauge", "USD", sentence, ("budget", "window", "mode", "scope")
    )


def _budget(name: str, unit: str, sentence: str) -> Meter:
    return Meter(f"s4fw_budget_{name}", "gauge", unit, sentence, _OF_BUDGET)


def _worker(name: str, unit: str, sentence: str, labels: tuple[str, ...] = ("worker",)) -> Meter:
    return Meter(f"s4fw_worker_{name}", "gauge", unit, sentence, labels)


LIMIT = _amount("limit", "The stated limit of the current window; absent where summed.")
USED = _amount("used", "Charged and held together: what the limit is compared with.")
CHARGED = _amount("charged", "Spent and accrued together.")
SPENT = _amount("spent", "What providers reported.")
ACCRUED = _amount("accrued", "Charged at worst case because the truth is unknown.")
HELD = _amount("held", "Promised to requests in flight.")
REMAINING = _amount("remaining", "What still fits, never below 0; absent where summed.")

CELLS = _budget("cells", "cells", "Scopes of the budget with a cell in the current window.")
USED_RATIO_MAX = _budget(
    "used_ratio_max", "ratio", "Used over limit of the scope nearest to its limit: alert on this."
)
DENIALS = _budget("denials", "requests", "Reserves that did not fit in the current windows.")
RESETS_AT = _budget(
    "resets_timestamp_seconds", "seconds", "When the current window ends; absent for total."
)
IS_FROZEN = _budget("frozen", "1 or 0", "Whether the budget, or everything, is frozen.")

WORKER_UP = _worker(
    "up", "1 or 0", "Whether the slot's process is alive.", ("worker", "kind", "state")
)
HEARTBEAT_AGE = _worker("heartbeat_age_seconds", "seconds", "Time since the worker's last beat.")
WORKER_LEASES = _worker("open_leases", "leases", "Reservations the worker holds.")
RING_LAG = _worker("journal_lag_rows", "rows", "Journal rows the steward has not taken yet.")

TOKEN_FACTOR = Meter(
    "s4fw_token_factor",
    "gauge",
    "ratio",
    "What our count of tokens is multiplied by where the model's own tokenizer is not public; only"
    " with pricing.counting: calibrated.",
    ("provider", "family"),
)

LOOP_FINDINGS = Meter(
    "s4fw_loop_findings_total",
    "counter",
    "requests",
    "What rules about loops found: warned, would_block (in shadow) and blocked are requests;"
    " episodes are loops, of which hindsight proved and disproved some and is uncertain about"
    " others.",
    ("rule", "outcome"),
)
LOOP_WASTED = Meter(
    "s4fw_loop_wasted_usd_total",
    "counter",
    "USD",
    "What loops had cost since their first repetition when they were found.",
    ("rule",),
)

# Names and labels of OpenTelemetry's GenAI conventions, as its Prometheus exporter writes them.
_OF_MODEL = ("gen_ai_request_model", "gen_ai_provider_name")
DURATION = Meter(
    "gen_ai_client_operation_duration_seconds",
    "histogram",
    "seconds",
    "From the request's head to the end of the answer, of all exchanges that were sent.",
    _OF_MODEL,
)
FIRST_TOKEN = Meter(
    "gen_ai_server_time_to_first_token_seconds",
    "histogram",
    "seconds",
    "Of streamed answers: from the first byte sent upstream to the first byte of its answer.",
    _OF_MODEL,
)
TOKEN_USAGE = Meter(
    "gen_ai_client_token_usage",
    "histogram",
    "tokens",
    "Tokens of each exchange as the provider counted them; input is all input, cached or not.",
    (*_OF_MODEL, "gen_ai_token_type"),
)
OVERHEAD = Meter(
    "s4fw_overhead_seconds",
    "histogram",
    "seconds",
    "The total without the time waiting for the upstream: from the request's head to the first"
    " byte sent, the caller's upload of the body and a connect to the upstream included.",
)
DECISIONS = Meter(
    "s4fw_decisions_total",
    "counter",
    "requests",
    "Decisions: allow, clamp, reroute, shadow_block with the reason of the charge, block with its"
    " code. Requests refused at their head, before anything of them was kept, are not here but in"
    " the errors.",
    ("decision", "reason"),
)
ERRORS = Meter(
    "s4fw_errors_total",
    "counter",
    "errors",
    "By whose fault: validation (the caller), policy (a rule of the firewall), upstream, timeout"
    " (of the upstream), internal (the firewall: a fault or no room).",
    ("class",),
)


def charged_by(dimension: str) -> Meter:
    """The family of what each value of a dimension was charged."""
    return Meter(
        f"s4fw_{dimension}_charged_usd",
        "gauge",
        "USD",
        f"Charged to each {dimension} since the sums began; a later correction may lower it.",
        (dimension,),
    )


def tokens_by(dimension: str) -> Meter:
    """The family of the tokens of each value of a dimension."""
    return Meter(
        f"s4fw_{dimension}_tokens_total",
        "counter",
        "tokens",
        f"Tokens of each {dimension}: input (without cached_input), cached_input, output.",
        (dimension, "type"),
    )


def outcomes_by(dimension: str) -> Meter:
    """The family of what applications reported for each value of a dimension."""
    return Meter(
        f"s4fw_{dimension}_outcomes_total",
        "counter",
        "outcomes",
        "Outcomes that applications reported: success, failure.",
        (dimension, "outcome"),
    )


def outcome_charged_by(dimension: str) -> Meter:
    """The family of what those outcomes had cost."""
    return Meter(
        f"s4fw_{dimension}_outcome_charged_usd_total",
        "counter",
        "USD",
        "What requests and sessions cost that ended in success or in failure.",
        (dimension, "outcome"),
    )


# Dimensions whose sums are shown always, and with `admin.metric_labels`.
SUMMED_BY = ("tenant", "feature", "model", "provider")
OPTIONAL_LABELS = ("key", "customer", "agent", "session")
OUTCOMES_BY = ("tenant", "feature")
HISTOGRAMS = (DURATION, FIRST_TOKEN, TOKEN_USAGE, OVERHEAD)

LOOP_AVOIDABLE = Meter(
    "s4fw_loop_avoidable_usd_total",
    "counter",
    "USD",
    "What the requests came to cost that a rule in shadow would have refused.",
    ("rule",),
)
LOOP_FALSE_SHARE_MAX = Meter(
    "s4fw_loop_false_share_max",
    "gauge",
    "ratio",
    "The share of would-be blocks that was wrong at most, by hindsight, with 95 % confidence"
    " (Wilson); absent while nothing is judged.",
    ("rule",),
)

BUDGET_AMOUNTS = (LIMIT, USED, CHARGED, SPENT, ACCRUED, HELD, REMAINING)
BUDGET_FIGURES = (CELLS, USED_RATIO_MAX, DENIALS, RESETS_AT, IS_FROZEN)
WORKER_FIGURES = (WORKER_UP, HEARTBEAT_AGE, WORKER_LEASES, RING_LAG)

# Figures of the whole instance by their key in `Snapshot.gauges`; what is absent is not shown.
GAUGES = {
    "ready": Meter("s4fw_ready", "gauge", "1 or 0", "Whether /readyz answers 200."),
    "draining": Meter("s4fw_draining", "gauge", "1 or 0", "Whether the firewall is shutting down."),
    "started_at_s": Meter(
        "s4fw_start_time_seconds", "gauge", "seconds", "When the master started (Unix time)."
    ),
    "config_generation": Meter(
        "s4fw_config_generation", "gauge", "generation", "Counts accepted configurations."
    ),
    "workers_configured": Meter(
        "s4fw_workers_configured", "gauge", "workers", "How many workers there should be."
    ),
    "table_cells": Meter("s4fw_table_cells", "gauge", "cells", "Cells of the shared table in use."),
    "table_cells_max": Meter(
        "s4fw_table_cells_max", "gauge", "cells", "Cells the shared table has room for."
    ),
    "ledger_bytes": Meter(
        "s4fw_ledger_bytes",
        "gauge",
        "bytes",
        "What the ledger's directory holds, without copies of what is stored in S3: those make room"
        " by themselves. Absent, as all of the ledger, where none is written.",
    ),
    "ledger_bytes_max": Meter(
        "s4fw_ledger_bytes_max",
        "gauge",
        "bytes",
        "What it may hold (`ledger.max_bytes`); then `ledger.when_full` says what happens.",
    ),
    "ledger_segments_waiting": Meter(
        "s4fw_ledger_segments_waiting",
        "gauge",
        "segments",
        "Closed segments that are not stored in S3 yet; absent where nothing is.",
    ),
    "ledger_rows_missing": Meter(
        "s4fw_ledger_rows_missing_total",
        "counter",
        "rows",
        "Rows that are not in the ledger, as its gap lines say; begins anew with each steward.",
    ),
    "audit_mismatches": Meter(
        "s4fw_audit_mismatches_total",
        "counter",
        "cells",
        "The drift: cells whose held did not equal the sum of their leases. A bug, never noise.",
    ),
    "audit_passes": Meter(
        "s4fw_audit_passes_total", "counter", "passes", "Audits of the whole table completed."
    ),
    "recovered_leases": Meter(
        "s4fw_recovered_leases_total", "counter", "leases", "Leases of dead workers resolved."
    ),
    "worker_exits": Meter(
        "s4fw_worker_exits_total", "counter", "exits", "Workers that died unexpectedly."
    ),
}
