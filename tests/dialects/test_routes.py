"""Which paths are governed: exactly those of the table, by their raw bytes."""

import json

import pytest

from s4fw.core.dialect import Route
from s4fw.core.verdict import Block
from s4fw.dialects import ROUTES, match, refusal_for


def test_match_every_declared_route_is_found() -> None:
    """The table is the whole truth of what is forwarded."""
    for path, methods in ROUTES.items():
        for method, route in methods.items():
            assert route is match(method, path)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"])
def test_match_other_method_on_a_metered_path_is_405_with_allow(method: bytes) -> None:
    """A method-specific hole would be a way around the meter."""
    block = match(method, b"/v1/chat/completions")
    assert isinstance(block, Block)
    assert ("method_not_allowed", "POST") == (block.code.name, block.allow)
    status, headers, _ = refusal_for(b"/v1/chat/completions", block, "fw_1")
    assert 405 == status
    assert ("allow", "POST") in headers


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/v1/chat/completions/",
        b"//v1/chat/completions",
        b"/V1/chat/completions",
        b"/v1/chat%2fcompletions",
        b"/v1/batches",
        b"/v1/images/generations",
        b"/v1/realtime",
        b"/v1/engines/gpt-4/completions",
        b"/openai/deployments/d/images/generations",
        b"/openai/deployments/a/b/chat/completions",
        b"/openai/deployments/a%2fb/chat/completions",
        b"/openai/deployments//chat/completions",
        b"/v1/deployments/d/chat/completions",
        b"/v1/responses/compact",
        b"/v1/responses/resp_1/compact",
        b"/v1/responses/other",
        b"/v1/models/a/b",
        b"*",
    ],
)
def test_match_unknown_path_is_not_governed(path: bytes) -> None:
    """Default deny: what cannot be metered is not forwarded."""
    block = match(b"POST", path)
    assert isinstance(block, Block)
    assert "endpoint_not_governed" == block.code.name


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/chat/completions%0d%0aX-Evil:1",
        b"/v1/chat/completions%00",
        b"/v1/models/../chat/completions",
        b"/v1/models/%2e%2e/x",
        b"/v1/models/..",
        b"/v1/models/a%5c..",
        b"/v1/./models",
        b"/v1/models/\x7f",
    ],
)
def test_match_path_that_another_server_might_rewrite_is_400(path: bytes) -> None:
    """Encoded line ends and dot segments are attacks, not typing mistakes."""
    block = match(b"GET", path)
    assert isinstance(block, Block)
    assert 400 == block.code.status


def test_match_model_by_id_passes_without_money() -> None:
    """SDKs look models up; that is free."""
    route = match(b"GET", b"/v1/models/gpt-4o-2024-08-06")
    assert isinstance(route, Route)
    assert not route.is_metered
    assert b"/v1/models/gpt-4o-2024-08-06" == route.upstream_path


@pytest.mark.parametrize("path", [b"/v1/models", b"/v1/models/claude-opus-5"])
def test_match_models_go_to_the_provider_whose_version_is_named(path: bytes) -> None:
    """Two providers list their models under one path; only one of them versions every request."""
    for headers, name in (({}, "openai"), ({b"anthropic-version": b"2023-06-01"}, "anthropic")):
        route = match(b"GET", path, headers)
        assert isinstance(route, Route)
        assert (f"{name}.models", name, path, False) == (
            route.name,
            route.provider,
            route.upstream_path,
            route.is_metered,
        )


def test_match_count_of_tokens_is_free_and_reaches_the_counter_only() -> None:
    """Its body may hold anything: whatever it says, nothing is generated there."""
    route = match(b"POST", b"/v1/messages/count_tokens")
    assert isinstance(route, Route)
    assert (False, b"/v1/messages/count_tokens") == (route.is_metered, route.upstream_path)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (b"/v1/messages/batches", {}),
        (b"/v1/messages", {}),
        (b"/v1/complete", {}),
        (b"/anthropic/v1/messages/batches", {}),
        (b"/v1/files", {b"anthropic-version": b"2023-06-01"}),
    ],
)
def test_refusal_of_a_path_of_anthropic_is_in_its_envelope(
    path: bytes, headers: dict[bytes, bytes]
) -> None:
    """A refusal before there is a route is typed for the SDK that most likely asks."""
    block = match(b"DELETE", path, headers)
    assert isinstance(block, Block)
    _, fields, body = refusal_for(path, block, "fw_1", headers)
    assert ("request-id", "fw_1") in fields
    assert "error" == json.loads(body)["type"]


def test_refusal_is_the_envelope_that_the_sdk_reads() -> None:
    """Status, typed body and headers as measured against the real clients."""
    block = match(b"POST", b"/v1/batches")
    assert isinstance(block, Block)
    status, headers, body = refusal_for(b"/v1/batches", block, "fw_1")
    error = json.loads(body)["error"]
    assert 403 == status
    assert ("x-should-retry", "false") in headers
    assert ("x-s4fw-reason", "endpoint_not_governed") in headers
    assert "endpoint_not_governed" == error["code"]
    assert {"decision": "block", "code": "endpoint_not_governed", "request_id": "fw_1"} == error[
        "s4fw"
    ]
    assert error["message"].startswith("S4 Firewall: ")


SONNET = b"/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"


def test_match_model_in_the_path_is_bedrocks() -> None:
    """The path names what is priced, and is encoded again by us."""
    route = match(b"POST", SONNET.replace(b"%3A", b":") + b"/converse")
    assert isinstance(route, Route)
    assert ("bedrock.converse", "us.anthropic.claude-sonnet-4-5-20250929-v1:0") == (
        route.name,
        route.model,
    )
    assert SONNET + b"/converse" == route.upstream_path


@pytest.mark.parametrize(
    ("code", "method", "path"),
    [
        ("method_not_allowed", b"GET", SONNET + b"/converse"),
        ("endpoint_not_governed", b"POST", b"/async-invoke"),
        ("endpoint_not_governed", b"POST", SONNET + b"/invoke-with-bidirectional-stream"),
        ("invalid_request_error", b"POST", b"/model/%2e%2e/converse"),
        ("invalid_request_error", b"POST", b"/model/../converse"),
    ],
)
def test_match_refused_path_of_bedrock_has_its_envelope(
    code: str, method: bytes, path: bytes
) -> None:
    """botocore picks the class by a header field and prints the message only."""
    block = match(method, path)
    assert isinstance(block, Block)
    assert code == block.code.name
    _, headers, body = refusal_for(path, block, "fw_1")
    assert "x-amzn-errortype" in dict(headers)
    assert json.loads(body)["message"].startswith("S4 Firewall: ")


@pytest.mark.parametrize(
    ("method", "path", "name", "provider", "model", "is_metered"),
    [
        ("POST", "/v1/responses", "openai.responses", "openai", "", True),
        ("POST", "/v1/completions", "openai.completions", "openai", "", True),
        ("POST", "/v1/embeddings", "openai.embeddings", "openai", "", True),
        ("POST", "/openai/v1/chat/completions", "openai.chat", "bedrock", "", True),
        ("POST", "/openai/v1/responses", "openai.responses", "bedrock", "", True),
        ("POST", "/openai/responses", "openai.responses", "openai", "", True),
        ("POST", "/openai/deployments/d-1/chat/completions", "openai.chat", "openai", "d-1", True),
        ("POST", "/openai/deployments/d/completions", "openai.completions", "openai", "d", True),
        ("POST", "/openai/deployments/d/embeddings", "openai.embeddings", "openai", "d", True),
        ("POST", "/v1/responses/input_tokens", "openai.input_tokens", "openai", "", False),
        ("POST", "/v1/moderations", "openai.moderations", "openai", "", False),
        ("GET", "/v1/responses/resp_1", "openai.response", "openai", "", False),
        ("DELETE", "/v1/responses/resp_1", "openai.response", "openai", "", False),
        ("GET", "/v1/responses/resp_1/input_items", "openai.response", "openai", "", False),
        ("POST", "/v1/responses/resp_1/cancel", "openai.response", "openai", "", False),
        ("GET", "/openai/v1/responses/resp_1", "openai.response", "bedrock", "", False),
        ("GET", "/openai/v1/models", "openai.models", "bedrock", "", False),
    ],
)
def test_match_openai_shapes_on_every_providers_paths(
    method: str, path: str, name: str, provider: str, model: str, is_metered: bool
) -> None:
    """Only what generates is metered; a deployment in the path is the model."""
    route = match(method.encode(), path.encode())
    assert isinstance(route, Route)
    assert (name, provider, model, is_metered, path.encode()) == (
        route.name,
        route.provider,
        route.model,
        route.is_metered,
        route.upstream_path,
    )


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/responses/resp_1", "DELETE, GET"),
        ("DELETE", "/v1/responses/resp_1/input_items", "GET"),
        ("GET", "/v1/responses/resp_1/cancel", "POST"),
        ("GET", "/v1/responses/input_tokens", "POST"),
        ("GET", "/openai/deployments/d/embeddings", "POST"),
    ],
)
def test_match_other_method_on_a_named_path_is_405(method: str, path: str, allowed: str) -> None:
    """What another method does there is not known to be free."""
    block = match(method.encode(), path.encode())
    assert isinstance(block, Block)
    assert ("method_not_allowed", allowed) == (block.code.name, block.allow)
