"""Counters of the data plane, declared once: name, unit and a sentence.

A counter's place in `COUNTERS` is its place in the counter area of a worker's slot in the shared
table, so the order is part of the table's layout: append only.  Documentation and metrics are
generated from this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Counter:
    """One monotone figure; `unit` is a word for people and for the metrics' suffix.  The word in
    the table counts parts of it, `per_unit` (a power of ten) to one."""

    name: str
    unit: str
    sentence: str
    per_unit: int = 1


COUNTERS: Final = (
    Counter("connections", "connections", "Connections accepted from callers."),
    Counter("requests", "requests", "Requests whose head was read completely."),
    Counter("allowed", "requests", "Requests that passed every stage and were forwarded."),
    Counter("shadow_blocked", "requests", "Requests a shadow budget would have blocked."),
    Counter("blocked_budget", "requests", "Requests refused because a budget did not fit."),
    Counter("blocked_policy", "requests", "Requests refused by another rule of the firewall."),
    Counter("invalid", "requests", "Requests refused because they could not be read safely."),
    Counter("unauthorized", "requests", "Requests refused for a missing or unknown key."),
    Counter("internal_errors", "errors", "Requests that met a fault of the firewall itself."),
    Counter("upstream_requests", "requests", "Requests of which a byte was sent upstream."),
    Counter("upstream_errors", "errors", "Upstream failures: connect, timeout, cut, bad answer."),
    Counter("upstream_retries", "retries", "Second tries after a reused connection was dead."),
    Counter("upstream_connects", "connections", "Connections opened to upstreams."),
    Counter("settled", "exchanges", "Exchanges settled on the provider's own usage."),
    Counter("accrued", "exchanges", "Exchanges charged at worst case: the truth is unknown."),
    Counter("voided", "exchanges", "Reservations given back because nothing was charged."),
    Counter("overruns", "exchanges", "Exchanges whose cost was above their reservation."),
    Counter("left_open", "exchanges", "Reservations found open at finish and charged: a bug."),
    Counter("stream_chunks", "chunks", "Chunks of streamed answers passed on."),
    Counter("body_bytes_in", "bytes", "Body bytes received from callers."),
    Counter("body_bytes_out", "bytes", "Body bytes sent to callers."),
    Counter("tokens_counted", "tokens", "Input tokens counted because they were not remembered."),
    Counter("rows_dropped", "rows", "Journal rows dropped because the steward was too slow."),
    Counter("in_flight", "exchanges", "Exchanges being worked on now (a gauge)."),
    Counter("open_connections", "connections", "Connections open from callers (a gauge)."),
    Counter("rate_limited", "requests", "Requests refused because a caller sends too many."),
    Counter("clamped", "requests", "Requests let through with a lower bound of their output."),
    Counter("rerouted", "requests", "Requests let through to a cheaper model."),
    Counter("input_overshoots", "exchanges", "Exchanges with more input tokens than were held."),
    Counter("input_questions", "requests", "Requests whose input the provider was asked to count."),
    Counter("input_unanswered", "requests", "Such questions that were not answered in time."),
    Counter("marks_passed", "requests", "Requests let through although the disk did not answer."),
    Counter("loop_warned", "requests", "Requests let through with a warning of a loop."),
    Counter("loop_shadowed", "requests", "Requests that a rule in shadow would have blocked."),
    Counter("loop_blocked", "requests", "Requests refused because of a loop."),
    Counter("upstream_timeouts", "errors", "Those of the upstream errors that were silence."),
    Counter("shed", "requests", "Requests and connections refused for lack of room."),
    Counter("loop_ticks", "ticks", "Times the event loop's delay was measured."),
    Counter("loop_late", "seconds", "How late those ticks were, together.", 1_000_000),
    Counter("shed_late", "requests", "Those of the shed that came while the loop was late."),
    Counter("shed_memory", "requests", "Those that came while memory was above its bound."),
    Counter("shed_descriptors", "requests", "Those for which there was no descriptor."),
    Counter("shed_connections", "connections", "Those above `limits.connections`."),
    Counter("shed_in_flight", "requests", "Those above `limits.in_flight`."),
    Counter("breaker_opened", "times", "Times an upstream was taken to be down."),
    Counter("breaker_refused", "requests", "Requests not sent because their upstream was down."),
    Counter("breakers_open", "upstreams", "Upstreams that are taken to be down (a gauge)."),
)
COUNTER_INDEX: Final = {counter.name: index for index, counter in enumerate(COUNTERS)}
# Places of a worker's counter area, from here on, that hold learned token factors instead: see
# `s4fw.tokens.factors`.
FACTORS_AT: Final = 48
assert len(COUNTERS) <= FACTORS_AT
GAUGES: Final = frozenset(
    {"in_flight", "open_connections", "breakers_open"}
)  # 0 for the next owner
