"""Anthropic's wire shape (https://docs.anthropic.com/en/api/messages): messages.

messages  reads a request: what moves money in it, strictly
measure   what its messages and system prompt have of texts and of tokens beside them
marks     what stands anywhere in its bytes: caches it writes to, tools it names again
tools     what its tools add, those that the provider runs above all
usage     turns the provider's account into buckets
meter     reads it out of a stream while it passes
envelope  writes refusals and broken streams as Anthropic's SDKs understand them
"""

from __future__ import annotations

from collections.abc import Mapping

from s4fw.core.dialect import Meter
from s4fw.core.exchange import Exchange
from s4fw.core.request import CACHE_1H
from s4fw.core.verdict import Block
from s4fw.dialects.account import DocumentMeter
from s4fw.dialects.anthropic import envelope, messages
from s4fw.dialects.anthropic.meter import StreamMeter
from s4fw.dialects.anthropic.usage import usage_of, usage_of_1h
from s4fw.errors import Code


class Anthropic:
    """The dialect as the pipeline and the proxy see it.  Stateless."""

    name = "anthropic"

    def read(self, x: Exchange) -> None:
        """Read a messages body into `x.request`.  Raises Refusal.  May run in a thread."""
        messages.read(x.request)

    def meter(
        self, x: Exchange, status: int, is_stream: bool, fields: Mapping[bytes, bytes]
    ) -> Meter | None:
        """The meter of an answer; only a 2xx of a metered route carries usage."""
        if not x.route.is_metered or not 200 <= status < 300:
            return None
        read = usage_of_1h if x.request.cache == CACHE_1H else usage_of
        return StreamMeter(read) if is_stream else DocumentMeter(read)

    def refusal(self, block: Block, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of a block, in Anthropic's error envelope."""
        return envelope.refusal(block, request_id)

    def error_event(self, x: Exchange, code: Code, message: str) -> bytes:
        """The event after which the SDK raises APIStatusError; no message_stop follows it."""
        return envelope.error_event(code, message)

    def lower_output(self, x: Exchange, tokens: int) -> bool:
        """Lower `max_tokens`, and the share of it that may be thought."""
        return messages.lower_output(x.request, tokens)

    def rename_model(self, x: Exchange, model: str) -> bool:
        """Ask another model."""
        return messages.rename_model(x.request, model)
