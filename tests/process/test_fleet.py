"""One instance of a fleet, for real: it lets through its part, and says what it enforces."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness import Firewall, post_chat, quiesce

Start = Callable[..., Firewall]


def test_instance_of_four_enforces_a_quarter_of_its_limit(firewall: Start) -> None:
    """Four instances that each enforced the whole limit would spend it four times."""
    proxy = firewall(
        budgets=[
            {"id": "t", "per": ["tenant"], "window": "day", "limit_usd": "0.004000002"},
        ],
        fleet={"instances": 4},
    )
    while 200 == (answer := post_chat(f"{proxy.url}/v1", max_tokens=5)).status:
        pass
    assert 402 == answer.status
    assert 1_000_000 == answer.json()["error"]["s4fw"]["limit_nusd"]
    quiesce(proxy)
    budget = proxy.budgets()[0]
    assert 1_000_000 == budget["limit_nusd"]
    assert 0 < budget["used_nusd"] <= 1_000_000
    assert budget["used_nusd"] + answer.json()["error"]["s4fw"]["requested_nusd"] > 1_000_000
