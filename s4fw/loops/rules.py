"""The rules of Layer 2 by name and number, and what each may do at most unless it is told more.

A rule's place in `RULES` is its place in the shared memory: append only.
"""

from __future__ import annotations

from typing import Final

from s4fw.loops.thresholds import NOVELTY, OF_TAIL

STORM = "retry-storm"
GROWTH = "growth"
FAN_OUT = "fan-out"
COST_SLOPE = "cost-slope"
SPEND_AFTER_FAILURES = "spend-after-failures"
SESSION_TURNS = "session-turns"
SESSION_COST = "session-cost"
SESSION_TIME = "session-time"
RETRIES = "retries"

RULES: Final = (
    *OF_TAIL,
    *(STORM, GROWTH, FAN_OUT, COST_SLOPE, SPEND_AFTER_FAILURES),
    *(SESSION_TURNS, SESSION_COST, SESSION_TIME, RETRIES),
)
NUMBER: Final = {rule: number for number, rule in enumerate(RULES)}

# These also fit work that is fine: they block only where the operator names them under
# `loops.rules`.
WARN_ONLY: Final = frozenset({NOVELTY, GROWTH, FAN_OUT, COST_SLOPE, SPEND_AFTER_FAILURES})

OFF, SHADOW, WARN, ENFORCE = MODES = ("off", "shadow", "warn", "enforce")
