"""Bedrock's wire shape (https://docs.aws.amazon.com/bedrock/latest/APIReference): its runtime.

paths     finds the model and the operation in a raw path
modelid   reads the forms in which a model is named
converse  reads a Converse request, content measures what it holds
prompt    adds what Converse and Nova's own body have alike
invoke    reads an invoke by its model's family (families), loose measures bodies of any shape
native    reads the makers' own settings in either
tiers     ways to run that are billed apart; caching, what a request can write to the cache
usage     turns the accounts of an answer into buckets, native_usage those of the makers
meter     reads them out of answers while they pass
envelope  writes refusals and broken streams as AWS's SDKs understand them
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from s4fw.core.dialect import Meter
from s4fw.core.exchange import Exchange
from s4fw.core.request import CACHE_1H, Request
from s4fw.core.verdict import Block
from s4fw.dialects.account import DocumentMeter, UsageOf
from s4fw.dialects.anthropic.meter import StreamMeter
from s4fw.dialects.anthropic.usage import usage_of as claude_usage_of
from s4fw.dialects.anthropic.usage import usage_of_1h as claude_usage_of_1h
from s4fw.dialects.bedrock import (
    converse,
    envelope,
    families,
    invoke,
    lower,
    modelid,
    native_usage,
    usage,
)
from s4fw.dialects.bedrock.meter import (
    ConverseStreamMeter,
    FrameMeter,
    InvokeMeter,
    InvokeStreamMeter,
)
from s4fw.errors import UNKNOWN_MODEL, Code, Refusal

_READERS: Final[dict[str, tuple[Callable[[Request], None], bool]]] = {  # with whether it streams
    "bedrock.converse": (converse.read, False),
    "bedrock.converse-stream": (converse.read, True),
    "bedrock.invoke": (invoke.read, False),
    "bedrock.invoke-with-response-stream": (invoke.read, True),
}


class Bedrock:
    """The dialect as the pipeline and the proxy see it.  It knows what the application inference
    profiles of the configuration stand for, and keeps nothing else."""

    name = "bedrock"

    def __init__(self) -> None:
        self._profiles: Mapping[str, str] = {}

    def know_profiles(self, profiles: Mapping[str, str]) -> None:
        """Set which model stands behind each application inference profile, by the profile's ARN;
        called with each generation of the configuration."""
        self._profiles = dict(profiles)

    def read(self, x: Exchange) -> None:
        """Read the model in the path and the body into `x.request`.  Raises Refusal.  May run in a
        thread."""
        request = x.request
        request.model = self._model(x.route.model)
        reader, request.stream = _READERS[x.route.name]
        reader(request)

    def _model(self, named: str) -> str:
        if not modelid.is_opaque(named):
            return named
        model = self._profiles.get(named)
        if model is None:
            raise Refusal(
                UNKNOWN_MODEL,
                "not sent. Which model this application inference profile stands for is not known; "
                "add its ARN to the upstream's `profiles`.",
            )
        return model

    def meter(
        self, x: Exchange, status: int, is_stream: bool, fields: Mapping[bytes, bytes]
    ) -> Meter | None:
        """The meter of an answer; only a 2xx of a metered route carries usage."""
        if not x.route.is_metered or not 200 <= status < 300:
            return None
        request = x.request
        if x.route.name.startswith("bedrock.converse"):
            if is_stream:
                return ConverseStreamMeter(request.cache)
            return DocumentMeter(usage.converse(request.cache))
        is_claude = families.is_claude(request.model)
        of_body = _claude_usage(request) if is_claude else native_usage.usage_of
        if is_stream:
            return InvokeStreamMeter(request.cache, StreamMeter(of_body) if is_claude else None)
        return InvokeMeter(request.cache, fields, of_body, is_claude=is_claude)

    def refusal(self, block: Block, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of a block, as AWS's SDKs understand them."""
        return envelope.refusal(block, request_id)

    def error_event(self, x: Exchange, code: Code, message: str) -> bytes:
        """The exception frame after which the SDK raises EventStreamError."""
        meter = x.meter
        missing = meter.missing if isinstance(meter, FrameMeter) else 0
        return envelope.error_event(code, message, missing)

    def lower_output(self, x: Exchange, tokens: int) -> bool:
        """Lower the bound of the output, or put one in where the shape has a place for it."""
        return lower.lower_output(x.request, x.route.name, tokens)

    def rename_model(self, x: Exchange, model: str) -> bool:
        """The model stands in the path, which is the route's: not to be changed here."""
        return False


def _claude_usage(request: Request) -> UsageOf:
    return claude_usage_of_1h if request.cache == CACHE_1H else claude_usage_of
