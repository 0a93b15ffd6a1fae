"""What requests say about who pays, through the real edge: paths, headers of others, bodies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from tests.harness import (
    Firewall,
    Simulator,
    fetch,
    firewall_config,
    openai_client,
    post_chat,
    quiesce,
)

BUDGETS = [
    {"id": "tenant", "per": ["tenant"], "window": "day", "limit_usd": "10"},
    {"id": "customer", "per": ["customer"], "window": "day", "limit_usd": "10"},
]
SECRET = "fw-key-of-acme-1234"


def tenants(proxy: Firewall) -> set[str]:
    """Whose money was spent."""
    return {entry["scope"]["tenant"] for entry in quiesce(proxy) if entry["id"] == "tenant"}


def test_base_url_of_an_sdk_carries_labels_and_the_provider_never_sees_them(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A base URL is the one thing every client lets people set."""
    proxy = firewall(budgets=BUDGETS, server={"workers": 1})
    with openai_client(proxy.url + "/t/acme/f/support/v1") as client:
        client.chat.completions.create(
            model="mock-small",
            messages=[{"role": "user", "content": "hi"}],
            extra_headers={"baggage": "s4fw.customer=c7,secret=42", "x-portkey-metadata": "{}"},
        )
    assert {"acme"} == tenants(proxy)
    assert {"c7"} == {e["scope"]["customer"] for e in quiesce(proxy) if e["id"] == "customer"}
    seen = simulator.requests()[0]
    assert "/v1/chat/completions" == seen["target"]
    names = {name.lower() for name, _ in seen["headers"]}
    assert not names & {"baggage", "x-portkey-metadata"}


def test_path_against_a_key_or_a_header_is_refused(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Whoever knows the URL of another tenant must not spend its money."""
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    config = firewall_config(
        simulator,
        BUDGETS,
        upstreams={"openai": {"base_url": simulator.url, "api_key": "sk-provider-9876"}},
        keys=[{"id": "bot", "sha256": digest, "tenant": "acme", "may_set": ["feature"]}],
    )
    proxy = firewall(config)
    auth = {"authorization": f"Bearer {SECRET}"}
    refused = post_chat(proxy.url + "/t/globex/v1", auth)
    assert (403, "attribution_conflict") == (refused.status, refused.json()["error"]["code"])
    headers = auth | {"x-s4fw-feature": "desk"}
    assert 403 == post_chat(proxy.url + "/f/support/v1", headers).status
    assert 200 == post_chat(proxy.url + "/t/acme/f/desk/v1", headers).status
    assert {"acme"} == tenants(proxy)
    assert 1 == simulator.request_count()


def test_required_tenant_is_asked_for_by_name_and_only_where_money_is_spent(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Spend without a name is what an operator wants to be rid of."""
    proxy = firewall(budgets=BUDGETS, attribution={"require": ["tenant"]})
    refused = post_chat(proxy.base_url)
    error = refused.json()["error"]
    assert (400, "missing_attribution") == (refused.status, error["code"])
    assert "x-s4fw-tenant" in error["message"]
    assert 200 == post_chat(proxy.base_url, {"x-s4fw-tenant": "acme"}).status
    assert 200 == fetch(proxy.base_url + "/models").status


def test_user_of_the_body_is_one_customer_over_workers_and_restarts_and_is_not_written_down(
    simulator: Simulator, firewall: Callable[..., Firewall], tmp_path: Path
) -> None:
    """A budget per end user without a list of them: the same label each time, and no name."""
    proxy = firewall(budgets=BUDGETS, attribution={"body_fields": ["user"]}, server={"workers": 2})
    for _ in range(4):
        assert 200 == post_chat(proxy.base_url, user="alice@example.com").status
    before = {e["scope"]["customer"] for e in quiesce(proxy) if e["id"] == "customer"}
    proxy.kill_everything()
    proxy.start()
    assert 200 == post_chat(proxy.base_url, user="alice@example.com").status
    after = {e["scope"]["customer"] for e in quiesce(proxy) if e["id"] == "customer"}
    assert 1 == len(before)
    assert before == after
    assert next(iter(before)).startswith("k:")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert "table" in {path.name for path in files}
    written = b"".join(path.read_bytes() for path in files)
    assert b"alice@example.com" not in written
    assert "alice@example.com" not in json.dumps(proxy.budgets())
