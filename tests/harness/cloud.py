"""CloudWatch on this machine: moto as a server of its own, and what stands in the way of it."""

from __future__ import annotations

import http.client
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"


class Cloud:
    """What arrived, and the environment that leads any AWS SDK to it.

    `faults` are answers that the next calls get instead of CloudWatch's: a status and the code of
    an error.
    """

    def __init__(self, url: str, behind: tuple[str, int]) -> None:
        self.behind = behind
        self.faults: deque[tuple[int, str]] = deque()
        self.calls: list[int] = []  # the size of each call's body
        self.env = {
            "AWS_ENDPOINT_URL_CLOUDWATCH": url,
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._client: Any = boto3.client(
            "cloudwatch",
            region_name=REGION,
            endpoint_url=f"http://{behind[0]}:{behind[1]}",
            aws_access_key_id="AKIATEST",
            aws_secret_access_key="secret",
        )

    def metrics(self, namespace: str) -> set[tuple[str, ...]]:
        """Names of metrics, each with the values of its dimensions."""
        found = self._client.get_paginator("list_metrics").paginate(Namespace=namespace)
        return {
            (m["MetricName"], *(d["Value"] for d in m["Dimensions"]))
            for page in found
            for m in page["Metrics"]
        }

    def total(self, namespace: str, name: str, **dimensions: str) -> float:
        """The sum of a metric over the last hours."""
        from datetime import UTC, datetime, timedelta

        now = datetime.now(UTC)
        answer = self._client.get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": n.capitalize(), "Value": v} for n, v in dimensions.items()],
            StartTime=now - timedelta(hours=2),
            EndTime=now + timedelta(hours=1),
            Period=3600 * 6,
            Statistics=["Sum"],
        )
        return sum(float(point["Sum"]) for point in answer["Datapoints"])

    def close(self) -> None:
        self._client.close()


@contextmanager
def cloud() -> Iterator[Cloud]:
    """A CloudWatch that is empty, behind a door that can fail."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    door = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    made = Cloud(f"http://127.0.0.1:{door.server_port}", server.get_host_and_port())
    door.cloud = made  # type: ignore[attr-defined]
    thread = threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        door.shutdown()
        door.server_close()
        thread.join()
        made.close()
        server.stop()


class _Door(BaseHTTPRequestHandler):
    """Passes a call on, or answers it with a fault."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        cloud: Cloud = self.server.cloud  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["content-length"]))
        cloud.calls.append(len(body))
        if cloud.faults:
            self._refuse(*cloud.faults.popleft())
            return
        connection = http.client.HTTPConnection(*cloud.behind)
        connection.request("POST", self.path, body, dict(self.headers))
        answer = connection.getresponse()
        data = answer.read()
        self._answer(answer.status, answer.headers["content-type"] or "", data, answer.headers)
        connection.close()

    def _refuse(self, status: int, code: str) -> None:
        xml = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
            f"<Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        )
        fields = {"x-amzn-query-error": f"{code};Sender", "x-amzn-errortype": code}
        self._answer(status, "text/xml", xml.encode(), fields)

    def _answer(self, status: int, kind: str, data: bytes, fields: Any) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        for name in ("smithy-protocol", "x-amzn-query-error", "x-amzn-errortype"):
            if fields.get(name):
                self.send_header(name, fields[name])
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
