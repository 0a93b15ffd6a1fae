"""Who may call a simulator that was given keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import Simulator, fetch
from tests.harness.sdks import bedrock_client

ASKED: dict[str, Any] = {
    "modelId": "arn:aws:bedrock:us-east-1:1:inference-profile/mock-small",
    "messages": [{"role": "user", "content": [{"text": "Where is it?"}]}],
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulator with keys of its own."""
    folder = tmp_path_factory.mktemp("guarded")
    with Simulator(folder, "--key", "sk-real", "--aws-key", "AKIDREAL:the/secret") as simulator:
        yield simulator


def _converse(url: str, key_id: str, secret: str) -> int:
    client = bedrock_client(url, key_id, secret)
    try:
        answer = client.converse(**ASKED)
    except ClientError as refused:
        return int(refused.response["ResponseMetadata"]["HTTPStatusCode"])
    finally:
        client.close()
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def test_signature_of_the_sdk_is_accepted(guarded: Simulator) -> None:
    """An ARN in the path is encoded, and encoded once more in what is signed."""
    assert _converse(guarded.url, "AKIDREAL", "the/secret") == 200


@pytest.mark.parametrize(
    ("key_id", "secret", "kind"),
    [
        ("AKIDREAL", "another", "InvalidSignatureException"),
        ("AKIDOTHER", "the/secret", "UnrecognizedClientException"),
    ],
)
def test_wrong_key_pair_is_refused(guarded: Simulator, key_id: str, secret: str, kind: str) -> None:
    """With the code that the SDK knows it by."""
    client = bedrock_client(guarded.url, key_id, secret)
    with pytest.raises(ClientError) as caught:
        client.converse(**ASKED)
    client.close()
    assert caught.value.response["Error"]["Code"] == kind
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize(
    ("changed", "status"), [({}, 200), ({"x-amz-date": "20200101T000000Z"}, 403)]
)
def test_signature_is_checked_over_what_was_sent(
    guarded: Simulator, changed: dict[str, str], status: int
) -> None:
    """A recorded call is good once more, and not with another date."""
    _converse(guarded.url, "AKIDREAL", "the/secret")
    recorded = guarded.requests(1)[0]
    headers = {name.lower(): value for name, value in recorded["headers"]} | changed
    answer = fetch(guarded.url + recorded["target"], "POST", recorded["body"], headers)
    assert answer.status == status
    spoiled = fetch(guarded.url + recorded["target"], "POST", recorded["body"][:-1] + b" ", headers)
    assert spoiled.status == 403


def test_api_keys_are_checked_in_each_shape(guarded: Simulator) -> None:
    """Bearer or x-api-key; a wrong one is refused in the shape's own words."""
    body = {
        "model": "mock-small",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "x"}],
    }
    for key, status in (("sk-real", 200), ("sk-other", 401)):
        url = guarded.url + "/v1/messages"
        for given in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}):
            headers = {"anthropic-version": "2023-06-01"} | given
            assert fetch(url, "POST", body, headers).status == status
        chat = fetch(
            guarded.base_url + "/chat/completions",
            "POST",
            body,
            {"authorization": f"Bearer {key}"},
        )
        assert chat.status == status
    bearer = fetch(guarded.url + "/model/mock-small/converse", "POST", ASKED)
    assert (bearer.status, bearer.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")


def test_key_pair_without_a_secret_is_no_option(tmp_path: Path) -> None:
    """A mistake in a test must be loud."""
    with pytest.raises(AssertionError):
        Simulator(tmp_path, "--aws-key", "AKID").start()
