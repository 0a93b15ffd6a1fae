"""The short, seeded version of the chaos suite, and that its table is whole."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from s4fw.core import pipeline
from tests.chaos.__main__ import played
from tests.chaos.case import Case
from tests.chaos.cases import CASES
from tests.chaos.report import BROKEN
from tests.chaos.scene import Scene
from tests.harness import Simulator

ROOT = Path(__file__).parents[2]
SHORT = [case for case in CASES if case.is_short and case.play is not None]
CATALOGUE = {"CHA": 17, "UPS": 17, "CLI": 7, "RES": 11, "LOD": 8}


@pytest.mark.slow
@pytest.mark.parametrize("case", SHORT, ids=[case.id for case in SHORT])
def test_case_short_leaves_the_money_right(
    case: Case, simulator: Simulator, tmp_path: Path
) -> None:
    """Faults are everyday life; each of them has one right outcome for money."""
    assert case.play is not None
    if case.is_interpreted and str(pipeline.__file__).endswith(".so"):
        pytest.skip("it watches calls of Python, which compiled modules do not make")
    with Scene(tmp_path, simulator, seed=1, is_whole=False) as scene:
        print(case.id, case.done, "->", case.play(scene))


def test_catalogue_is_complete_and_every_row_can_be_shown() -> None:
    """A case that is not run says why; a test that it names is there."""
    ids = [case.id for case in CASES]
    assert len(ids) == len(set(ids))
    for family, count in CATALOGUE.items():
        assert {f"{family}-{number:02}" for number in range(1, count + 1)} <= set(ids)
    for case in CASES:
        assert case.play or case.nodes or case.why_not, case.id
        for node in case.nodes:
            path, _, name = node.partition("::")
            assert (ROOT / path).exists(), node
            if name:
                text = (ROOT / path).read_text()
                assert re.search(rf"def {name}\b", text), node


def test_case_that_hangs_is_broken_off_and_broken() -> None:
    """One that never ends must not eat the whole run."""
    verdict = played(replace(CASES[0], limit_s=0), 1, True)
    assert (BROKEN, "no outcome within 0 s") == (verdict.word, verdict.outcome)
