"""What a request would be quoted, worked out by the product's own stages without a process."""

from __future__ import annotations

import functools
import json
from typing import Any

from s4fw.core.counter import COUNTERS
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.dialects import ROUTES
from s4fw.pricing import RateCard
from s4fw.sim.models import MOCK_PRICES
from s4fw.stages.inputs import Inputs
from s4fw.stages.quote import Quote
from s4fw.tokens import TokenCounter
from tests.harness.client import chat_body


@functools.cache
def _stage() -> Quote:
    counters = memoryview(bytearray(8 * len(COUNTERS))).cast("Q")
    inputs = Inputs(TokenCounter(), lambda work: _never(), counters)
    return Quote(RateCard.load(MOCK_PRICES), inputs)


def _never() -> Any:
    raise AssertionError("a test's request is too large to be counted at once")


def quote_of(**body: Any) -> int:
    """The worst case of one chat request in nano-USD; arguments as for `chat_body`."""
    route = ROUTES[b"/v1/chat/completions"][b"POST"]
    x = Exchange(route, Request(b"POST", b"/v1/chat/completions", b"", {}))
    x.request.body = json.dumps(chat_body(**body)).encode()
    route.dialect.read(x)
    assert _stage().admit(x) is None
    return x.quote_nusd


def dollars(amount_nusd: int) -> str:
    """An amount as configurations have it: decimal text with nine places."""
    return f"{amount_nusd // 10**9}.{amount_nusd % 10**9:09d}"
