"""The protocol of the table holds in every state that small configurations can reach."""

from __future__ import annotations

import pytest

from tests.model.configurations import LARGE, MUTANTS, SMALL
from tests.model.explorer import explore
from tests.model.invariants import ALL


@pytest.mark.parametrize("name", SMALL)
def test_protocol_holds_in_every_reachable_state(name: str) -> None:
    """All interleavings, all crash points, those of the repair and the recovery included."""
    broken, states = explore(SMALL[name])
    assert broken == ""
    assert states > 1000


@pytest.mark.parametrize("mutant", MUTANTS)
def test_broken_protocol_is_noticed_by_its_invariant(mutant: str) -> None:
    """Each step of the protocol is there for a reason that the model can show."""
    name, expected = MUTANTS[mutant]
    broken, _ = explore((SMALL | LARGE)[name].broken_by(mutant))
    assert broken.startswith(f"{expected}_")


def test_every_invariant_is_broken_by_some_mutant() -> None:
    """An invariant that nothing can break says nothing."""
    assert {name.partition("_")[0] for name in ALL} == {i for _, i in MUTANTS.values()}
