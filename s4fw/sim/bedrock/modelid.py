"""Reads what a path under /model/ names: a model, by id or by ARN, and an operation."""

from __future__ import annotations

import re
from urllib.parse import unquote

_GEO = re.compile(r"(?:us|eu|apac|au|jp|global|us-gov)\.(?=[a-z0-9]+\.)")
_VERSION = re.compile(r"-v\d+(?::\d+)?$")


def split(path: str) -> tuple[str, str]:
    """The model id, decoded, and the operation; an id may hold slashes that were sent raw."""
    name, _, operation = path.removeprefix("/model/").rpartition("/")
    return unquote(name), operation


def priced(model_id: str) -> str:
    """The id that has a price: the tail of an ARN, or the id itself."""
    return model_id.rpartition("/")[2] if model_id.startswith("arn:") else model_id


def family(model_id: str) -> str:
    """The id without the geography of an inference profile."""
    return _GEO.sub("", priced(model_id), count=1)


def native(model_id: str) -> str:
    """What the model calls itself in a native body."""
    return _VERSION.sub("", family(model_id).partition(".")[2] or model_id)
