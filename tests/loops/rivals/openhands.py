"""OpenHands' StuckDetector: pairs of action and observation since a person last spoke.

Four equal pairs; three equal actions that all fail; or six pairs that alternate between two.  Its
rule about monologues needs messages without anything between them, which transcripts of a chat
never have; errors of the context window are not in a transcript either.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.loops.rivals.steps import Rival, Step

_PAIRS, _FAILURES, _ALTERNATING = 4, 3, 6


def _pair(step: Step) -> tuple[str, str, str]:
    return step.tool, step.arguments, step.result


def stops(steps: Sequence[Step]) -> bool:
    """Whether the agent is stuck."""
    late: list[Step] = []
    for step in reversed(steps[-_ALTERNATING:]):
        late.insert(0, step)
        if step.is_after_user:
            break
    if len(late) >= _PAIRS and len({_pair(step) for step in late[-_PAIRS:]}) == 1:
        return True
    last = late[-_FAILURES:]
    same_actions = len({(step.tool, step.arguments) for step in last}) == 1
    if len(last) == _FAILURES and same_actions and all(step.fails for step in last):
        return True
    if len(late) < _ALTERNATING:
        return False
    even = {_pair(step) for step in late[::2]}
    odd = {_pair(step) for step in late[1::2]}
    return len(even) == len(odd) == 1


RIVAL = Rival(
    "OpenHands StuckDetector",
    "4 equal pairs of action and observation, 3 equal failures, 6 alternating pairs",
    "OpenHands/docs, sdk: stuck detector",
    stops,
)
