"""The routes and what they answer, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from s4fw.admin.api import ROUTES
from s4fw.admin.auth import Access
from s4fw.admin.facts import Cost, Event
from s4fw.observe.outcomes import OutcomeFigures
from tests.admin.scripted import (
    NOON_S,
    TOKEN,
    USD,
    Listening,
    ScriptedFacts,
    budget,
    counters,
    listening,
    worker,
)

JSON = {"content-type": "application/json"}
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def opened() -> Iterator[Listening]:
    with listening() as server:
        yield server


@pytest.fixture
def locked() -> Iterator[Listening]:
    with listening(token=TOKEN) as server:
        yield server


def document(answer: tuple[int, dict[str, str], bytes]) -> Any:
    status, headers, body = answer
    assert (200, "application/json") == (status, headers["content-type"])
    return json.loads(body)


def refusal(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    return answer[0], json.loads(answer[2])["error"]["code"]


# --- what is answered ----------------------------------------------------------------------------


def test_status_answers_the_documented_shape(opened: Listening) -> None:
    """Programs rely on these names."""
    expected = {
        "version",
        "started_at",
        "ready",
        "draining",
        "config_generation",
        "workers",
        "table",
        "prices_version",
    }
    assert expected == document(opened.ask("GET", "/v1/status")).keys()


def test_budgets_answers_exact_integers_and_every_documented_name(opened: Listening) -> None:
    """Finance adds these numbers up: they are integers of nano-USD and agree with each other."""
    opened.facts.budget_rows = [
        budget(limit_nusd=10 * USD + 1, used_nusd=4 * USD, charged_nusd=3 * USD, accrued_nusd=7)
    ]
    expected = {
        "id": "tenant-day",
        "scope": {"tenant": "acme"},
        "window": "day",
        "resets_at": "2026-11-22T00:00:00Z",
        "mode": "enforce",
        "limit_nusd": 10 * USD + 1,
        "used_nusd": 4 * USD,
        "charged_nusd": 3 * USD,
        "spent_nusd": 3 * USD - 7,
        "accrued_nusd": 7,
        "held_nusd": 1 * USD,
        "remaining_nusd": 6 * USD + 1,
        "open_leases": 2,
        "denials": 3,
        "frozen": False,
    }
    assert {"budgets": [expected]} == document(opened.ask("GET", "/v1/budgets"))


def test_budgets_limit_lowered_below_used_remaining_is_zero(opened: Listening) -> None:
    """A lowered limit is legal; nothing is left then, and nothing is not a negative amount."""
    opened.facts.budget_rows = [budget(limit_nusd=1 * USD, used_nusd=5 * USD)]
    assert 0 == document(opened.ask("GET", "/v1/budgets"))["budgets"][0]["remaining_nusd"]


def test_budgets_window_total_never_resets(opened: Listening) -> None:
    """A session's budget has no next window."""
    opened.facts.budget_rows = [budget(window="total", resets_at_s=None)]
    assert document(opened.ask("GET", "/v1/budgets"))["budgets"][0]["resets_at"] is None


def test_workers_answers_a_row_per_slot(opened: Listening) -> None:
    """Load tests and operators look at each worker."""
    figures = counters(requests=7, in_flight=2, allowed=4, blocked_budget=1, blocked_policy=2)
    opened.facts.worker_rows = [worker(3, counters=figures)]
    row = document(opened.ask("GET", "/v1/workers"))["workers"][0]
    expected = {
        "slot": 3,
        "pid": 4713,
        "state": "ready",
        "heartbeat_age_ms": 120,
        "requests": 7,
        "in_flight": 2,
        "leases": 2,
        "allowed": 4,
        "blocked": 3,
    }
    assert expected == {name: row[name] for name in expected}


def test_events_limit_gives_the_newest(opened: Listening) -> None:
    """The listener cuts nothing itself: the limit reaches the one who has the events."""
    opened.facts.event_rows = [
        Event((NOON_S + at) * 10**9, "block", "info", "did not fit", {"amount_nusd": at})
        for at in (2, 1, 0)
    ]
    events = document(opened.ask("GET", "/v1/events?limit=2"))["events"]
    assert ["2026-11-21T12:00:02.000Z", "2026-11-21T12:00:01.000Z"] == [e["at"] for e in events]
    assert {"amount_nusd": 2} == events[0]["fields"]


def test_outcomes_tell_what_a_success_costs_with_its_failures(opened: Listening) -> None:
    """Three attempts for one success: the price of the success is all three."""
    opened.facts.outcome_rows = [
        OutcomeFigures("acme", 2, 4, 60, 41),
        OutcomeFigures("globex", 0, 1, 0, 90),
    ]
    answer = document(opened.ask("GET", "/v1/outcomes?by=feature"))
    assert "feature" == answer["by"]
    assert [("globex", None), ("acme", 50)] == [
        (row["value"], row["nusd_per_success"]) for row in answer["outcomes"]
    ]
    assert (400, "invalid_query") == refusal(opened.ask("GET", "/v1/outcomes?by=session"))


def test_costs_cut_by_limit_dearest_first_and_total_of_all(opened: Listening) -> None:
    """The total must not depend on how many rows somebody wanted to see."""
    opened.facts.cost_rows = [
        Cost("cheap", 1, 0, 1, 0, 10, 0, 5),
        Cost("dear", 5, 4, 2, 1, 20, 3, 6),
        Cost("middle", 2, 0, 3, 0, 30, 0, 7),
    ]
    answer = document(opened.ask("GET", "/v1/costs?by=model&limit=2"))
    assert ("model", "2026-11-21T12:00:00Z", 1) == (
        answer["by"],
        answer["since"],
        answer["left_out"],
    )
    assert ["dear", "middle"] == [row["value"] for row in answer["costs"]]
    assert {
        "charged_nusd": 12,
        "spent_nusd": 8,
        "accrued_nusd": 4,
        "requests": 6,
        "blocked": 1,
        "tokens_in": 60,
        "tokens_cached": 3,
        "tokens_out": 18,
    } == answer["total"]


def test_metrics_answers_the_text_format(opened: Listening) -> None:
    """Prometheus reads the version out of the content type."""
    status, headers, body = opened.ask("GET", "/metrics")
    assert (200, "text/plain; version=0.0.4; charset=utf-8") == (status, headers["content-type"])
    assert b"\ns4fw_requests_total 2400\n" in body


@pytest.mark.parametrize(
    ("ready", "draining", "path", "status", "body"),
    [
        (True, False, "/healthz", 200, b"ok\n"),
        (True, False, "/readyz", 200, b"ready\n"),
        (False, False, "/healthz", 200, b"ok\n"),
        (False, False, "/readyz", 503, b"not ready\n"),
        (True, True, "/healthz", 200, b"ok\n"),
        (True, True, "/readyz", 503, b"not ready\n"),
    ],
)
def test_health_each_state_has_its_fixed_answer(
    ready: bool, draining: bool, path: str, status: int, body: bytes
) -> None:
    """A load balancer keeps a draining instance alive but sends it nothing new."""
    with listening(ScriptedFacts(ready=ready, draining=draining), TOKEN) as server:
        answer = server.ask("GET", path)
        assert (status, body) == (answer[0], answer[2])


# --- who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_every_route_with_a_token_set_wants_it_except_health(locked: Listening, route: Any) -> None:
    """A walk over the table: a route that is added later cannot forget the guard."""
    body = b"{}" if route.method == "POST" else None
    answer = locked.ask(route.method, route.path, body, JSON if body else {})
    expected = 200 if route.access is Access.HEALTH else 401
    assert expected == answer[0]
    assert (expected == 401) == ("www-authenticate" in answer[1])


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_every_route_without_a_token_set_reads_and_never_changes(
    opened: Listening, route: Any
) -> None:
    """On loopback without a token: looking is free, and nobody can stop the traffic."""
    body = b'{"everything": true}' if route.method == "POST" else None
    answer = opened.ask(route.method, route.path, body, JSON | BEARER if body else {})
    assert (403 if route.access is Access.CHANGE else 200) == answer[0]
    assert set() == opened.facts.frozen_scopes


def test_every_change_is_a_post_and_every_post_a_change() -> None:
    """A GET that changes something would pass every browser's and proxy's idea of safe."""
    assert {("GET", False), ("POST", True)} == {
        (route.method, route.access is Access.CHANGE) for route in ROUTES
    }


def test_unknown_path_with_a_token_set_is_not_told_apart(locked: Listening) -> None:
    """Without the token nobody learns which paths exist."""
    assert (401, "token_missing") == refusal(locked.ask("GET", "/v1/nothing"))
    assert (404, "not_found") == refusal(locked.ask("GET", "/v1/nothing", headers=BEARER))


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", ""])
def test_host_header_decides_nothing(locked: Listening, host: str) -> None:
    """An attacker writes the Host header; being local is no proof of anything (DNS rebinding)."""
    assert 401 == locked.ask("GET", "/v1/status", headers={"host": host})[0]
    assert 200 == locked.ask("GET", "/v1/status", headers={"host": host} | BEARER)[0]


# --- changes -------------------------------------------------------------------------------------


def test_freeze_and_release_one_budget(locked: Listening) -> None:
    """The emergency brake of one budget, and that it comes off again."""
    body = b'{"budget": "tenant-day"}'
    frozen = document(locked.ask("POST", "/v1/freeze", body, JSON | BEARER))
    assert {"everything": False, "budgets": ["tenant-day"]} == frozen
    assert frozen == document(locked.ask("GET", "/v1/freeze", headers=BEARER))
    released = document(locked.ask("POST", "/v1/release", body, JSON | BEARER))
    assert {"everything": False, "budgets": []} == released


def test_freeze_everything(locked: Listening) -> None:
    """One call stops all spend."""
    body = b'{"everything": true}'
    frozen = document(locked.ask("POST", "/v1/freeze", body, JSON | BEARER))
    assert {"everything": True, "budgets": []} == frozen


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"budget": null}',
        b'{"budget": ""}',
        b'{"budget": ["tenant-day"]}',
        b'{"everything": false}',
        b'{"everything": 1}',
        b'{"everything": true, "budget": "tenant-day"}',
        b'{"budget": "tenant-day", "dry_run": true}',
    ],
)
def test_freeze_unclear_scope_changes_nothing(locked: Listening, body: bytes) -> None:
    """Everything is never stopped because a member was missing or misspelt."""
    answer = locked.ask("POST", "/v1/freeze", body, JSON | BEARER)
    assert (400, "invalid_scope") == refusal(answer)
    assert set() == locked.facts.frozen_scopes


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff"])
def test_freeze_body_that_is_no_object_is_refused(locked: Listening, body: bytes) -> None:
    """Also an empty one."""
    assert 400 == locked.ask("POST", "/v1/freeze", body, JSON | BEARER)[0]


def test_freeze_unknown_budget_is_404(locked: Listening) -> None:
    """A typing error must not look like a success."""
    answer = locked.ask("POST", "/v1/freeze", b'{"budget": "tenant-dya"}', JSON | BEARER)
    assert (404, "unknown_budget") == refusal(answer)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
def test_change_as_a_web_form_would_send_it_is_refused(
    locked: Listening, content_type: str
) -> None:
    """A foreign page can post forms at loopback without asking; JSON it cannot."""
    headers = {"content-type": content_type} | BEARER
    answer = locked.ask("POST", "/v1/freeze", b'{"everything": true}', headers)
    assert (415, "not_json") == refusal(answer)
    assert set() == locked.facts.frozen_scopes


# --- bad questions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/v1/events?limit=0",
        "/v1/events?limit=1001",
        "/v1/events?limit=-1",
        "/v1/events?limit=1e3",
        "/v1/events?limit=",
        "/v1/events?limit=%D9%A1",
        "/v1/events?limit=99999999999999999999999",
        "/v1/events?limit=1&limit=2",
        "/v1/events?by=tenant",
        "/v1/status?verbose=1",
        "/v1/costs?by=password",
        "/v1/costs?by",
        "/v1/costs?" + "&".join(f"a{n}=1" for n in range(20)),
    ],
)
def test_query_that_is_not_understood_is_refused(opened: Listening, target: str) -> None:
    """A parameter that is silently ignored gives an answer to another question."""
    assert (400, "invalid_query") == refusal(opened.ask("GET", target))


@pytest.mark.parametrize(
    "target",
    ["/", "/v1", "/v1/status/", "//v1/status", "/V1/status", "/v1/%73tatus", "/v1/../v1/status"],
)
def test_path_matches_exactly_or_not_at_all(opened: Listening, target: str) -> None:
    """No decoding, no normalising: there is one spelling of each path."""
    assert (404, "not_found") == refusal(opened.ask("GET", target))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_method_not_of_the_route_names_those_that_are(opened: Listening, method: str) -> None:
    """OPTIONS too: there is no CORS here, so a browser's preflight gets no permission."""
    answer = opened.ask(method, "/v1/freeze")
    assert (405, "method_not_allowed") == refusal(answer)
    assert "GET, POST" == answer[1]["allow"]
    assert not [name for name in answer[1] if name.startswith("access-control")]


def test_fault_of_the_firewall_answers_500_without_its_text(
    opened: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    """What an exception says may hold anything; the caller gets a fixed sentence."""
    opened.facts.fault = RuntimeError("CANARY")
    answer = opened.ask("GET", "/v1/status")
    assert (500, "internal_error") == refusal(answer)
    assert b"CANARY" not in answer[2]
    assert "the admin listener could not answer" in caplog.text
