"""The whole detector over recorded and invented sessions, through the real stages."""

from __future__ import annotations

from tests.loops import evaluate, picture, synthetic
from tests.loops.evaluate import OURS, SAMPLE, Findings, Label, Score, Warned, broken_gates
from tests.loops.rivals import RIVALS


def test_sample_is_judged_as_the_page_says() -> None:
    """The same verdicts as the reference, request by request; nobody's work is stopped; each
    runaway ends in time.  Whoever stops more loops stops more work, too: else their rule belongs
    into ours.  What cannot be seen is told.

    One test, because it is one replay: about 8,000 requests.
    """
    findings = evaluate.evaluate([*evaluate.recorded(SAMPLE), *synthetic.sessions(2)])
    assert [] == list(broken_gates(findings))
    assert findings.requests > 7_000
    ours = findings.of(OURS)
    assert (362, 422) == (ours.loops, ours.benign)
    assert ours.recall > 0.93
    assert ours.share_cut > 0.55
    for rival in RIVALS:
        other = findings.of(rival.name)
        assert other.loops == ours.loops
        assert other.recall < ours.recall or other.false_share > ours.false_share, rival.name
    unseen = findings.families[synthetic.UNSEEN]
    assert (0, 2) == (unseen.caught, unseen.loops)
    assert any("never" in line and synthetic.UNSEEN in line for line in picture.tables(findings))


def test_gate_breaks_where_anything_is_wrong() -> None:
    """A gate that cannot break shows nothing."""
    findings = Findings(differences=["one"], wrong=["another"], refused=1)
    ours = findings.of(OURS)
    ours.add(Label(True, onset=2, wasted=frozenset({3, 4, 5, 6})), 6)
    late = findings.families["same"] = Score("same")
    late.add(Label(True, onset=0), 5)
    missed = findings.families["cycle2"] = Score("cycle2")
    missed.add(Label(True, onset=0), None)
    assert 6 == len(list(broken_gates(findings)))


def test_score_counts_what_a_stop_saves() -> None:
    """Wasted calls before the stop were made, ambiguous sessions count for nobody."""
    score = Score("any")
    score.add(Label(True, onset=2, wasted=frozenset({3, 4, 5, 6})), 5)
    score.add(Label(True, is_ambiguous=True), 1)
    score.add(Label(False), None)
    score.add(Label(False), 9)
    assert (1, 2, [3]) == (score.caught, score.cut, score.delays)
    assert (2, 1) == (score.benign, score.wrong)


def test_warnings_are_counted_by_what_the_session_was() -> None:
    """Of a rule that only warns the page must say how often it was noise."""
    warned = Warned()
    warned.add(Label(False), None, 3)
    warned.add(Label(False, True), None, 5)
    warned.add(Label(True), None, 7)
    warned.add(Label(False), "chat", 1)
    warned.add(Label(True), "same", 2)
    assert Warned(3, 1, 1, 1, {"same": 1}) == warned
