"""How often is too often, by what kind of difference remains between the repetitions.

The defaults were chosen on 3,895 real sessions of 12 agents: at `block` they stop 92 % of those
that loop and none of the others; see docs/loops.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WINDOW: Final = 32  # turns that are looked at: 4 periods of 8
PERIOD_MAX: Final = 10

REPEAT: Final = "repeat"
NEAR_REPEAT: Final = "near-repeat"
CYCLE: Final = "cycle"
FAILING: Final = "failing-streak"
EMPTY: Final = "empty-results-streak"
SAME_TEXT: Final = "same-text"
STAGNATION: Final = "stagnation"
NOVELTY: Final = "novelty"
OF_TAIL: Final = (REPEAT, NEAR_REPEAT, CYCLE, FAILING, EMPTY, SAME_TEXT, STAGNATION, NOVELTY)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Turns, but for the cycles', which are periods."""

    repeat: int = 4  # the same action and the same result
    repeat_errors: int = 5  # with any small difference, where every result is an error
    repeat_args: int = 6  # the arguments differ in digits or ids, the result does not
    repeat_nonce: int = 6  # the result differs in ids only
    poll: int = 12  # the result differs in digits only: a counter, a percentage, a clock
    failing: int = 6  # the same error, whatever the arguments
    cycle: int = 3
    cycle_near: int = 4  # with small differences
    cycle_turns: int = 6  # of a cycle, at least
    empty: int = 8  # the same "no results", whatever the arguments
    same_text: int = 3
    stagnation: int = 12  # with few different actions and results among them
    stagnation_distinct: int = 3
    novelty: int = 8  # nothing in them was new

    def lowered(self) -> Thresholds:
        """Where to warn: a little earlier.  Never above the thresholds themselves."""
        return Thresholds(
            repeat=max(self.repeat - 1, 2),
            repeat_errors=max(self.repeat_errors - 1, 2),
            repeat_args=max(self.repeat_args - 1, 2),
            repeat_nonce=max(self.repeat_nonce - 1, 2),
            poll=max(self.poll * 2 // 3, 2),
            failing=max(self.failing - 2, 2),
            cycle=self.cycle,
            cycle_near=self.cycle_near,
            cycle_turns=self.cycle_turns,
            empty=max(self.empty - 1, 2),
            same_text=self.same_text,
            stagnation=self.stagnation,
            stagnation_distinct=self.stagnation_distinct,
            novelty=max(self.novelty - 3, 2),
        )
