"""A request for an upstream that is down ends before it is priced."""

from __future__ import annotations

from dataclasses import dataclass

from s4fw.core.breaker import Breakers
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.core.verdict import Block
from s4fw.dialects import ROUTES
from s4fw.errors import UPSTREAM_UNREACHABLE
from s4fw.stages.reach import Reach


@dataclass(frozen=True)
class Limits:
    """One failure is enough."""

    failures: int = 1
    open_s: float = 60.0


def test_admit_while_the_breaker_is_open_refuses_for_that_upstream_only() -> None:
    """An outage of one provider is no outage of the others."""
    breakers = Breakers()
    breakers.adopt({"openai": Limits(), "azure": Limits()})
    stage = Reach(breakers)
    x = Exchange(
        ROUTES[b"/v1/chat/completions"][b"POST"],
        Request(b"POST", b"/v1/chat/completions", b"", {}),
    )
    x.upstream = "openai"
    assert stage.admit(x) is None
    broken = breakers.of("openai")
    assert broken is not None
    broken.failed()
    block = stage.admit(x)
    assert isinstance(block, Block)
    assert (UPSTREAM_UNREACHABLE, 60) == (block.code, block.retry_after_s)
    assert "openai" in block.message
    x.upstream = "azure"
    assert stage.admit(x) is None
