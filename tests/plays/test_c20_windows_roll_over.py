"""A window ends while streams are in flight: they settle where they were taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tests.harness import Answer, Firewall, Simulator, post_chat, wait_until
from tests.harness.quote import dollars, quote_of

HOLD = {"model": "mock-hold", "max_tokens": 10}


@pytest.mark.slow
def test_minute_ends_with_a_stream_in_flight_and_a_new_budget_begins(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """The old window gets its settle, the new one starts at zero, and nothing is lost between."""
    quote = quote_of(**HOLD)
    proxy = firewall(
        budgets=[
            {"id": "minute", "per": [], "window": "minute", "limit_usd": dollars(quote)},
            {"id": "ever", "per": [], "window": "total", "limit_usd": "1"},
        ],
    )
    if time.time() % 60 > 50:  # enough room for what must happen before the minute ends
        time.sleep(60.2 - time.time() % 60)
    answers: list[Answer] = []
    thread = threading.Thread(
        target=lambda: answers.append(post_chat(proxy.base_url, timeout_s=90, **HOLD))
    )
    thread.start()
    simulator.wait_held(1)
    assert 402 == post_chat(proxy.base_url, **HOLD).status
    time.sleep(60.2 - time.time() % 60)

    fresh = wait_until(
        lambda: [b for b in proxy.budgets() if b["id"] == "minute" and b["used_nusd"] == 0],
        "the new minute's cell is there and empty",
    )
    assert 1 == len(fresh)
    simulator.release()
    thread.join(10)
    assert [200] == [answer.status for answer in answers]
    charged = simulator.wait_billed(1)["total_nusd"]

    def is_settled() -> bool:
        entries = {b["id"]: b for b in proxy.budgets()}
        return bool(
            entries["ever"]["charged_nusd"] == charged and entries["ever"]["held_nusd"] == 0
        )

    wait_until(is_settled, "the stream is settled")
    minute = next(b for b in proxy.budgets() if b["id"] == "minute")
    assert 0 == minute["used_nusd"], "the old stream must not be charged to the new minute"
    assert 200 == post_chat(proxy.base_url, max_tokens=10).status
