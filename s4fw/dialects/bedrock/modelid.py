"""The forms in which Bedrock's callers name a model, and the one name that prices know.

Forms (API reference, Converse, `modelId`): the id of a model; the id of an inference profile, which
is that of a model with a geography before it; and ARNs of both, whose last part is such an id.  An
application inference profile is a name without meaning: the configuration says what it stands for.
What stands behind all other ARNs is not priced by the token, or nobody here can see it.
"""

from __future__ import annotations

import re
from typing import Final

from s4fw.core.verdict import Block
from s4fw.errors import INVALID_REQUEST, UNBOUNDED_REQUEST, UNKNOWN_MODEL

ID_CHARS_MAX: Final = 2048  # the API's own bound

# Whatever may be an id; prices say whether it is one.
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}(?::\d{1,4})?")
# A vendor, a dot and a model; before it perhaps a geography, after it a version.
_VENDOR_ID: Final = re.compile(
    r"(?:[a-z]{2,8}(?:-gov)?\.)?[a-z0-9][a-z0-9-]{0,62}\.[a-z0-9][a-z0-9.-]{0,62}(?::\d{1,4})?"
)
_ARN: Final = re.compile(
    r"arn:aws(?:-[a-z-]{1,16})?:(?P<service>bedrock|sagemaker):(?P<region>[a-z0-9-]{1,24}):"
    r"(?P<account>\d{12})?:(?P<kind>[a-z-]{1,40})/(?P<name>[A-Za-z0-9][A-Za-z0-9.:/_-]{0,200})"
)

_HIDDEN: Final = "part of what this stands for is kept by the provider, and nothing here bounds it"
_NOT_BY_TOKEN: Final = "it is not priced by the token"
_REFUSED: Final = {
    "prompt": Block(UNBOUNDED_REQUEST, f"not sent. A managed prompt is not governed: {_HIDDEN}."),
    "prompt-router": Block(
        UNBOUNDED_REQUEST,
        "not sent. A prompt router is not governed: it chooses the model, and so the price.",
    ),
    "default-prompt-router": Block(
        UNBOUNDED_REQUEST,
        "not sent. A prompt router is not governed: it chooses the model, and so the price.",
    ),
    "endpoint": Block(
        UNKNOWN_MODEL, f"not sent. A SageMaker endpoint is not governed: {_NOT_BY_TOKEN}."
    ),
    "imported-model": Block(
        UNKNOWN_MODEL, f"not sent. An imported model is not governed: {_NOT_BY_TOKEN}."
    ),
    "custom-model": Block(
        UNKNOWN_MODEL, f"not sent. A custom model is not governed: {_NOT_BY_TOKEN}."
    ),
    "custom-model-deployment": Block(
        UNKNOWN_MODEL, f"not sent. A custom model is not governed: {_NOT_BY_TOKEN}."
    ),
    "provisioned-model": Block(
        UNKNOWN_MODEL, f"not sent. Provisioned throughput is not governed: {_NOT_BY_TOKEN}."
    ),
}
_MALFORMED: Final = Block(INVALID_REQUEST, "the model in the path is not an id or an ARN of one")

_TAIL_IS_ID: Final = frozenset({"foundation-model", "inference-profile"})
APPLICATION_PROFILE: Final = ":application-inference-profile/"


def canonical(named: str) -> str | Block:
    """What prices, budgets and people know a model by: the id, with its geography where it has one.

    `named` is decoded, once.  An application inference profile is its own ARN until the
    configuration is asked (`is_opaque`).  A Block says why a form is not governed.
    """
    if len(named) > ID_CHARS_MAX:
        return _MALFORMED
    if _ID.fullmatch(named) is not None:
        return named
    arn = _ARN.fullmatch(named)
    if arn is None:
        return _MALFORMED
    kind = arn["kind"]
    refused = _REFUSED.get(kind)
    if refused is not None:
        return refused
    if arn["service"] != "bedrock":
        return _MALFORMED
    if kind in _TAIL_IS_ID and _VENDOR_ID.fullmatch(arn["name"]) is not None:
        return arn["name"]
    if kind == "application-inference-profile" and "/" not in arn["name"]:
        return named
    return _MALFORMED


def is_opaque(model: str) -> bool:
    """Whether only the configuration can say which model this is."""
    return APPLICATION_PROFILE in model
