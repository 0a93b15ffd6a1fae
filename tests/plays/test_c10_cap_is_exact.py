"""The promise: exactly what fits passes, whatever the number of workers and callers."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import (
    Answer,
    Firewall,
    Simulator,
    assert_cap_holds,
    chat_request,
    post_chat,
    quiesce,
    send_all,
    wait_until,
)
from tests.harness.client import chat_body
from tests.harness.quote import dollars, quote_of

HOLD = {"model": "mock-hold", "max_tokens": 10}


def statuses(answers: list[Answer | Exception]) -> list[int]:
    """The status of each answer; a broken connection fails the test."""
    assert all(isinstance(answer, Answer) for answer in answers), answers
    return [answer.status for answer in answers if isinstance(answer, Answer)]


def send_and_release(
    proxy: Firewall, simulator: Simulator, requests: list[bytes], relayed: int
) -> list[int]:
    """Send all at once while the provider holds its answers until everything was decided."""
    done: list[list[int]] = []
    thread = threading.Thread(
        target=lambda: done.append(statuses(send_all(proxy.host, proxy.port, requests)))
    )
    thread.start()
    simulator.wait_held(relayed)

    def are_decided() -> bool:
        """A release before every call was decided would make room for more."""
        budgets = proxy.budgets()
        assert_cap_holds(budgets)
        return len(requests) - relayed == sum(entry["denials"] for entry in budgets)

    wait_until(are_decided, f"all but {relayed} calls are refused", timeout_s=20)
    assert relayed == simulator.state()["held"]
    simulator.release()
    thread.join(20)
    return done[0]


@pytest.mark.parametrize("seed", range(4))
def test_parallel_requests_exactly_as_many_pass_as_fit(
    seed: int, simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """All workers enforce one cap: never one more, never one less."""
    rng = random.Random(seed)
    workers, sent = rng.randint(1, 4), rng.randint(40, 160)
    quote = quote_of(**HOLD)
    # A hierarchy of up to 4 budgets, each with room for its own number of calls.
    scopes = [[], ["tenant"], ["tenant", "feature"], ["customer"]][: rng.randint(1, 4)]
    rooms = [rng.randint(1, sent) for _ in scopes]
    slack = rng.randint(0, quote - 1)
    print(f"seed {seed}: {workers} workers, {sent} calls, rooms {rooms}")
    budgets = [
        {"id": f"b{i}", "per": per, "window": "day", "limit_usd": dollars(room * quote + slack)}
        for i, (per, room) in enumerate(zip(scopes, rooms, strict=True))
    ]
    proxy = firewall(budgets=budgets, server={"workers": workers})
    request = chat_request(
        chat_body(**HOLD), {"x-s4fw-tenant": "acme", "x-s4fw-feature": "f", "x-s4fw-customer": "c"}
    )
    fit = min(rooms)
    got = send_and_release(proxy, simulator, [request] * sent, fit)
    assert (fit, sent - fit) == (got.count(200), got.count(402))
    assert fit == simulator.request_count()
    quiet = quiesce(proxy)
    charged = simulator.ledger()["total_nusd"]
    assert {charged} == {entry["charged_nusd"] for entry in quiet}


def test_quote_equal_to_what_is_left_fits_and_one_nano_more_does_not(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """`used + quote > limit` blocks; equality does not."""
    quote = quote_of(max_tokens=10)
    limits = {"equal": quote, "short": quote - 1}
    overrides = {name: dollars(limit) for name, limit in limits.items()}
    budget = {
        "id": "t",
        "per": ["tenant"],
        "window": "total",
        "limit_usd": "1",
        "overrides": overrides,
    }
    proxy = firewall(budgets=[budget], server={"workers": 1})
    assert 200 == post_chat(proxy.base_url, {"x-s4fw-tenant": "equal"}, max_tokens=10).status
    refused = post_chat(proxy.base_url, {"x-s4fw-tenant": "short"}, max_tokens=10)
    assert 402 == refused.status
    told = refused.json()["error"]["s4fw"]
    assert {"tenant": "short"} == told["scope"]
    assert (quote - 1, 0, quote - 1, quote) == (
        told["limit_nusd"],
        told["used_nusd"],
        told["remaining_nusd"],
        told["requested_nusd"],
    )
    assert 1 == simulator.request_count()


def test_child_that_is_full_blocks_only_itself_and_parent_blocks_all(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """All or nothing over the hierarchy: a refusal of one budget takes nothing from the others."""
    quote = quote_of(max_tokens=10)
    proxy = firewall(
        budgets=[
            {"id": "parent", "per": [], "window": "day", "limit_usd": dollars(quote + quote // 10)},
            {"id": "child", "per": ["tenant"], "window": "day", "limit_usd": dollars(quote)},
        ],
    )
    simulator.faults("full")  # every call bills its whole bound on output
    ask = {"max_tokens": 10}
    assert 200 == post_chat(proxy.base_url, {"x-s4fw-tenant": "a"}, **ask).status
    blocked = post_chat(proxy.base_url, {"x-s4fw-tenant": "a"}, **ask)
    assert ("child", 402) == (blocked.json()["error"]["s4fw"]["budget_id"], blocked.status)
    before = quiesce(proxy).one("parent")["used_nusd"]
    assert simulator.ledger()["total_nusd"] == before
    assert 200 == post_chat(proxy.base_url, {"x-s4fw-tenant": "b"}, **ask).status
    for number in range(30):  # each has room of its own, until the parent has none
        answer = post_chat(proxy.base_url, {"x-s4fw-tenant": f"t{number}"}, **ask)
        if answer.status != 200:
            break
    assert ("parent", 402) == (answer.json()["error"]["s4fw"]["budget_id"], answer.status)
    budgets = quiesce(proxy)
    assert simulator.ledger()["total_nusd"] == budgets.one("parent")["used_nusd"]
    assert 0 == sum(b["used_nusd"] for b in budgets if b["scope"] == {"tenant": f"t{number}"})


def test_shadow_budget_never_blocks_and_says_that_it_would(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Shadow decides and counts; the account goes on beyond the stated limit."""
    shadow = {"id": "s", "per": ["tenant"], "window": "day", "limit_usd": "0.000000001"}
    proxy = firewall(budgets=[shadow | {"mode": "shadow"}], server={"workers": 1})
    for _ in range(3):
        answer = post_chat(proxy.base_url, max_tokens=10)
        assert (200, "shadow_block") == (answer.status, answer.headers["x-s4fw-decision"])
        assert "budget_exceeded" == answer.headers["x-s4fw-reason"]
    entry = quiesce(proxy).one("s")
    assert ("shadow", 1, 0) == (entry["mode"], entry["limit_nusd"], entry["remaining_nusd"])
    assert simulator.ledger()["total_nusd"] == entry["charged_nusd"] > 1


def test_block_names_budget_limit_reset_and_owner_in_one_sentence(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """The message is all that most SDKs print; a person must be able to act on it."""
    budget: dict[str, Any] = {"id": "tenant-day", "per": ["tenant"], "window": "day"}
    proxy = firewall(budgets=[budget | {"limit_usd": "0.000001", "owner": "finance@example.com"}])
    blocked = post_chat(proxy.base_url, {"x-s4fw-tenant": "acme"})
    error = blocked.json()["error"]
    assert ("insufficient_quota", "budget_exceeded") == (error["type"], error["code"])
    for part in ("tenant-day (tenant acme)", "until 20", "finance@example.com", "$0.000001"):
        assert part in error["message"]
    assert "false" == blocked.headers["x-should-retry"]
    assert "0.000000000" == blocked.headers["x-s4fw-reserved-usd"]
    told = error["s4fw"]
    assert told["budget_id"] == blocked.headers["x-s4fw-budget-id"]
    assert dollars(told["remaining_nusd"]) == blocked.headers["x-s4fw-budget-remaining-usd"]
    assert told["resets_at"] == blocked.headers["x-s4fw-budget-resets-at"]
    assert "retry-after" not in blocked.headers
    assert 0 == simulator.request_count()


def test_budget_without_dimensions_shows_callers_no_amounts(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """What the whole company spends is not every caller's business."""
    quote = quote_of(max_tokens=10)
    total = {"id": "all", "per": [], "window": "day", "limit_usd": dollars(quote)}
    proxy = firewall(budgets=[total])
    simulator.faults("full")
    passed = post_chat(proxy.base_url, max_tokens=10)
    assert 200 == passed.status
    assert not [name for name in passed.headers if name.startswith("x-s4fw-budget")]
    blocked = post_chat(proxy.base_url, max_tokens=10)
    assert not [name for name in blocked.headers if name.startswith("x-s4fw-budget")]
    told = blocked.json()["error"]["s4fw"]
    assert {"limit_nusd", "used_nusd", "remaining_nusd"}.isdisjoint(told)
    assert ("all", quote) == (told["budget_id"], told["requested_nusd"])


def test_warning_header_once_a_threshold_is_passed(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A team learns before the wall that it is coming."""
    ask = {"model": "mock-no_usage", "max_tokens": 10}  # each is charged its worst case
    quote = quote_of(**ask)
    budget = {"id": "t", "per": ["tenant"], "window": "day", "limit_usd": dollars(4 * quote)}
    proxy = firewall(budgets=[budget | {"warn_at": [0.5, 0.8]}], server={"workers": 1})
    answers = [post_chat(proxy.base_url, **ask) for _ in range(4)]
    warnings = [answer.headers.get("x-s4fw-budget-warning") for answer in answers]
    assert [None, "t 50%", "t 50%", "t 80%"] == warnings
