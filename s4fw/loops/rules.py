"""The rules of Layer 2 by name and number, and what each may do at most unless it is told more.

A rule's place in `RULES` is its place in the shared memory: append only.
"""

from __future__ import annotations

from typing import Final

from s4fw.loops.thresholds import NOVELTY, OF_TAIL

STORM: Final = "retry-storm"
GROWTH: Final = "growth"
FAN_OUT: Final = "fan-out"
COST_SLOPE: Final = "cost-slope"
SPEND_AFTER_FAILURES: Final = "spend-after-failures"
SESSION_TURNS: Final = "session-turns"
SESSION_COST: Final = "session-cost"
SESSION_TIME: Final = "session-time"
RETRIES: Final = "retries"
LONG_SESSION: Final = "long-session"

RULES: Final = (
    *OF_TAIL,
    *(STORM, GROWTH, FAN_OUT, COST_SLOPE, SPEND_AFTER_FAILURES),
    *(SESSION_TURNS, SESSION_COST, SESSION_TIME, RETRIES),
    *(LONG_SESSION,),
)
NUMBER: Final = {rule: number for number, rule in enumerate(RULES)}

# These also fit work that is fine: they only warn.  NOVELTY is sure of the turn at which a loop is
# one, so it blocks where the operator names it under `loops.rules`; the others never find more than
# a reason to look.
WARN_ONLY: Final = frozenset({
    NOVELTY, GROWTH, FAN_OUT, COST_SLOPE, SPEND_AFTER_FAILURES, LONG_SESSION,
})  # fmt: skip

OFF, SHADOW, WARN, ENFORCE = MODES = ("off", "shadow", "warn", "enforce")
