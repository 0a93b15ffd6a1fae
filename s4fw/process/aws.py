"""Clients of AWS for threads of the steward: made when first needed, silent, bounded in time.

boto3 is imported only when a client is: it takes time and memory that nobody else shall pay for.
Credentials are found as by any AWS SDK.
"""

from __future__ import annotations

import logging
from typing import Any

CONNECT_S = 5


def client(service: str, region: str | None, read_timeout_s: int, attempts: int) -> Any:
    """A client of one service, for the thread that makes it.  `attempts` are further tries of its
    own; who calls has pauses of its own between them.  Raises what boto3 does."""
    import boto3
    import botocore.config

    for name in ("botocore", "urllib3", "boto3"):  # below that they write whole requests
        logging.getLogger(name).setLevel(logging.WARNING)
    return boto3.session.Session().client(
        service,
        region_name=region,
        config=botocore.config.Config(
            connect_timeout=CONNECT_S,
            read_timeout=read_timeout_s,
            retries={"max_attempts": attempts},
        ),
    )


def code_of(fault: Any) -> str:
    """The service's own word for what was wrong, out of a botocore ClientError."""
    return str(fault.response.get("Error", {}).get("Code", "unknown"))
