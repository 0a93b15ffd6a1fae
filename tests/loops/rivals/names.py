"""A sequence of names of tools that comes again and again, whatever they are asked."""

from __future__ import annotations

from collections.abc import Sequence

from tests.loops.rivals.steps import Rival, Step

_LONGEST, _TIMES, _STEPS_MIN = 4, 3, 6


def stops(steps: Sequence[Step]) -> bool:
    """Whether the last names are some names three times over."""
    names = [step.tool for step in steps[-_LONGEST * _TIMES :]]
    for length in range(1, _LONGEST + 1):
        count = max(_TIMES, -(-_STEPS_MIN // length))
        late = names[-length * count :]
        if len(late) == length * count and late == late[:length] * count:
            return True
    return False


RIVAL = Rival(
    "windows of tool names",
    "1 to 4 names three times over, 6 calls at least",
    "several agent frameworks and gateways",
    stops,
)
