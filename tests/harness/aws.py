"""AWS as callers and upstreams see it: an endpoint that verifies signatures with botocore, requests
signed by botocore, and a machine whose credentials are renewed every few seconds.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.harness.client import Answer, fetch

REGION = "us-east-1"
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12},
    "metrics": {"latencyMs": 1},
}
CHATTED = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "mock-small",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
    ],
    "usage": USAGE,
}


def secret_of(access_key_id: str) -> str:
    """The secret of each pair that the endpoint knows: all of them."""
    return f"secret-of-{access_key_id}"


def expected_signature(
    method: str, path: str, headers: Mapping[str, str], body: bytes, secret: str
) -> str:
    """What botocore computes for a request as it was received."""
    fields = {name.lower(): value for name, value in headers.items()}
    words = fields["authorization"].replace(",", "").split()
    access_key_id, _, region, service, _ = words[1].removeprefix("Credential=").split("/")
    signed = words[2].removeprefix("SignedHeaders=").split(";")
    request = AWSRequest(
        method,
        f"http://{fields['host']}{path}",
        headers={name: fields[name] for name in signed},
        data=body,
    )
    request.context["timestamp"] = fields["x-amz-date"]
    auth = SigV4Auth(Credentials(access_key_id, secret), service, region)
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    signature: str = auth.signature(to_sign, request)
    return signature


class AwsEndpoint:
    """Answers what is signed well and remembers all it saw; 403 to everything else."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []  # path, fields, body
        self.refused = 0
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                endpoint._answer(self)

            def log_message(self, *_: Any) -> None:
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> AwsEndpoint:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def access_key_ids(self) -> set[str]:
        """Who signed what was answered."""
        return {fields["authorization"].split("=")[1].split("/")[0] for _, fields, _ in self.seen}

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        fields = {name.lower(): value for name, value in request.headers.items()}
        body = request.rfile.read(int(fields.get("content-length", "0")))
        is_good = self._is_good(request.command, request.path, fields, body)
        if is_good:
            self.seen.append((request.path, fields, body))
        else:
            self.refused += 1
        answer = CHATTED if "chat/completions" in request.path else CONVERSED
        content = json.dumps(answer if is_good else {"message": "bad signature"}).encode()
        request.send_response(200 if is_good else 403)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _is_good(self, method: str, path: str, fields: dict[str, str], body: bytes) -> bool:
        authorization = fields.get("authorization", "")
        if not authorization.startswith("AWS4-HMAC-SHA256 Credential="):
            return False
        access_key_id = authorization.split("=")[1].split("/")[0]
        secret = secret_of(access_key_id)
        expected = expected_signature(method, path, fields, body, secret)
        return authorization.endswith(f"Signature={expected}")


def post_signed(
    url: str,
    body: dict[str, Any],
    access_key_id: str,
    secret: str,
    headers: dict[str, str] | None = None,
    *,
    sent_url: str | None = None,
    sent_body: bytes | None = None,
    added: dict[str, str] | None = None,
) -> Answer:
    """POST what botocore signed; `sent_url`, `sent_body` and `added` alter it afterwards."""
    data = json.dumps(body).encode()
    given = {"content-type": "application/json"} | (headers or {})
    request = AWSRequest("POST", url, headers=given, data=data)
    SigV4Auth(Credentials(access_key_id, secret), "bedrock", REGION).add_auth(request)
    fields = {name.lower(): value for name, value in request.headers.items()} | (added or {})
    return fetch(sent_url or url, "POST", sent_body or data, fields)


def machine(folder: Path, *, lifetime_s: int = 0) -> dict[str, str]:
    """The environment of a machine with a profile whose credentials live so long; 0: no profile.

    Each time they are asked for, they are others.
    """
    config = folder / "aws-config"
    if lifetime_s:
        program = folder / "credentials.sh"
        program.write_text(
            "#!/bin/sh\n"
            "id=ID$(date +%s%N)\n"
            f"end=$(date -u -d '+{lifetime_s} seconds' +%Y-%m-%dT%H:%M:%SZ)\n"
            'printf \'{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"secret-of-%s",'
            '"SessionToken":"token-of-%s","Expiration":"%s"}\' $id $id $id $end\n'
        )
        program.chmod(0o700)
        config.write_text(f"[default]\ncredential_process = {program}\n")
    else:
        config.write_text("[default]\n")
    return {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
