"""No attempt, at any intake, makes the provider charge more than was reserved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.evasion.bench import Bench
from tests.evasion.families import FAMILIES, count
from tests.evasion.intakes import CHAT, INTAKES, Intake


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Stages and a provider that spends all it may."""
    made = Bench(tmp_path_factory.mktemp("money"))
    with made.play:
        yield made


def test_families_are_as_many_as_they_should_be() -> None:
    """A family that generates nothing would prove nothing."""
    assert count() > 9000


@pytest.mark.parametrize("intake", INTAKES, ids=[intake.name for intake in INTAKES])
def test_honest_request_is_paid_within_its_hold(bench: Bench, intake: Intake) -> None:
    """Refusing everything would pass every other test here."""
    assert "paid" == bench.judge(intake.attempt())


def test_bench_fails_where_the_provider_does(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that only breaks the simulator would count as one that cost nothing."""
    monkeypatch.setattr("s4fw.sim.openai.request.price_of", None)
    with pytest.raises(AssertionError, match="the simulator failed"):
        bench.judge(CHAT.attempt())
    assert 0 == bench.held()


@pytest.mark.parametrize("family", FAMILIES, ids=[family.__name__ for family in FAMILIES])
@pytest.mark.parametrize("intake", INTAKES, ids=[intake.name for intake in INTAKES])
def test_attempts_are_refused_or_paid_within_their_hold(
    bench: Bench, intake: Intake, family: object
) -> None:
    """The money oracle, for each row; where two readings are possible, refusal."""
    assert callable(family)
    found: Counter[str] = Counter()
    complaints = []
    for one in family(intake):
        try:
            verdict = bench.judge(one.attempt)
        except AssertionError as problem:
            complaints.append(f"{one.name}: {problem}")
            continue
        found[verdict] += 1
        if one.refused and verdict != "refused":
            complaints.append(f"{one.name}: {verdict}, must be refused")
    assert "" == "\n".join(complaints)
    assert found.total() > 0
