"""What every provider's envelope says of a refusal: our part of the body, and our head fields."""

from __future__ import annotations

from typing import Any, Final

from s4fw.core.verdict import Block
from s4fw.errors import Retry

PREFIX: Final = "S4 Firewall: "  # nobody shall look for the fault at the provider


def part(block: Block, request_id: str) -> dict[str, Any]:
    """What stands under `s4fw` in the body."""
    return {
        "decision": "block",
        "code": block.code.name,
        "request_id": request_id,
        **block.detail,
    }


def sentence(block: Block, request_id: str) -> str:
    """What people read: SDKs print it, and little else."""
    return f"{PREFIX}{block.message} (request {request_id})"


def head(
    block: Block, request_id: str, own: list[tuple[str, str]], delay_ms_name: str
) -> list[tuple[str, str]]:
    """The head fields.  `own` are those of the provider, `delay_ms_name` is the field in which its
    SDKs look for a delay in milliseconds."""
    code = block.code
    fields = [
        ("content-type", "application/json"),
        *own,
        ("x-s4fw-decision", "block"),
        ("x-s4fw-reason", code.name),
        ("x-s4fw-request-id", request_id),
    ]
    if code.retry is Retry.NEVER:
        fields.append(("x-should-retry", "false"))
    elif code.retry is Retry.LATER:
        seconds = block.retry_after_s or 1
        fields.append(("retry-after", str(seconds)))
        fields.append((delay_ms_name, str(block.retry_after_ms or seconds * 1000)))
    if block.allow is not None:
        fields.append(("allow", block.allow))
    return fields
