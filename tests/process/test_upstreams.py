"""Several upstreams behind one firewall, for real."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness import Firewall, Simulator, post_chat, quiesce

Start = Callable[..., Firewall]


def test_two_upstreams_of_one_dialect_by_prefix_and_by_model(
    firewall: Start, simulator: Simulator
) -> None:
    """One firewall in front of several accounts: each has its prices, its key and its budget."""
    dear = {"input_usd_per_mtok": 1000, "output_usd_per_mtok": 1000, "max_output_tokens": 10}
    azure = {
        "dialect": "openai",
        "base_url": simulator.url,
        "prefix": "/azure",
        "models": ["mock-lar*"],
        "prices": {"mock-small": dear},
        "api_key": "sk-azure",
        "auth": "api-key",
    }
    proxy = firewall(
        budgets=[{"id": "by", "per": ["provider"], "window": "day", "limit_usd": "1"}],
        upstreams={"azure": azure},
    )
    for path in ("", "/azure"):
        assert 200 == post_chat(f"{proxy.url}{path}/v1", max_tokens=5).status
    quiesce(proxy)
    spent = {entry["scope"]["provider"]: entry["spent_nusd"] for entry in proxy.budgets()}
    assert {"openai", "azure"} == spent.keys()
    assert spent["azure"] > 100 * spent["openai"] > 0
