"""Callers with keys: who gets in, what a key pins, and what the upstream sees."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.harness import (
    Firewall,
    Simulator,
    exchange_raw,
    firewall_config,
    openai_client,
    post_chat,
    quiesce,
)

ALL = [{"id": "tenant", "per": ["tenant"], "window": "day", "limit_usd": "10"}]
SECRET = "fw-key-of-acme-1234"


def keyed(simulator: Simulator, **key: Any) -> dict[str, Any]:
    """A configuration with one caller and a credential of our own for the upstream."""
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    return firewall_config(
        simulator,
        ALL,
        upstreams={"openai": {"base_url": simulator.url, "api_key": "sk-provider-9876"}},
        keys=[{"id": "bot", "sha256": digest, "tenant": "acme"} | key],
    )


def test_caller_with_its_key_pays_for_its_tenant_and_its_key_stays_here(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """The key of a caller is never forwarded; the upstream has its own."""
    proxy = firewall(keyed(simulator))
    with openai_client(proxy.base_url, api_key=SECRET) as client:
        client.chat.completions.create(
            model="mock-small", messages=[{"role": "user", "content": "hi"}]
        )
    seen = simulator.requests()[0]
    assert SECRET.encode() not in json.dumps(seen, default=str).encode()
    assert ["Bearer sk-provider-9876"] == [
        value for name, value in seen["headers"] if name.lower() == "authorization"
    ]
    assert quiesce(proxy).one("tenant", tenant="acme")["spent_nusd"] > 0


def test_unknown_key_is_401_before_the_body_is_read(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Nobody without a key makes the firewall read 32 MiB."""
    proxy = firewall(keyed(simulator))
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer nope\r\n"
        "content-length: 30000000\r\n\r\n"
    )
    raw = exchange_raw(proxy.host, proxy.port, head.encode(), idle_s=1.0)
    assert [401] == raw.statuses
    assert b"www-authenticate: bearer" in raw.data.lower()
    with (
        openai_client(proxy.base_url, api_key="nope") as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()
    assert 0 == simulator.request_count()


def test_header_against_a_pinned_value_is_refused(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """Who pays is not the caller's choice."""
    proxy = firewall(keyed(simulator))
    auth = {"authorization": f"Bearer {SECRET}"}
    blocked = post_chat(proxy.base_url, auth | {"x-s4fw-tenant": "globex"})
    assert (403, "attribution_conflict") == (blocked.status, blocked.json()["error"]["code"])
    assert 200 == post_chat(proxy.base_url, auth | {"x-s4fw-session": "s1"}).status
    assert 1 == simulator.request_count()


def test_made_up_values_beyond_the_bound_share_one_budget(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A caller cannot get a fresh budget by naming a new tenant, on any worker."""
    proxy = firewall(
        budgets=[{"id": "t", "per": ["tenant"], "window": "day", "limit_usd": "1"}],
        attribution={"max_values": {"tenant": 3}},
        server={"workers": 3},
    )
    for number in range(12):
        assert 200 == post_chat(proxy.base_url, {"x-s4fw-tenant": f"t{number}"}).status
    scopes = {entry["scope"]["tenant"] for entry in quiesce(proxy)}
    assert "other" in scopes
    assert len(scopes) == 4
