"""An S3 bucket on this machine: moto as a server of its own, in a thread, on a free port."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"


class Bucket:
    """What is in it, and the environment that leads any AWS SDK to it."""

    def __init__(self, url: str) -> None:
        self.name = f"ledgers-{uuid.uuid4().hex[:12]}"  # what a server keeps is of the process
        self.env = {
            "AWS_ENDPOINT_URL_S3": url,
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._client: Any = boto3.client(
            "s3",
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id="AKIATEST",
            aws_secret_access_key="secret",
        )
        self._client.create_bucket(
            Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    def names(self) -> list[str]:
        answer = self._client.list_objects_v2(Bucket=self.name)
        return sorted(item["Key"] for item in answer.get("Contents", ()))

    def read(self, name: str) -> bytes:
        data: bytes = self._client.get_object(Bucket=self.name, Key=name)["Body"].read()
        return data

    def close(self) -> None:
        self._client.close()


@contextmanager
def bucket() -> Iterator[Bucket]:
    """A bucket that is empty."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    made = Bucket(f"http://{host}:{port}")
    try:
        yield made
    finally:
        made.close()
        server.stop()
