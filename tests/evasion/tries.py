"""One attempt of a family, with its name and what must become of it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.evasion.bench import Attempt

MUCH = 100_000


class Try(NamedTuple):
    """An attempt with its name, and whether it must be refused."""

    name: str
    attempt: Attempt
    refused: bool


def raw_of(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
