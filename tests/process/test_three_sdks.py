"""The three SDKs as they are, through one firewall over https, each with labels in its base URL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import boto3
import botocore.config
import botocore.exceptions
import openai
import pytest
import trustme

from s4fw.config.keys import key_digest
from tests.harness import Firewall, Simulator, chat_body, quiesce

Start = Callable[..., Firewall]

KEY = "fw-caller-0123456789"
CLAUDE = "claude-haiku-4-5"
AT_BEDROCK = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
HI: list[Any] = [{"role": "user", "content": "Where is my order?"}]


@pytest.fixture
def proxy(
    firewall: Start, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Firewall:
    """A firewall over TLS in front of three providers, with a key that callers must have."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "authority.pem"))
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    tls = {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    at = {"base_url": simulator.url, "api_key": "sk-provider"}
    return firewall(
        server={"tls": tls, "workers": 1},
        budgets=[{"id": "by", "per": ["provider", "tenant"], "window": "day", "limit_usd": "9"}],
        upstreams={"openai": {**at}, "anthropic": {**at}, "bedrock": at | {"region": "us-east-1"}},
        keys=[{"id": "bot", "sha256": key_digest(KEY.encode()), "may_set": ["tenant"]}],
    )


def test_each_sdk_calls_streams_and_is_settled(proxy: Firewall) -> None:
    """What an application changes is its base URL and its key, whichever SDK it has."""
    use_openai(f"{proxy.url}/t/acme/v1")
    use_anthropic(f"{proxy.url}/t/acme")
    use_bedrock(f"{proxy.url}/t/acme")
    quiesce(proxy)
    entries = {entry["scope"]["provider"]: entry for entry in proxy.budgets()}
    assert {"openai", "anthropic", "bedrock"} == entries.keys()
    for entry in entries.values():
        assert "acme" == entry["scope"]["tenant"]
        assert entry["spent_nusd"] > 0
        assert 0 == entry["accrued_nusd"] == entry["held_nusd"]


def use_openai(base_url: str) -> None:
    with openai.OpenAI(base_url=base_url, api_key=KEY, max_retries=0) as client:
        assert client.chat.completions.create(**chat_body()).usage
        assert list(client.chat.completions.create(**chat_body(), stream=True))


def use_anthropic(base_url: str) -> None:
    with anthropic.Anthropic(base_url=base_url, api_key=KEY, max_retries=0) as client:
        answer = client.messages.create(model=CLAUDE, max_tokens=50, messages=HI)
        assert answer.usage.output_tokens
        with client.messages.stream(model=CLAUDE, max_tokens=50, messages=HI) as stream:
            assert stream.get_final_message().usage.output_tokens


def bedrock(base_url: str) -> Any:
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    return boto3.client(
        "bedrock-runtime", endpoint_url=base_url, region_name="us-east-1", config=config
    )


def use_bedrock(base_url: str) -> None:
    client = bedrock(base_url)
    asked = {
        "modelId": AT_BEDROCK,
        "messages": [{"role": "user", "content": [{"text": "Where is my order?"}]}],
        "inferenceConfig": {"maxTokens": 50},
    }
    assert client.converse(**asked)["usage"]["outputTokens"]
    events = list(client.converse_stream(**asked)["stream"])
    assert "metadata" in events[-1]
    client.close()


def test_each_sdk_raises_its_own_error_for_a_wrong_key(
    proxy: Firewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal at the head is in the shape of the path below its labels."""
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(
            base_url=f"{proxy.url}/t/acme/v1", api_key="no", max_retries=0
        ).chat.completions.create(**chat_body())
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(
            base_url=f"{proxy.url}/t/acme", api_key="no", max_retries=0
        ).messages.create(model=CLAUDE, max_tokens=5, messages=HI)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "no")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        use_bedrock(f"{proxy.url}/t/acme")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (401, 403)
    assert "UnrecognizedClientException" == caught.value.response["Error"]["Code"]
