"""The model in the raw path: every form of its id, in every encoding, understood in one way."""

import urllib.parse

import pytest
from botocore.serialize import create_serializer  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]

from s4fw.core.dialect import Route
from s4fw.core.verdict import Block
from s4fw.dialects.bedrock.paths import Paths, is_one
from tests.dialects.bedrock.calls import BEDROCK
from tests.samples import sample

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:"
PROFILE = ARN + "application-inference-profile/a1b2c3d4e5f6"

# What the caller names -> what prices, budgets and people know it by.
KNOWN = {
    SONNET: SONNET,
    f"us.{SONNET}": f"us.{SONNET}",
    f"eu.{SONNET}": f"eu.{SONNET}",
    f"apac.{SONNET}": f"apac.{SONNET}",
    f"au.{SONNET}": f"au.{SONNET}",
    f"jp.{SONNET}": f"jp.{SONNET}",
    f"global.{SONNET}": f"global.{SONNET}",
    f"us-gov.{SONNET}": f"us-gov.{SONNET}",
    "openai.gpt-oss-120b-1:0": "openai.gpt-oss-120b-1:0",
    "anthropic.claude-opus-5-5": "anthropic.claude-opus-5-5",
    "minimax.minimax-m2.1": "minimax.minimax-m2.1",
    "my-model": "my-model",  # prices say whether there is one
    "arn:aws:bedrock:us-east-1::foundation-model/" + SONNET: SONNET,
    "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/" + SONNET: SONNET,
    f"{ARN}inference-profile/us.{SONNET}": f"us.{SONNET}",
    PROFILE: PROFILE,
}

REFUSED = {
    ARN + "prompt/ABCDEFGHIJ:1": "unbounded_request",
    ARN + "prompt-router/abc123def456": "unbounded_request",
    ARN + "default-prompt-router/anthropic.claude:1": "unbounded_request",
    ARN + "provisioned-model/abc123def456": "unknown_model",
    ARN + "imported-model/abc123def456": "unknown_model",
    ARN + f"custom-model/{SONNET}/abc123def456": "unknown_model",
    ARN + "custom-model-deployment/abc123def456": "unknown_model",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine": "unknown_model",
    "arn:aws:s3:us-east-1:123456789012:foundation-model/" + SONNET: "invalid_request_error",
    "arn:aws:sagemaker:us-east-1:123456789012:inference-profile/us." + SONNET: (
        "invalid_request_error"
    ),
    ARN + "inference-profile/opaque": "invalid_request_error",
    ARN + "inference-profile/us.anthropic/x": "invalid_request_error",
    ARN + "application-inference-profile/a/b": "invalid_request_error",
    ARN + "agent/abc": "invalid_request_error",
    "bedrock/us-east-1/" + SONNET: "invalid_request_error",
    "anthropic.claude:x": "invalid_request_error",
    "anthropic." + "x" * 200: "invalid_request_error",
    "a" * 3000: "invalid_request_error",
}


def encodings(name: str) -> list[str]:
    """As SDKs and people write it: all encoded, lower-case hex, colons raw, slashes raw, raw."""
    whole = urllib.parse.quote(name, safe="")
    return [
        whole,
        whole.replace("%3A", "%3a").replace("%2F", "%2f"),
        urllib.parse.quote(name, safe=":"),
        urllib.parse.quote(name, safe="/"),
        name,
    ]


@pytest.mark.parametrize("operation", ["converse", "invoke-with-response-stream"])
@pytest.mark.parametrize(("named", "model"), KNOWN.items())
def test_find_any_form_in_any_encoding_is_one_model(named: str, model: str, operation: str) -> None:
    """What is priced is what is called: the id is decoded once and encoded again by us."""
    for written in encodings(named):
        route = Paths(BEDROCK).find(f"/model/{written}/{operation}".encode())
        assert isinstance(route, Route)
        assert model == route.model
        expected = f"/model/{urllib.parse.quote(named, safe='')}/{operation}"
        assert expected.encode() == route.upstream_path
        assert ("bedrock." + operation, "bedrock", True) == (
            route.name,
            route.provider,
            route.is_metered,
        )


@pytest.mark.parametrize(("named", "code"), REFUSED.items())
def test_find_what_has_no_price_by_the_token_is_refused(named: str, code: str) -> None:
    """An unknown thing behind an ARN costs what nobody held."""
    for written in encodings(named):
        block = Paths(BEDROCK).find(f"/model/{written}/converse".encode())
        assert isinstance(block, Block)
        assert code == block.code.name


@pytest.mark.parametrize(
    "path",
    [
        f"/model/{SONNET}/invoke-with-bidirectional-stream",
        f"/model/{SONNET}/Converse",
        f"/model/{SONNET}/converse/",
        f"/model/{SONNET}",
        "/model/converse",
        "/model//converse",
        "/model/",
        "/model",
        "/async-invoke",
        "/async-invoke/arn%3Aaws",
        "/guardrail/abc/version/1/apply",
        "/guardrail-checks/invoke",
    ],
)
def test_find_other_operations_are_not_governed(path: str) -> None:
    """What cannot be metered is not forwarded, and refused as this SDK understands it."""
    block = Paths(BEDROCK).find(path.encode())
    assert isinstance(block, Block)
    assert "endpoint_not_governed" == block.code.name
    assert is_one(path.encode())


@pytest.mark.parametrize(
    "named",
    [
        "us%252Eanthropic.claude",
        f"us%25252E{SONNET}",
        f"{SONNET}%2Fconverse%3Fx",
        f"{SONNET}%0A",
        f"{SONNET}%00",
        f"{SONNET}%20",
        "..",
        f"../{SONNET}",
        f"{SONNET}/../x",
        f"%2e%2e%2f{SONNET}",
        f"{SONNET};x=1",
        f"{SONNET}%C3%A9",
        f"{SONNET}%",
        f"{SONNET}%4",
        f"/{SONNET}",
    ],
)
def test_find_what_a_server_might_decode_otherwise_is_refused(named: str) -> None:
    """A path that two servers read in two ways is a way around the cap."""
    block = Paths(BEDROCK).find(f"/model/{named}/converse".encode())
    assert isinstance(block, Block)
    assert "invalid_request_error" == block.code.name


@pytest.mark.parametrize("path", ["/v1/messages", "/models/x/converse", "/modelx", "/"])
def test_find_paths_of_others_are_left_to_them(path: str) -> None:
    """Other shapes have their own tables."""
    assert Paths(BEDROCK).find(path.encode()) is None


def test_find_count_tokens_is_free() -> None:
    """It generates nothing, so nothing is held for it."""
    route = Paths(BEDROCK).find(f"/model/{SONNET}/count-tokens".encode())
    assert isinstance(route, Route)
    assert not route.is_metered


@pytest.mark.parametrize("named", list(KNOWN))
def test_find_upstream_path_is_what_the_sdk_would_send(named: str) -> None:
    """The provider knows the path from its own SDK, and signatures are made over it."""
    session = Session()
    service = session.get_service_model("bedrock-runtime")
    operation = service.operation_model("Converse")
    made = create_serializer("rest-json").serialize_to_request({"modelId": named}, operation)
    route = Paths(BEDROCK).find(f"/model/{named}/converse".encode())
    assert isinstance(route, Route)
    assert made["url_path"].encode() == route.upstream_path


@pytest.mark.parametrize("folder", ["bedrock_converse", "bedrock_invoke"])
def test_find_request_line_of_the_samples_is_governed(folder: str) -> None:
    """Taken from a real client."""
    path = sample(f"{folder}/request_line.txt").split()[1]
    route = Paths(BEDROCK).find(path)
    assert isinstance(route, Route)
    assert f"us.{SONNET}" == route.model


def test_find_many_paths_keeps_few() -> None:
    """Paths come from callers, also from those who have no key."""
    paths = Paths(BEDROCK)
    for number in range(3000):
        assert isinstance(paths.find(f"/model/a.b{number}/converse".encode()), Route)
    assert 1024 >= len(paths._routes)
