"""AWS's SDK: converse and invoke, signed over http; converse with a Bearer key over TLS."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError, ReadTimeoutError

from tests.sdk.ask import OUTPUT_TOKENS_MAX, RULES, TOOL_NAME, TOOL_SCHEMA, Ask, Door, Problem, Seen
from tests.sdk.clients.anthropic_sdk import claude_body
from tests.sdk.clients.client import Client, note

REGION = "us-east-1"
_BEARER = "AWS_BEARER_TOKEN_BEDROCK"


@functools.cache
def _session() -> boto3.Session:
    """One for all clients: it reads the models of the API, which takes longer than most tests."""
    return boto3.Session(region_name=REGION)


class BedrockSdk(Client):
    """What both calls of the SDK share."""

    dialect = "bedrock"
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    classes = {
        401: "ClientError",  # its code has no class
        402: "ServiceQuotaExceededException",
        403: "AccessDeniedException",
        429: "ThrottlingException",
        502: "ModelErrorException",
        503: "ServiceUnavailableException",
    }
    cut_class = "EventStreamError"
    timeout_class = "ReadTimeoutError"

    def run(self, door: Door, ask: Ask, seen: Seen) -> None:
        with self.client(door, ask) as client:
            client.meta.events.register("response-received.bedrock-runtime", _noting(seen))
            self.converse(client, ask, seen)

    def converse(self, client: Any, ask: Ask, seen: Seen) -> None:
        """Call and read the answer or all events of it."""
        raise NotImplementedError

    @contextmanager
    def client(self, door: Door, ask: Ask) -> Iterator[Any]:
        """A client that signs, with the retries that applications have."""
        with closing(
            _session().client(
                "bedrock-runtime",
                endpoint_url=door.url,
                aws_access_key_id=door.access_key_id,
                aws_secret_access_key=door.secret,
                config=_config(ask),
            )
        ) as client:
            yield client

    def problem(self, raised: Exception) -> Problem:
        if isinstance(raised, ReadTimeoutError):
            return Problem(type(raised).__name__, None, None, str(raised), None)
        if not isinstance(raised, ClientError | EventStreamError):
            raise raised
        error, meta = raised.response["Error"], raised.response.get("ResponseMetadata", {})
        return Problem(
            type(raised).__name__,
            meta.get("HTTPStatusCode"),
            error["Code"],
            error["Message"],
            meta.get("RequestId"),
        )


def _config(ask: Ask) -> Config:
    retries = {} if ask.retries is None else {"total_max_attempts": ask.retries + 1}
    return Config(read_timeout=ask.timeout_s, retries={"mode": "standard", **retries})


def _noting(seen: Seen) -> Any:
    def hook(response_dict: dict[str, Any] | None, **_: Any) -> None:
        if response_dict is not None:
            note(seen, response_dict["status_code"], response_dict["headers"])

    return hook


class Converse(BedrockSdk):
    """`client.converse` and `client.converse_stream`."""

    name = "boto3.converse"

    def converse(self, client: Any, ask: Ask, seen: Seen) -> None:
        arguments = self._arguments(ask)
        if not ask.is_streamed:
            answer = client.converse(**arguments)
            seen.usage = answer["usage"]
            for block in answer["output"]["message"]["content"]:
                seen.text += block.get("text", "")
                if "toolUse" in block:
                    seen.tool = (block["toolUse"]["name"], block["toolUse"]["input"])
            return
        with closing(client.converse_stream(**arguments)["stream"]) as stream:
            for event in stream:
                self._read_event(event, seen)

    def _arguments(self, ask: Ask) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "modelId": ask.model or self.model,
            "messages": [{"role": "user", "content": [{"text": ask.text}]}],
            "inferenceConfig": {"maxTokens": OUTPUT_TOKENS_MAX},
        }
        if ask.has_rules:
            arguments["system"] = [{"text": RULES}, {"cachePoint": {"type": "default"}}]
        if ask.has_tool:
            spec = {"name": TOOL_NAME, "inputSchema": {"json": TOOL_SCHEMA}}
            arguments["toolConfig"] = {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}}
        if ask.is_unbounded:
            arguments["guardrailConfig"] = {
                "guardrailIdentifier": "abcdef123456",
                "guardrailVersion": "1",
            }
        return arguments

    def _read_event(self, event: dict[str, Any], seen: Seen) -> None:
        seen.pieces += 1
        if "contentBlockStart" in event:
            seen.tool = (event["contentBlockStart"]["start"]["toolUse"]["name"], "")
        elif "contentBlockDelta" in event:
            delta = event["contentBlockDelta"]["delta"]
            seen.text += delta.get("text", "")
            if seen.tool is not None and "toolUse" in delta:
                seen.tool = (seen.tool[0], seen.tool[1] + delta["toolUse"]["input"])
        elif "contentBlockStop" in event and seen.tool is not None:
            seen.tool = (seen.tool[0], json.loads(seen.tool[1]))
        elif "metadata" in event:
            seen.usage = event["metadata"]["usage"]


class Invoke(BedrockSdk):
    """`client.invoke_model` and `client.invoke_model_with_response_stream`, with Claude's body."""

    name = "boto3.invoke"

    def converse(self, client: Any, ask: Ask, seen: Seen) -> None:
        arguments = {"modelId": ask.model or self.model, "body": self._body(ask)}
        if not ask.is_streamed:
            message = json.loads(client.invoke_model(**arguments)["body"].read())
            seen.usage = message["usage"]
            for block in message["content"]:
                seen.text += block.get("text", "")
                if block["type"] == "tool_use":
                    seen.tool = (block["name"], block["input"])
            return
        with closing(client.invoke_model_with_response_stream(**arguments)["body"]) as stream:
            for event in stream:
                seen.pieces += 1
                self._read_event(json.loads(event["chunk"]["bytes"]), seen)

    def _body(self, ask: Ask) -> bytes:
        body = claude_body(ask) | {"anthropic_version": "bedrock-2023-05-31"}
        if ask.is_unbounded:
            body["tools"] = [{"type": "web_search_20250305", "name": "web_search"}]
        return json.dumps(body).encode()

    def _read_event(self, event: dict[str, Any], seen: Seen) -> None:
        kind = event["type"]
        if kind == "message_start":
            seen.usage = event["message"]["usage"]
        elif kind == "content_block_start" and event["content_block"]["type"] == "tool_use":
            seen.tool = (event["content_block"]["name"], "")
        elif kind == "content_block_delta":
            delta = event["delta"]
            seen.text += delta.get("text", "")
            if seen.tool is not None:
                seen.tool = (seen.tool[0], seen.tool[1] + delta["partial_json"])
        elif kind == "content_block_stop" and seen.tool is not None:
            seen.tool = (seen.tool[0], json.loads(seen.tool[1]))
        elif kind == "message_delta":
            seen.usage = (seen.usage or {}) | event["usage"]


class BearerConverse(Converse):
    """Converse with a Bearer key, which the SDK refuses to send without TLS."""

    name = "boto3.bearer"
    over_tls = True

    @contextmanager
    def client(self, door: Door, ask: Ask) -> Iterator[Any]:
        if door.authority is None:  # the provider itself, without TLS
            with super().client(door, ask) as client:
                yield client
            return
        os.environ[_BEARER] = door.key  # the SDK looks for it there only, and at each call
        try:
            with closing(
                _session().client(
                    "bedrock-runtime",
                    endpoint_url=door.url,
                    config=_config(ask),
                    verify=door.authority,
                )
            ) as client:
                yield client
        finally:
            del os.environ[_BEARER]
