"""The simulator's account: what it charged, exactly."""

from typing import Any

import pytest

from tests.harness import Simulator, chat_body, chat_request, parallel, post_chat, send_all

RATES_PUSD = {"mock-small": (1_000_000, 2_000_000), "mock-large": (10_000_000, 20_000_000)}


@pytest.mark.parametrize("model", RATES_PUSD)
def test_rows_cost_what_the_caller_was_told(simulator: Simulator, model: str) -> None:
    """Computed here from the reported usage, in integers, without the price table's code."""
    answers: list[dict[str, Any]] = [
        post_chat(simulator.base_url, model=model, content="word " * n).json() for n in range(1, 6)
    ]
    rate_in, rate_out = RATES_PUSD[model]
    costs = [
        (a["usage"]["prompt_tokens"] * rate_in + a["usage"]["completion_tokens"] * rate_out) // 1000
        for a in answers
    ]
    ledger = simulator.ledger()
    assert costs == [row["cost_nusd"] for row in ledger["rows"]]
    assert sum(costs) == ledger["total_nusd"]


def test_cached_tokens_cost_their_own_rate(simulator: Simulator) -> None:
    """gpt-4o: 2.50 USD for a million tokens of input, 1.25 cached, 10 for output."""
    for _ in range(2):
        post_chat(simulator.base_url, model="gpt-4o", content=" word" * 1500)
    first, second = simulator.ledger()["rows"]
    assert first["cost_nusd"] == 1507 * 2_500 + 64 * 10_000
    assert second["cost_nusd"] == (1507 - 1408) * 2_500 + 1408 * 1_250 + 64 * 10_000


def test_tier_costs_its_own_rate(simulator: Simulator) -> None:
    """gpt-4o with priority: 4.25 in, 17 out."""
    post_chat(simulator.base_url, model="gpt-4o", service_tier="priority", content="hello")
    assert simulator.ledger()["total_nusd"] == 8 * 4_250 + 64 * 17_000


def test_streamed_and_whole_cost_the_same(simulator: Simulator) -> None:
    """The form of an answer does not change its price."""
    for stream in (False, True):
        post_chat(simulator.base_url, stream=stream, n=3)
    whole, streamed = simulator.ledger()["rows"]
    assert whole["cost_nusd"] == streamed["cost_nusd"]


def test_many_at_once_are_all_billed_once(simulator: Simulator) -> None:
    """500 callers at the same moment: every one is in the sum."""
    requests = [chat_request(chat_body(content=f"order {index:03d}")) for index in range(500)]
    answers = send_all(simulator.host, simulator.port, requests)
    told = 0
    for answer in answers:
        assert not isinstance(answer, Exception)
        usage = answer.json()["usage"]
        told += usage["prompt_tokens"] * 1_000 + usage["completion_tokens"] * 2_000
    ledger = simulator.ledger()
    assert (500, told) == (ledger["billed"], ledger["total_nusd"])
    assert simulator.request_count() == 500


def test_reset_in_the_middle_of_an_answer_leaves_the_new_account_clean(
    simulator: Simulator,
) -> None:
    """A test never sees the charges of the one before."""
    simulator.faults("hold")

    def act(index: int) -> None:
        if index == 0:
            post_chat(simulator.base_url)
            return
        simulator.wait_held(1)
        simulator.reset()

    parallel(2, act)
    simulator.wait_idle()
    assert simulator.ledger() == {"total_nusd": 0, "billed": 0, "unbilled": 0, "rows": []}
