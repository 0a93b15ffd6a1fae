"""Who burns a budget is told in time, with the numbers."""

from __future__ import annotations

from s4fw.observe.alerts import Alert, span
from s4fw.observe.burning import BudgetWatch
from tests.admin.scripted import MIDNIGHT_S, NOON_S, USD, budget

HOUR_S = 3600


def course(
    watch: BudgetWatch, *points: tuple[int, int], limit: int = 100, resets_at_s: int | None = None
) -> list[Alert]:
    """Look at one tenant's cell at seconds after noon, charged so many dollars by then."""
    found: list[Alert] = []
    for at_s, dollars in points:
        row = budget(
            limit_nusd=limit * USD, used_nusd=dollars * USD, charged_nusd=dollars * USD,
            accrued_nusd=0, denials=0, resets_at_s=resets_at_s or MIDNIGHT_S,
        )  # fmt: skip
        found = watch.look([row], NOON_S + at_s, HOUR_S, {"tenant-day": (500, 800)})
    return [alert for alert in found if alert.kind == "budget_runs_out"]


def test_exhaustion_is_told_in_minutes_with_the_rate() -> None:
    """The sentence a person can act on."""
    (alert,) = course(BudgetWatch(), (0, 10), (120, 20))
    assert (
        "tenant acme reaches its daily limit of $100.00 in 16 minutes: $5.00 a minute"
        == alert.message
    )
    assert 960 == alert.fields["seconds_left"]
    assert (10 * USD, 120) == (alert.fields["grown_nusd"], alert.fields["over_s"])
    assert "acme" not in alert.log_text


def test_exhaustion_after_the_reset_is_none() -> None:
    """A budget that its window's end comes to save needs nobody."""
    assert [] == course(BudgetWatch(), (0, 10), (120, 20), resets_at_s=NOON_S + 600)


def test_rate_forgets_what_was_long_ago() -> None:
    """A burst in the morning must not cry wolf in the evening."""
    points = [(0, 0), (100, 60), *((at_s, 61) for at_s in range(400, 1400, 100))]
    assert [] == course(BudgetWatch(), *points)


def test_rate_needs_a_minute() -> None:
    """One dear request is no rate."""
    assert [] == course(BudgetWatch(), (0, 10), (30, 60))


def test_new_window_starts_anew() -> None:
    """The counts of yesterday are no rate of today."""
    watch = BudgetWatch()
    rows = [
        budget(charged_nusd=9 * USD, denials=0),
        budget(charged_nusd=1 * USD, denials=0, starts_at_s=MIDNIGHT_S),
    ]
    assert [[], []] == [
        [a.kind for a in watch.look([row], NOON_S + 120 * at, HOUR_S, {})]
        for at, row in enumerate(rows)
    ]


def test_passed_parts_are_told_as_the_highest_and_marked_all() -> None:
    """A jump from nothing to 90 % is one alert, and the lower part never comes after it."""
    row = budget(charged_nusd=9 * USD, used_nusd=9 * USD, denials=0)
    (alert,) = BudgetWatch().look([row], NOON_S, 0, {"tenant-day": (500, 800)})
    assert "tenant acme used 80 % of its daily limit: $9.00 of $10.00" == alert.message
    assert ["800", "500"] == [mark.rpartition(" ")[2] for mark in alert.once]
    assert MIDNIGHT_S == alert.until_s


def test_what_is_held_passes_no_part() -> None:
    """Most of a reservation comes back: a part that was told is a part that was spent."""
    row = budget(charged_nusd=1 * USD, used_nusd=9 * USD, denials=0)
    assert [] == BudgetWatch().look([row], NOON_S, 0, {"tenant-day": (500,)})


def test_first_refusal_of_a_window_is_told() -> None:
    """From here on somebody's work stands still."""
    (alert,) = BudgetWatch().look([budget(denials=3)], NOON_S, 0, {})
    assert ("budget_refuses", "alarm") == (alert.kind, alert.level)
    said = "requests refused: $5.00 of its daily limit of $10.00 is left"
    assert f"tenant acme had 3 {said}" == alert.message
    assert f"budget tenant-day, one of its scopes, had 3 {said}" == alert.log_text
    shadow = BudgetWatch().look([budget(denials=1, mode="shadow")], NOON_S, 0, {})
    assert shadow[0].message.startswith("tenant acme would have had 1 request refused: ")


def test_alert_of_a_shadow_budget_says_that_nothing_is_refused() -> None:
    """Who reads it at night must know whether somebody's work stands still."""
    row = budget(charged_nusd=9 * USD, denials=0, mode="shadow")
    (alert,) = BudgetWatch().look([row], NOON_S, 0, {"tenant-day": (500,)})
    assert alert.message.endswith("$9.00 of $10.00 (shadow: nothing is refused)")


def test_span_never_promises_more_precision_than_there_is() -> None:
    """For people."""
    said = [span(s) for s in (5, 60, 61, 720, 7199, 7201, 172_801)]
    assert [
        "less than a minute", "1 minute", "2 minutes", "12 minutes", "120 minutes", "3 hours",
        "3 days",
    ] == said  # fmt: skip
