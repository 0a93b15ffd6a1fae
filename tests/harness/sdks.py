"""The other providers' SDKs, as applications would set them up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic


@contextmanager
def anthropic_client(url: str, **options: Any) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK, without retries; `url` has no /v1."""
    given = {"api_key": "sk-ant-test", "max_retries": 0, "timeout": 30.0} | options
    with anthropic.Anthropic(base_url=url, **given) as client:
        yield client
