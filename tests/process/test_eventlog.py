"""The last events: newest first, bounded, and only what is worth a look."""

import pytest

from s4fw.admin.facts import Event
from s4fw.core.reason import Reason
from s4fw.ledger.journal import Decision, Kind
from s4fw.process.eventlog import EVENTS_MAX, EventLog
from tests.process.rows import NAMES, row


def test_newest_is_first_and_the_oldest_give_way():
    """A log of events is read from the top, and must not grow with the traffic."""
    events = EventLog()
    for at in range(EVENTS_MAX + 5):
        events.note(Event(at, "block", "info", "refused"))
    assert [e.at_ns for e in events.newest(2)] == [EVENTS_MAX + 4, EVENTS_MAX + 3]
    assert [e.at_ns for e in events.newest(9999)][-1] == 5


def test_past_that_is_heard_late_stands_before_what_came_since():
    """A new steward notes events before the master tells it of older ones."""
    events = EventLog()
    events.note(Event(1000, "reload", "info", "since"))
    events.note_past([Event(at, "worker_exit", "alarm", "before") for at in (10, 30, 20)])
    assert [e.at_ns for e in events.newest(9)] == [1000, 30, 20, 10]
    assert [e.at_ns for e in events.newest(1)] == [1000]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("block", {"kind": Kind.BLOCK, "charged": 0, "code": "budget_exceeded"}),
        ("shadow_block", {"decision": Decision.SHADOW_BLOCK}),
        ("accrued", {"reason": Reason.CLIENT_GONE}),
        ("accrued", {"kind": Kind.RECOVER, "reason": Reason.WORKER_CRASH}),
        ("overrun", {"charged": 901}),
        ("gap", {"kind": Kind.GAP, "charged": 0}),
        (None, {}),
        (None, {"kind": Kind.VOID, "reason": Reason.NOT_SENT, "charged": 0}),
    ],
)
def test_note_row_keeps_what_is_out_of_the_ordinary(kind, fields):
    """Every accrual has its reason here; a normal exchange is no event."""
    events = EventLog()
    events.note_row(row(**fields), NAMES, lambda cell: None)
    assert [e.kind for e in events.newest(9)] == ([kind] if kind else [])


def test_note_row_names_budget_reason_and_amount():
    """Who reads the event must be able to find the request and the owner of the budget."""
    events = EventLog()
    accrued = row(reason=Reason.UPSTREAM_CUT, cells=((3, 1),))
    events.note_row(accrued, NAMES, {(3, 1): "tenant-day"}.get)
    (event,) = events.newest(1)
    assert event.fields["budget_id"] == "tenant-day"
    assert event.fields["reason"] == "upstream_cut"
    assert event.fields["amount_nusd"] == 500
    assert event.fields["tenant"] == "acme"
    assert event.fields["request_id"] == "fw_" + "00" * 16
