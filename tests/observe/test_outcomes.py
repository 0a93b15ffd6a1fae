"""Outcomes: counted once each, with what they had cost, and nobody closes another's work."""

from __future__ import annotations

import orjson

from s4fw.core.reason import Reason
from s4fw.ledger.journal import JournalRow, Kind
from s4fw.observe.outcomes import OPEN_MAX, OutcomeFigures, Outcomes
from tests.process.rows import NAMES, row

OTHERS = ("other-bot", *NAMES[1:])


def spent(amount: int, request: int = 1) -> JournalRow:
    return row(charged=amount, request=request.to_bytes(16, "big"))


def outcome(reason: Reason, request: int = 0) -> JournalRow:
    return row(kind=Kind.EVENT, reason=reason, charged=0, request=request.to_bytes(16, "big"))


def noted(*rows: JournalRow) -> Outcomes:
    outcomes = Outcomes()
    for one in rows:
        note(outcomes, one)
    return outcomes


def note(outcomes: Outcomes, one: JournalRow, names: tuple[str | None, ...] = NAMES) -> None:
    """Take a row, and read all rings twice."""
    outcomes.note(one, names)
    outcomes.settle()
    outcomes.settle()


def test_session_outcomes_take_what_was_spent_since_the_last_one() -> None:
    """Three failed attempts and one that worked: the price of success is all four."""
    outcomes = noted(
        spent(100, 1), spent(50, 2), outcome(Reason.FAILED), spent(70, 3), outcome(Reason.SUCCEEDED)
    )
    for dimension, value in (("tenant", "acme"), ("feature", "support")):
        assert [OutcomeFigures(value, 1, 1, 70, 150)] == outcomes.by(dimension)


def test_request_outcome_is_not_counted_again_with_its_session() -> None:
    """An application may report both; the money was spent once."""
    outcomes = noted(
        spent(100, 1), spent(50, 2), outcome(Reason.FAILED, 1), outcome(Reason.SUCCEEDED)
    )
    assert [OutcomeFigures("acme", 1, 1, 50, 100)] == outcomes.by("tenant")


def test_outcome_of_a_foreign_request_has_no_amount() -> None:
    """Ids are in logs; whoever reads one must not move another caller's figures."""
    outcomes = noted(spent(100, 1))
    note(outcomes, outcome(Reason.FAILED, 1), OTHERS)
    note(outcomes, outcome(Reason.FAILED), OTHERS)
    assert [OutcomeFigures("acme", 0, 2, 0, 0)] == outcomes.by("tenant")
    note(outcomes, outcome(Reason.SUCCEEDED, 1), NAMES)
    assert [OutcomeFigures("acme", 1, 2, 100, 0)] == outcomes.by("tenant")


def test_outcome_counts_at_the_tenant_that_paid_whoever_says_it() -> None:
    """A job reports with its session alone; the failure belongs where the money was charged."""
    outcomes = noted(spent(100, 1), spent(30, 2))
    unnamed = (NAMES[0], "unattributed", "unattributed", *NAMES[3:])
    note(outcomes, outcome(Reason.FAILED, 1), unnamed)
    note(outcomes, outcome(Reason.SUCCEEDED), unnamed)
    assert [OutcomeFigures("acme", 1, 1, 30, 100)] == outcomes.by("tenant")
    assert [OutcomeFigures("support", 1, 1, 30, 100)] == outcomes.by("feature")
    note(outcomes, outcome(Reason.FAILED), unnamed)
    assert OutcomeFigures("unattributed", 0, 1, 0, 0) in outcomes.by("tenant")


def test_outcome_said_twice_has_its_amount_once() -> None:
    """Clients repeat what they are not sure was heard."""
    outcomes = noted(spent(100, 1), outcome(Reason.FAILED, 1), outcome(Reason.FAILED, 1))
    assert [OutcomeFigures("acme", 0, 2, 0, 100)] == outcomes.by("tenant")


def test_open_requests_are_bounded_the_oldest_is_forgotten() -> None:
    """Most applications never report: their requests must not stay for ever."""
    outcomes = noted(*(spent(1, n) for n in range(1, OPEN_MAX + 3)))
    note(outcomes, outcome(Reason.FAILED, 2), NAMES)
    note(outcomes, outcome(Reason.FAILED, 3), NAMES)
    assert [OutcomeFigures("acme", 0, 2, 0, 1)] == outcomes.by("tenant")


def test_callers_without_a_key_are_not_remembered() -> None:
    """They cannot report, so nothing of theirs is kept."""
    outcomes = Outcomes()
    note(outcomes, spent(5, 1), (None, *NAMES[1:]))
    note(outcomes, outcome(Reason.FAILED, 1), NAMES)
    assert [OutcomeFigures("acme", 0, 1, 0, 0)] == outcomes.by("tenant")


def test_document_gives_back_every_count() -> None:
    """The counts stand in spend.json: a respawned steward goes on from them."""
    outcomes = noted(spent(100, 1), outcome(Reason.FAILED, 1))
    read = Outcomes.read(orjson.loads(orjson.dumps(outcomes.document())))
    assert outcomes.by("tenant") == read.by("tenant")
    assert [] == Outcomes.read(None).by("feature")


def test_outcome_that_is_read_before_what_it_closes_waits_for_it() -> None:
    """The two rows may lie in the rings of two workers, read one after the other."""
    outcomes = Outcomes()
    outcomes.note(outcome(Reason.FAILED, 1), NAMES)
    outcomes.settle()
    read = Outcomes.read(orjson.loads(orjson.dumps(outcomes.document())))
    for one in (outcomes, read):
        one.note(spent(100, 1), NAMES)
        one.settle()
        one.settle()
        assert [OutcomeFigures("acme", 0, 1, 0, 100)] == one.by("tenant")
