"""Betas that let a request cost more than the price row of its model knows.

They are named in the `anthropic-beta` header, on Bedrock in the body.  Up to Claude 4.5 one of them
makes the context five times as long (at a dearer rate), another the answer; a hold that ends at the
documented context would be a fraction of the bill.  Later models have the long context anyway.
"""

from __future__ import annotations

import re
from typing import Any, Final

from s4fw.core.request import Request
from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, Refusal

HEADER: Final = b"anthropic-beta"
FIELD: Final = "anthropic_beta"

_LONGER: Final = ("context-", "output-")
_SHORT: Final = re.compile(
    r"claude-(?:v\d|instant|[1-3][-.]|(?:opus|sonnet|haiku)-4(?:$|-[0-5](?!\d)|[-@]\d{8}))"
)


def check_header(request: Request) -> None:
    """Refuse what the head asks for beyond the model's row.  Raises Refusal."""
    named = request.headers.get(HEADER)
    if named is not None:
        check(named.decode("latin-1").split(","), request.model)


def check(betas: Any, model: str) -> None:
    """The same for the value of a field, of whatever kind it is."""
    for beta in betas if type(betas) is list else [betas]:
        if beta is None:
            continue
        if type(beta) is not str:
            raise Refusal(INVALID_REQUEST, f"`{FIELD}` must be a list of texts")
        if beta.strip().lower().startswith(_LONGER) and _may_be_short(model):
            raise Refusal(
                UNBOUNDED_REQUEST,
                "a beta that makes the context or the answer longer is not governed: for this "
                "model they are known without it only",
            )


def _may_be_short(model: str) -> bool:
    return "claude-" not in model or _SHORT.search(model) is not None
