"""Signatures on both sides: callers that sign with pairs of ours, an upstream that only takes what
is signed with AWS credentials."""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest

from s4fw.config.sigv4 import sigv4_secret
from tests.harness import (
    Firewall,
    Simulator,
    chat_body,
    fetch,
    firewall_config,
    quiesce,
    wait_until,
)
from tests.harness.aws import REGION, AwsEndpoint, machine, post_signed, secret_of

MASTER = "m" * 44
ID = "S4FWBOTBOT"
PATH = "/openai/v1/chat/completions"
ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "10", "visible": True}]


@pytest.fixture
def aws() -> Iterator[AwsEndpoint]:
    """An upstream that verifies signatures."""
    with AwsEndpoint() as endpoint:
        yield endpoint


def config(aws: AwsEndpoint, *, is_keyed: bool = False, **upstream: Any) -> dict[str, Any]:
    """One upstream of Bedrock's, at the endpoint."""
    made = firewall_config(
        aws.url, ALL, upstreams={}, server={"workers": 2, "sigv4_master": MASTER}
    )
    made["upstreams"] = {"bedrock": {"base_url": aws.url, "region": REGION} | upstream}
    if is_keyed:
        made["keys"] = [{"id": "bot", "tenant": "acme", "access_key_id": ID}]
    return made


def fixed(access_key_id: str = "FIXED") -> dict[str, Any]:
    """Credentials that stand in the configuration."""
    return {"access_key_id": access_key_id, "secret_access_key": secret_of(access_key_id)}


def signed(proxy: Firewall, secret: str | None = None, **more: Any) -> Any:
    """A caller's request, signed with its pair."""
    secret = sigv4_secret(MASTER, ID) if secret is None else secret
    return post_signed(proxy.url + PATH, chat_body(), ID, secret, **more)


def test_caller_that_signs_is_let_in_and_the_upstream_sees_our_signature(
    aws: AwsEndpoint, firewall: Callable[..., Firewall]
) -> None:
    """Nothing of the caller's credential leaves, and AWS accepts what is sent in its place."""
    proxy = firewall(config(aws, is_keyed=True, credentials=fixed()))
    answer = signed(proxy, headers={"x-amzn-bedrock-trace": "ENABLED"})
    assert 200 == answer.status, answer.body
    path, fields, body = aws.seen[0]
    assert PATH == path
    assert chat_body() == json.loads(body)
    assert "ENABLED" == fields["x-amzn-bedrock-trace"]
    assert {"FIXED"} == aws.access_key_ids
    assert ID not in str(fields)
    assert quiesce(proxy).one("all")["spent_nusd"] > 0


def test_altered_requests_of_a_caller_are_refused_and_nothing_is_sent(
    aws: AwsEndpoint, firewall: Callable[..., Firewall]
) -> None:
    """Wrong secret, body, path, label of the path, unsigned fields: 401, and no cent is held."""
    proxy = firewall(config(aws, is_keyed=True, credentials=fixed()))
    other = json.dumps(chat_body(content="Tell me a joke.")).encode()
    answers = [
        signed(proxy, secret=sigv4_secret(MASTER, "S4FWELSE")),
        signed(proxy, sent_body=other),
        signed(proxy, sent_url=proxy.url + "/v1/chat/completions"),
        signed(proxy, sent_url=proxy.url + "/s/another" + PATH),
        signed(proxy, added={"x-amzn-bedrock-service-tier": "priority"}),
        signed(proxy, added={"host": "elsewhere"}),
        signed(proxy, added={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
        signed(proxy, added={"x-amz-date": "20200101T000000Z"}),
    ]
    codes = {(answer.status, answer.json()["error"]["code"]) for answer in answers}
    assert {(401, "invalid_signature")} == codes
    assert [] == aws.seen
    assert 0 == quiesce(proxy).one("all")["used_nusd"]


def test_prefix_in_the_path_is_part_of_what_is_signed(
    aws: AwsEndpoint, firewall: Callable[..., Firewall]
) -> None:
    """SDKs sign the whole path of their endpoint URL; what is sent upstream has none of it."""
    made = config(aws, is_keyed=True, credentials=fixed())
    made["keys"][0]["may_set"] = ["feature"]
    proxy = firewall(made)
    url = proxy.url + "/f/search" + PATH
    answer = post_signed(url, chat_body(), ID, sigv4_secret(MASTER, ID))
    assert 200 == answer.status, answer.body
    assert PATH == aws.seen[0][0]


def test_anonymous_caller_with_its_own_aws_credentials_is_signed_for_by_us(
    aws: AwsEndpoint, firewall: Callable[..., Firewall]
) -> None:
    """On loopback without `keys`: its signature was made for our host, so it is replaced."""
    proxy = firewall(config(aws, credentials=fixed() | {"session_token": "token"}))
    answer = post_signed(proxy.url + PATH, chat_body(), "AKIAIOSFODNN7EXAMPLE", "anything")
    assert 200 == answer.status, answer.body
    assert {"FIXED"} == aws.access_key_ids
    assert "token" == aws.seen[0][1]["x-amz-security-token"]


def test_api_key_of_the_upstream_is_sent_as_a_bearer_key(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """A Bedrock API key needs no signature."""
    made = firewall_config(simulator, ALL)
    made["upstreams"] = {"bedrock": {"base_url": simulator.url, "api_key": "bedrock-api-key-1"}}
    proxy = firewall(made)
    fetch(proxy.url + PATH, "POST", chat_body())
    fields = {name.lower(): value for name, value in simulator.requests()[0]["headers"]}
    assert "Bearer bedrock-api-key-1" == fields["authorization"]
    assert "x-amz-date" not in fields


def wait_looked(proxy: Firewall) -> None:
    """Until the steward has looked for credentials and told the workers what it found."""
    wait_until(
        lambda: any(e["kind"] == "credentials" for e in proxy.admin("/v1/events")["events"]),
        "the steward has looked",
    )


def test_no_credentials_are_said_and_nothing_is_held(
    aws: AwsEndpoint, firewall: Callable[..., Firewall], tmp_path: Path
) -> None:
    """The caller hears what is missing, the operator sees an event; nothing else is unready."""
    proxy = firewall(config(aws), env=machine(tmp_path))
    wait_looked(proxy)
    answer = post_signed(proxy.url + PATH, chat_body(), "AKIAIOSFODNN7EXAMPLE", "anything")
    assert (503, "upstream_credentials_missing") == (
        answer.status,
        answer.json()["error"]["code"],
    )
    assert "instance role" in answer.json()["error"]["message"]
    assert "retry-after" in answer.headers
    assert 200 == fetch(proxy.url + "/readyz").status
    assert [] == aws.seen
    assert 0 == quiesce(proxy).one("all")["used_nusd"]


def test_bedrock_key_of_an_anonymous_caller_passes_where_there_is_nothing_of_ours(
    simulator: Simulator, firewall: Callable[..., Firewall], tmp_path: Path
) -> None:
    """A developer with a key of its own needs no role on the laptop."""
    made = firewall_config(simulator, ALL)
    made["upstreams"] = {"bedrock": {"base_url": simulator.url, "region": REGION}}
    proxy = firewall(made, env=machine(tmp_path))
    wait_looked(proxy)
    fetch(proxy.url + PATH, "POST", chat_body(), {"authorization": "Bearer own-bedrock-key"})
    fields = {name.lower(): value for name, value in simulator.requests()[0]["headers"]}
    assert "Bearer own-bedrock-key" == fields["authorization"]


def is_signing(proxy: Firewall) -> bool:
    """Whether both workers have credentials, by asking often enough."""
    return all(200 == fetch(proxy.url + PATH, "POST", chat_body()).status for _ in range(8))


def test_renewed_credentials_are_used_without_a_lost_request_and_written_nowhere(
    aws: AwsEndpoint, firewall: Callable[..., Firewall], tmp_path: Path
) -> None:
    """They live for seconds here, for hours there; no file, log or command shows them."""
    proxy = firewall(config(aws), env=machine(tmp_path, lifetime_s=5))
    wait_until(lambda: is_signing(proxy), "requests are signed", timeout_s=10)
    first = aws.access_key_ids
    statuses: list[int] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            statuses.append(fetch(proxy.url + PATH, "POST", chat_body()).status)

    callers = [threading.Thread(target=ask) for _ in range(2)]
    for caller in callers:
        caller.start()
    wait_until(lambda: len(aws.access_key_ids - first) >= 3, "they changed", timeout_s=10)
    is_over.set()
    for caller in callers:
        caller.join()
    assert {200} == set(statuses)
    assert 0 == aws.refused
    for file in proxy.folder.rglob("*"):
        if file.is_file():
            assert b"secret-of-" not in file.read_bytes(), file
    for pid in proxy.tree():
        assert b"secret-of-" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_worker_that_was_killed_is_replaced_by_one_that_signs(
    aws: AwsEndpoint, firewall: Callable[..., Firewall], tmp_path: Path
) -> None:
    """Its predecessor had read the last message: the new one asks for the credentials."""
    proxy = firewall(config(aws), env=machine(tmp_path, lifetime_s=3600))
    wait_until(lambda: is_signing(proxy), "requests are signed", timeout_s=10)
    for _ in range(2):
        proxy.kill_worker()
        proxy.wait_workers()
    wait_until(lambda: is_signing(proxy), "requests are signed again")


def test_secret_of_the_environment_is_not_in_the_workers(
    aws: AwsEndpoint, firewall: Callable[..., Firewall], tmp_path: Path
) -> None:
    """What a worker signs with it got from the steward; a crash report of it shows nothing more."""
    env = {"AWS_ACCESS_KEY_ID": "ENVID", "AWS_SECRET_ACCESS_KEY": secret_of("ENVID")}
    proxy = firewall(config(aws), env=machine(tmp_path) | env)
    wait_until(lambda: is_signing(proxy), "requests are signed", timeout_s=10)
    assert {"ENVID"} == aws.access_key_ids
    for pid in proxy.pids():
        assert b"secret-of-" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_reload_takes_other_credentials(
    aws: AwsEndpoint, firewall: Callable[..., Firewall]
) -> None:
    """A fixed pair is changed as everything else is."""
    proxy = firewall(config(aws, credentials=fixed("OLDER")))
    assert is_signing(proxy)
    proxy.reload(config(aws, credentials=fixed("NEWER")))
    deadline_s = time.monotonic() + 5
    while "NEWER" not in aws.access_key_ids:
        assert time.monotonic() < deadline_s
        assert 200 == fetch(proxy.url + PATH, "POST", chat_body()).status


MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"


def boto(proxy: Firewall, access_key_id: str = ID, secret: str | None = None) -> Any:
    """The client of an application, with a label in its endpoint URL."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=proxy.url + "/s/run-1",
        region_name="eu-west-1",
        aws_access_key_id=access_key_id,
        aws_secret_access_key=sigv4_secret(MASTER, ID) if secret is None else secret,
        aws_session_token=None,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


def converse(client: Any, model: str = MODEL) -> Any:
    """One short question."""
    messages = [{"role": "user", "content": [{"text": "Hello?"}]}]
    return client.converse(modelId=model, messages=messages, inferenceConfig={"maxTokens": 50})


@pytest.mark.parametrize("model", [MODEL, PROFILE])
def test_boto3_converses_with_a_pair_of_ours(
    aws: AwsEndpoint, firewall: Callable[..., Firewall], model: str
) -> None:
    """The real client over plain http: model ids with colons, ARNs with slashes."""
    made = config(aws, is_keyed=True, credentials=fixed(), profiles={PROFILE: MODEL})
    proxy = firewall(made)
    answer = converse(boto(proxy), model)
    assert 3 == answer["usage"]["outputTokens"]
    quoted = urllib.parse.quote(model, safe="")
    assert [f"/model/{quoted}/converse"] == [path for path, _, _ in aws.seen]
    assert {"FIXED"} == aws.access_key_ids
    assert quiesce(proxy).one("all")["spent_nusd"] > 0


def test_boto3_raises_once_with_the_reason(
    aws: AwsEndpoint, firewall: Callable[..., Firewall]
) -> None:
    """Each wrong credential is the exception that AWS itself would raise for it."""
    proxy = firewall(config(aws, is_keyed=True, credentials=fixed()))
    for access_key_id, secret, code, words in (
        (ID, "wrong", "InvalidSignatureException", "secret access key is another one"),
        ("AKIAIOSFODNN7EXAMPLE", "any", "UnrecognizedClientException", "s4fw keys sigv4"),
        ("S4FWNOBODY", "any", "UnrecognizedClientException", "not known"),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as raised:
            converse(boto(proxy, access_key_id, secret))
        assert (403, code) == (
            raised.value.response["ResponseMetadata"]["HTTPStatusCode"],
            raised.value.response["Error"]["Code"],
        )
        assert words in str(raised.value)
    assert [] == aws.seen
    assert 0 == quiesce(proxy).one("all")["used_nusd"]
