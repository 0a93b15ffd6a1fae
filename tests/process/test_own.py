"""What callers may ask the firewall itself, at a real one: what is left, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.client import Answer, fetch
from tests.harness.firewall import Firewall, firewall_config
from tests.harness.simulator import Simulator
from tests.harness.wait import wait_until

KEY, OTHER = "s4fw-key-of-the-bot", "s4fw-key-of-another"
BUDGETS: list[dict[str, Any]] = [
    {"id": "all", "per": [], "window": "month", "limit_usd": 50},
    {"id": "open", "per": [], "window": "total", "limit_usd": 40, "visible": True},
    {"id": "tenant-day", "per": ["tenant"], "window": "day", "limit_usd": 10},
    {"id": "session", "per": ["session"], "window": "total", "limit_usd": 5},
    {"id": "by-model", "per": ["model"], "window": "day", "limit_usd": 5},
]


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


KEYS = [
    {"id": "bot", "sha256": digest(KEY), "tenant": "acme", "feature": "support"},
    {"id": "rival", "sha256": digest(OTHER), "tenant": "globex", "may_set": []},
]


@pytest.fixture(scope="module")
def firewall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    folder = tmp_path_factory.mktemp("own")
    with Simulator(folder) as simulator:
        config = firewall_config(simulator, BUDGETS, keys=KEYS)
        config["upstreams"]["openai"]["api_key"] = "sk-upstream"
        with Firewall(folder, config) as made:
            yield made


def ask(firewall: Firewall, path: str, key: str | None = KEY, **more: Any) -> Answer:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    headers |= more.pop("headers", {})
    body = more.get("body")
    return fetch(firewall.url + path, "POST" if body is not None else "GET", body, headers)


def left(firewall: Firewall, **more: Any) -> dict[str, dict[str, Any]]:
    answer = ask(firewall, "/v1/s4fw/budget", **more)
    assert answer.status == 200, answer.body
    return {budget["id"]: budget for budget in answer.json()["budgets"]}


def chat(firewall: Firewall, session: str, key: str = KEY) -> str:
    """A small request that succeeds; returns its id."""
    body = {
        "model": "mock-small",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hello"}],
    }
    answer = ask(
        firewall, "/v1/chat/completions", key, body=body, headers={"x-s4fw-session": session}
    )
    assert answer.status == 200, answer.body
    return answer.headers["x-s4fw-request-id"]


def reported(firewall: Firewall, tenant: str) -> dict[str, Any]:
    rows = firewall.admin("/v1/outcomes?by=tenant")["outcomes"]
    return next((row for row in rows if row["value"] == tenant), {"successes": 0, "failures": 0})


def test_budget_shows_what_the_caller_may_see_and_nothing_else(firewall: Firewall) -> None:
    """An empty `per` is the operator's own business unless made visible; models are of requests."""
    before = left(firewall)
    assert {"open", "tenant-day"} == before.keys()
    chat(firewall, "s-budget")
    after = left(firewall, headers={"x-s4fw-session": "s-budget"})
    assert {"open", "tenant-day", "session"} == after.keys()
    day = after["tenant-day"]
    assert {"tenant": "acme"} == day["scope"]
    assert 0 < day["used_nusd"] == 10 * 10**9 - day["remaining_nusd"]
    assert day["resets_at"].endswith("00:00:00Z")
    assert after["open"]["resets_at"] is None
    assert {"tenant": "globex"} == left(firewall, key=OTHER)["tenant-day"]["scope"]


@pytest.mark.parametrize("path", ["/v1/s4fw/budget", "/v1/s4fw/outcome"])
def test_own_paths_need_a_known_key(firewall: Firewall, path: str) -> None:
    """What is left for somebody is nobody else's business."""
    method = "GET" if path.endswith("budget") else "POST"
    answer = fetch(firewall.url + path, method, None, {"authorization": "Bearer wrong"})
    assert 401 == answer.status
    assert "invalid_api_key" == answer.json()["error"]["code"]


def test_own_paths_do_not_exist_without_keys(firewall: Firewall, tmp_path: Path) -> None:
    """Without keys nobody has an own budget to ask for."""
    config = firewall_config("http://127.0.0.1:9", [], server={"workers": 1})
    with Firewall(tmp_path, config) as open_to_all:
        answer = ask(open_to_all, "/v1/s4fw/budget")
        assert (404, "not_found") == (answer.status, answer.json()["error"]["code"])


def test_budget_takes_get_only(firewall: Firewall) -> None:
    """A wrong method says which one is right."""
    answer = ask(firewall, "/v1/s4fw/budget", body={})
    assert (405, "GET") == (answer.status, answer.headers["allow"])


def test_outcome_closes_what_the_session_cost(firewall: Firewall) -> None:
    """Cost per success, and what was spent in vain: that is what the report is for."""
    chat(firewall, "s-1")
    for outcome in ("failure", "success"):
        answer = ask(firewall, "/v1/s4fw/outcome", body={"session": "s-1", "outcome": outcome})
        assert 202 == answer.status, answer.body
        wait_until(lambda: reported(firewall, "acme")["failures"] >= 1, "the outcome is counted")
    wait_until(lambda: reported(firewall, "acme")["successes"] == 1, "both are counted")
    row = reported(firewall, "acme")
    assert row["failing_nusd"] > 0 == row["useful_nusd"]
    assert row["failing_nusd"] == row["nusd_per_success"]
    page = fetch(firewall.admin_url + "/metrics", "GET", None, {}).body.decode()
    (family,) = [
        f for f in text_string_to_metric_families(page) if f.name == "s4fw_tenant_outcomes"
    ]
    assert {("acme", "failure"): 1.0, ("acme", "success"): 1.0} == {
        (s.labels["tenant"], s.labels["outcome"]): s.value for s in family.samples
    }


def test_outcome_of_another_key_s_request_moves_no_money(firewall: Firewall) -> None:
    """Request ids stand in logs; they are no authority."""
    request_id = chat(firewall, "s-2")
    body = {"request_id": request_id, "outcome": "failure"}
    assert 202 == ask(firewall, "/v1/s4fw/outcome", OTHER, body=body).status
    wait_until(lambda: reported(firewall, "globex")["failures"] == 1, "it is counted")
    assert 0 == reported(firewall, "globex")["failing_nusd"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"outcome": "success"}, 400),
        ({"outcome": "maybe", "session": "s"}, 400),
        ({"outcome": "success", "session": "s", "request_id": "fw_" + "0" * 32}, 400),
        ({"outcome": "success", "request_id": "fw_12"}, 400),
        ({"outcome": "success", "session": 7}, 400),
        ({"outcome": "success", "session": "s", "note": "the user said"}, 400),
        ({"outcome": "success", "session": "s" * 2000}, 413),
        ([], 400),
    ],
)
def test_outcome_that_is_none_is_refused_in_the_envelope_of_openai(
    firewall: Firewall, body: Any, status: int
) -> None:
    """Content must have no place to hide in, and a mistake must be told."""
    answer = ask(firewall, "/v1/s4fw/outcome", body=body)
    assert status == answer.status, answer.body
    assert {"message", "type", "code"} <= answer.json()["error"].keys()


def test_outcome_for_a_session_needs_the_right_to_set_one(firewall: Firewall) -> None:
    """What a key may not say with a request, it may not say of one."""
    answer = ask(firewall, "/v1/s4fw/outcome", OTHER, body={"outcome": "success", "session": "s-1"})
    assert 403 == answer.status
