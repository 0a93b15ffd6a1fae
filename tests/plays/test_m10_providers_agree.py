"""What the firewall charges is what the provider charges, in every shape; where the provider's word
is lost or wrong, never less."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from tests.harness import Budgets, Firewall, Simulator, fetch, firewall_config, quiesce

ALL = [{"id": "all", "per": [], "window": "total", "limit_usd": "1000000", "visible": True}]
HOUR = {"type": "ephemeral", "ttl": "1h"}
MARKED = [
    {"type": "text", "text": " word" * 40, "cache_control": HOUR},
    {"type": "text", "text": " more" * 30, "cache_control": {"type": "ephemeral"}},
]
POINTS = [
    {"text": " word" * 40},
    {"cachePoint": {"type": "default", "ttl": "1h"}},
    {"text": " more" * 30},
    {"cachePoint": {"type": "default"}},
]
SEARCH = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]
BEDROCK = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def _said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def _messages(text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "claude-opus-5", "max_tokens": 70, "messages": _said(text), **more}


def _converse(text: str = "hi", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return {"messages": messages, "inferenceConfig": {"maxTokens": 70}, **more}


def _invoke(text: str = "hi", **more: Any) -> dict[str, Any]:
    version = "bedrock-2023-05-31"
    return {"anthropic_version": version, "max_tokens": 70, "messages": _said(text), **more}


def _responses(text: str = "hi", **more: Any) -> dict[str, Any]:
    body = {"model": "gpt-4.1", "input": text, "max_output_tokens": 70, "store": False}
    return body | more


def _chat(text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "max_tokens": 70, "messages": _said(text), **more}


STREAM = {"stream": True}
LONG = " word" * 300
NOVA = "/model/amazon.nova-pro-v1:0/converse"
HONEST: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", _chat()),
    ("/v1/chat/completions", _chat(**STREAM)),
    ("/v1/chat/completions", _chat(n=2)),
    ("/v1/chat/completions", _chat(model="gpt-5", service_tier="flex") | {"max_tokens": None}),
    ("/v1/responses", _responses()),
    ("/v1/responses", _responses(**STREAM)),
    ("/v1/responses", _responses(model="gpt-5", service_tier="priority")),
    ("/v1/responses", _responses(LONG, model="gpt-5.6")),
    ("/v1/responses", _responses(LONG, model="gpt-5.6", **STREAM)),
    (
        "/v1/responses",
        _responses(LONG + "!", model="gpt-5.6", prompt_cache_options={"ttl": "12h"}),
    ),
    (
        "/v1/responses",
        _responses("[[search 2]]", tools=[{"type": "web_search"}], max_tool_calls=2),
    ),
    ("/v1/responses", _responses("[[fault failed]]")),
    ("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": ["a", "b"], "best_of": 3}),
    ("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "a", **STREAM}),
    ("/v1/embeddings", {"model": "text-embedding-3-small", "input": ["a", "b"]}),
    ("/v1/messages", _messages()),
    ("/v1/messages", _messages(**STREAM)),
    ("/v1/messages", _messages(system=MARKED)),
    ("/v1/messages", _messages(system=MARKED, **STREAM)),
    ("/v1/messages", _messages(system=MARKED[1:], **STREAM)),
    ("/v1/messages", _messages(" fox" * 50, max_tokens=0, cache_control=HOUR)),
    ("/v1/messages", _messages("[[search 2]]", tools=SEARCH)),
    ("/v1/messages", _messages("[[search 2]]", tools=SEARCH, **STREAM)),
    ("/v1/messages", _messages(speed="fast", inference_geo="us")),
    ("/v1/messages", _messages(speed="fast", system=MARKED, **STREAM)),
    ("/v1/messages", _messages("[[compact 300]]")),
    ("/v1/messages", _messages("[[compact 300]]", **STREAM)),
    ("/v1/messages", _messages("[[fault dearer_model]]", model="claude-haiku-4-5")),
    ("/anthropic/v1/messages", _messages(model="us.anthropic.claude-opus-5")),
    ("/openai/v1/chat/completions", _chat(model="openai.gpt-oss-20b-1:0")),
    ("/openai/v1/responses", _responses(model="openai.gpt-oss-20b-1:0")),
    (BEDROCK + "/converse", _converse()),
    (BEDROCK + "/converse", _converse(system=POINTS)),
    (BEDROCK + "/converse-stream", _converse(system=POINTS)),
    (BEDROCK + "/converse-stream", _converse("ho", system=POINTS[2:])),
    (NOVA, _converse(serviceTier={"type": "priority"})),
    (NOVA + "-stream", _converse(serviceTier={"type": "flex"})),
    (BEDROCK + "/invoke", _invoke(system=MARKED)),
    (BEDROCK + "/invoke-with-response-stream", _invoke(system=MARKED)),
    (BEDROCK + "/invoke-with-response-stream", _invoke(system=MARKED[1:])),
    ("/model/amazon.nova-lite-v1:0/invoke", _converse()),
    ("/model/amazon.nova-lite-v1:0/invoke-with-response-stream", _converse()),
    ("/model/us.meta.llama3-1-8b-instruct-v1:0/invoke", {"prompt": "hi", "max_gen_len": 9}),
    ("/model/amazon.titan-embed-text-v2:0/invoke", {"inputText": "hi"}),
    ("/model/mistral.mistral-7b-instruct-v0:2/invoke", {"prompt": "hi", "max_tokens": 9}),
]
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", _chat(model="mock-small")),
    "chat-stream": ("/v1/chat/completions", _chat(model="mock-small", **STREAM)),
    "responses": ("/v1/responses", _responses(model="mock-small")),
    "responses-stream": ("/v1/responses", _responses(model="mock-small", **STREAM)),
    "messages": ("/v1/messages", _messages(model="mock-small")),
    "messages-stream": ("/v1/messages", _messages(model="mock-small", **STREAM)),
    "converse": (BEDROCK + "/converse", _converse()),
    "converse-stream": (BEDROCK + "/converse-stream", _converse()),
    "invoke": (BEDROCK + "/invoke", _invoke()),
    "invoke-stream": (BEDROCK + "/invoke-with-response-stream", _invoke()),
}
FAULTS = (
    *("cut:6", "reset_stream:6", "end_early:6", "error_event:6", "drop", "reset", "garbage"),
    *("no_usage", "negative_usage", "string_usage", "usage_mid", "usage_twice", "status:500"),
    *("overrun:3", "crlf", "comments", "chunk_split", "gzip", "dearer_model", "tier:priority"),
)


@dataclass(slots=True)
class Money:
    """A firewall in front of a provider, and what both had charged when they were last asked."""

    firewall: Firewall
    simulator: Simulator
    paid: int = 0
    charged: int = 0

    def exchange(self, path: str, body: dict[str, Any], fault: str = "") -> tuple[int, int]:
        """Ask once; returns what the provider charged for it, and what the firewall did."""
        headers = {"anthropic-version": "2023-06-01"} if "messages" in path else {}
        self.simulator.faults(fault or None)
        with suppress(OSError, http.client.HTTPException):
            status = fetch(self.firewall.url + path, "POST", body, headers).status
            assert status == 200 or fault, (status, path)
        self.simulator.wait_idle()
        before = self.paid, self.charged
        self.paid = self.simulator.ledger()["total_nusd"]
        self.charged = Budgets(quiesce(self.firewall)).one("all")["charged_nusd"]
        return self.paid - before[0], self.charged - before[1]


@pytest.fixture(scope="module")
def money(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Money]:
    """One firewall for all exchanges of this module, all providers simulated."""
    with Simulator(tmp_path_factory.mktemp("provider")) as simulator:
        config = firewall_config(simulator, ALL, server={"workers": 1})
        url = simulator.url
        config["upstreams"]["anthropic"] = {"base_url": url}
        config["upstreams"]["bedrock"] = {"base_url": url, "region": "us-east-1", "api_key": "x"}
        firewall = Firewall(tmp_path_factory.mktemp("firewall"), config)
        firewall.start()
        try:
            yield Money(firewall, simulator)
        finally:
            firewall.stop()


def test_charge_of_an_honest_answer_is_the_providers(money: Money) -> None:
    """To the nano-dollar: cache writes by how long they are kept, reads, tiers, speed, place, fees,
    regions, chains of answers, whole and streamed."""
    money.simulator.cache(min_tokens=20)
    found = {}
    for number, (path, body) in enumerate(HONEST):
        sent = {name: value for name, value in body.items() if value is not None}
        paid, charged = money.exchange(path, sent)
        assert paid > 0, (number, path)
        if paid != charged:
            found[number, path] = (paid, charged)
    assert found == {}


@pytest.mark.parametrize("shape", SHAPES)
def test_charge_is_never_less_than_the_providers(money: Money, shape: str) -> None:
    """Streams that break, usage that is missing or a lie, answers that cost more than asked."""
    path, body = SHAPES[shape]
    found = {}
    for fault in FAULTS:
        paid, charged = money.exchange(path, body, fault)
        if paid > charged:
            found[fault] = (paid, charged)
    rows = money.simulator.ledger()["rows"][-len(FAULTS) :]
    assert {"cut", "drop", "reset", "garbage", "refused"} <= {row["outcome"] for row in rows}
    assert found == {}
