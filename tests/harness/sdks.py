"""The other providers' SDKs, as applications would set them up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import boto3
from botocore.config import Config


@contextmanager
def anthropic_client(url: str, **options: Any) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK, without retries; `url` has no /v1."""
    given = {"api_key": "sk-ant-test", "max_retries": 0, "timeout": 30.0} | options
    with anthropic.Anthropic(base_url=url, **given) as client:
        yield client


def bedrock_client(url: str, key_id: str = "AKIDTEST", secret: str = "test", **more: Any) -> Any:
    """AWS's SDK for bedrock-runtime, without retries, signing with these keys."""
    session = boto3.Session(
        aws_access_key_id=key_id, aws_secret_access_key=secret, region_name="us-east-1"
    )
    config = Config(retries={"total_max_attempts": 1}, read_timeout=30, **more)
    return session.client("bedrock-runtime", endpoint_url=url, config=config)


def drained(stream: Any) -> list[Any]:
    """All events of one of boto3's streams; its connection is closed, whatever happens."""
    try:
        return list(stream)
    finally:
        stream.close()
