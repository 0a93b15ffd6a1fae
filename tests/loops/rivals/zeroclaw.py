"""ZeroClaw's LoopDetector, over the last 20 calls; a block comes one step after its warning.

The same call in a row (warns at 3); two tools in turn (warns at 4 rounds); the same tool with
other arguments and the same result (warns at 5).
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.loops.rivals.steps import Rival, Step, same_at_end

_WINDOW = 20
_REPEATS, _ROUNDS, _RESULTS = 3 + 1, 4 + 1, 5 + 1


def _alternates(steps: Sequence[Step]) -> bool:
    late = steps[-2 * _ROUNDS :]
    if len(late) < 2 * _ROUNDS or late[-1].tool == late[-2].tool:
        return False
    return len({step.tool for step in late[::2]}) == len({step.tool for step in late[1::2]}) == 1


def stops(steps: Sequence[Step]) -> bool:
    """Whether a call would be refused."""
    late = steps[-_WINDOW:]
    if same_at_end(late, lambda step: (step.tool, step.arguments)) >= _REPEATS:
        return True
    if _alternates(late):
        return True
    count = same_at_end(late, lambda step: (step.tool, step.result))
    return count >= _RESULTS and len({step.arguments for step in late[-count:]}) > 1


RIVAL = Rival(
    "ZeroClaw LoopDetector",
    "the same call 4 times, two tools for 5 rounds, the same result 6 times",
    "zeroclaw-labs/zeroclaw, description of its loop detector",
    stops,
)
