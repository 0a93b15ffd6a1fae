"""Service tiers and other ways to run that are billed apart, in both shapes: Converse has them in
the body, an invoke in its header fields."""

from __future__ import annotations

from typing import Any, Final

from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

# What saying nothing means; no project decides otherwise, as OpenAI's does.
DEFAULT: Final = "default"

# As Bedrock names a tier -> as prices do.  Reserved capacity is paid for in advance and overflows
# into default, which is what OpenAI calls scale.
_TIERS: Final = {"default": DEFAULT, "flex": "flex", "priority": "priority", "reserved": "scale"}

GUARDRAIL: Final = (
    "a guardrail is not governed: it is billed by the text it reads, which has no price here"
)


def requested(tier: Any) -> str:
    """The tier that a request asks for.  Raises Refusal."""
    if tier is None:
        return DEFAULT
    found = _TIERS.get(tier) if isinstance(tier, str) else None
    if found is None:
        raise Refusal(INVALID_REQUEST, f"the service tier must be one of {', '.join(_TIERS)}")
    return found


def served(tier: Any) -> str | None:
    """The tier that an answer names, None where it names none."""
    return _TIERS.get(tier, tier) if isinstance(tier, str) else None


def check_latency(latency: Any) -> None:
    """Optimized latency costs more, and no published row says how much.  Raises Refusal."""
    if latency is None or latency == "standard":
        return
    if latency == "optimized":
        raise Refusal(UNBOUNDED_REQUEST, "optimized latency is not governed: it has no price here")
    raise Refusal(INVALID_REQUEST, "the latency must be standard or optimized")
