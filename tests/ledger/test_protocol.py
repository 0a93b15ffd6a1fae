"""The protocol of the counter table holds in every state that small configurations can reach."""

from __future__ import annotations

import pytest

from tests.ledger.protocol import Lease, Setup, explore, with_mutant

BOTH = (0, 1)
SETUPS = {
    "two workers, two cells, one death": Setup(
        {0: 10, 1: 12}, (Lease(BOTH, 6, 3), Lease(BOTH, 6, 4)), cells=2, deaths=1
    ),
    "two deaths, the second perhaps in the repair": Setup(
        {0: 20}, (Lease((0,), 6, 3), Lease((0,), 6, 4)), cells=1, deaths=2
    ),
    "an overrun": Setup({0: 20}, (Lease((0,), 3, 9), Lease((0,), 4, 4)), cells=1, deaths=1),
    "a parent that is full": Setup(
        {0: 6, 1: 12}, (Lease(BOTH, 6, 3), Lease((1,), 6, 4)), cells=2, deaths=1
    ),
    "one cell for two keys, closed and used again": Setup(
        {0: 20, 1: 20}, (Lease((0,), 6, 3), Lease((1,), 5, 4)), cells=1, deaths=1, closes=1
    ),
}
MUTANTS = {
    "apply-before-valid": "two workers, two cells, one death",
    "clear-early": "two workers, two cells, one death",
    "deltas": "two workers, two cells, one death",
    "ignore-record": "two workers, two cells, one death",
    "sent-not-recorded": "two workers, two cells, one death",
    "sent-voided": "two workers, two cells, one death",
    "stale-generation": "one cell for two keys, closed and used again",
    "close-in-use": "one cell for two keys, closed and used again",
}


@pytest.mark.parametrize("name", SETUPS)
def test_protocol_holds_in_every_reachable_state(name: str) -> None:
    """All interleavings, all crash points, the repair's own included."""
    broken, states = explore(SETUPS[name])
    assert broken == ""
    assert states > 1000


@pytest.mark.parametrize("mutant", MUTANTS)
def test_broken_protocol_is_noticed(mutant: str) -> None:
    """Each step of the protocol is there for a reason that the model can show."""
    broken, _ = explore(with_mutant(SETUPS[MUTANTS[mutant]], mutant))
    assert broken.startswith("I")
