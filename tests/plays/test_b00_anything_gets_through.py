"""The most basic of all: a request of the real SDK reaches the provider and its answer comes."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness import Firewall, Simulator, openai_client, post_chat, quiesce
from tests.harness.quote import dollars, quote_of

BUDGETS = [
    {"id": "all", "per": [], "window": "day", "limit_usd": "10"},
    {"id": "tenant-day", "per": ["tenant"], "window": "day", "limit_usd": "5"},
]


def test_plain_answer_reaches_the_sdk_and_the_account_is_exact(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """An application changes its base URL, and nothing else."""
    proxy = firewall(budgets=BUDGETS)
    with openai_client(proxy.base_url) as client:
        answer = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Where is my order?"}]
        )
    assert answer.choices[0].message.content
    charged = simulator.wait_billed(1)["total_nusd"]
    budgets = quiesce(proxy)
    assert charged == budgets.one("all")["charged_nusd"] > 0
    assert charged == budgets.one("tenant-day", tenant="unattributed")["spent_nusd"]


def test_streamed_answer_reaches_the_sdk_and_the_account_is_exact(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A stream that did not ask for usage shows none, and is settled on it all the same."""
    proxy = firewall(budgets=BUDGETS)
    with openai_client(proxy.base_url) as client:
        stream = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Tell me"}], stream=True
        )
        chunks = list(stream)
    assert all(chunk.choices for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    charged = simulator.wait_billed(1)["total_nusd"]
    assert charged == quiesce(proxy).one("all")["spent_nusd"] > 0


def test_stream_that_asks_for_usage_gets_it(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """What the caller ordered is not hidden from it."""
    proxy = firewall(budgets=BUDGETS)
    with openai_client(proxy.base_url) as client:
        stream = client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Tell me"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        last = list(stream)[-1]
    assert not last.choices
    assert last.usage is not None
    row = simulator.wait_billed(1)["rows"][0]
    assert row["outcome"] == "complete"


def test_models_pass_without_money(simulator: Simulator, firewall: Callable[..., Firewall]) -> None:
    """SDKs list models; that is free and takes no reservation."""
    proxy = firewall(budgets=BUDGETS)
    with openai_client(proxy.base_url) as client:
        names = [model.id for model in client.models.list()]
        assert client.models.retrieve(names[0]).id == names[0]
    assert quiesce(proxy).one("all")["used_nusd"] == 0


def test_answer_headers_tell_the_quote_the_cost_and_what_is_left(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """An application may show its users what a call cost and what is left."""
    proxy = firewall(budgets=BUDGETS)
    answer = post_chat(proxy.base_url, {"x-s4fw-tenant": "acme"}, max_tokens=100)
    assert 200 == answer.status
    quote = quote_of(max_tokens=100)
    assert "allow" == answer.headers["x-s4fw-decision"]
    assert dollars(quote) == answer.headers["x-s4fw-reserved-usd"]
    assert "tenant-day" == answer.headers["x-s4fw-budget-id"]
    assert dollars(5 * 10**9 - quote) == answer.headers["x-s4fw-budget-remaining-usd"]
    assert answer.headers["x-s4fw-budget-resets-at"].endswith("T00:00:00Z")
    assert answer.headers["x-s4fw-request-id"].startswith("fw_")
    assert dollars(simulator.wait_billed(1)["total_nusd"]) == answer.headers["x-s4fw-cost-usd"]


def test_upstream_sees_a_request_built_from_zero(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Nothing of ours, and nothing hop-by-hop, may reach the provider."""
    proxy = firewall(upstreams={"openai": {"base_url": simulator.base_url}})
    headers = {"x-s4fw-tenant": "acme", "cookie": "a=b", "range": "bytes=0-1", "te": "trailers"}
    assert 200 == post_chat(proxy.base_url, headers).status
    seen = simulator.requests()[0]
    names = {name.lower() for name, _ in seen["headers"]}
    assert "/v1/chat/completions" == seen["target"]
    assert not {n for n in names if n.startswith("x-s4fw")} | {"cookie", "range", "te"} & names
    assert {"host", "authorization", "content-type", "content-length"} <= names
