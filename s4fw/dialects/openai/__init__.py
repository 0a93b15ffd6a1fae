"""OpenAI's wire shape (https://platform.openai.com/docs/api-reference): chat completions.

chat      reads a request: what moves money in it, strictly
meter     reads the usage out of an answer while it passes
envelope  writes refusals and broken streams as OpenAI's SDKs understand them
"""

from __future__ import annotations

from collections.abc import Mapping

from s4fw.core.dialect import Meter
from s4fw.core.exchange import Exchange
from s4fw.core.request import CACHE_12H
from s4fw.core.verdict import Block
from s4fw.dialects.account import DocumentMeter
from s4fw.dialects.openai import chat, envelope
from s4fw.dialects.openai.meter import StreamMeter, usage_of, usage_of_12h
from s4fw.errors import Code


class OpenAI:
    """The dialect as the pipeline and the proxy see it.  Stateless."""

    name = "openai"

    def read(self, x: Exchange) -> None:
        """Read a chat completions body into `x.request`.  Raises Refusal.  May run in a thread."""
        chat.read(x.request)

    def meter(
        self, x: Exchange, status: int, is_stream: bool, fields: Mapping[bytes, bytes]
    ) -> Meter | None:
        """The meter of an answer; only a 2xx of a metered route carries usage."""
        if not x.route.is_metered or not 200 <= status < 300:
            return None
        has_12h = x.request.cache == CACHE_12H
        if is_stream:
            return StreamMeter(x.request.hides_usage, has_12h)
        return DocumentMeter(usage_of_12h if has_12h else usage_of)

    def refusal(self, block: Block, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of a block, in OpenAI's error envelope."""
        return envelope.refusal(block, request_id)

    def error_event(self, x: Exchange, code: Code, message: str) -> bytes:
        """The event after which the SDK raises APIError; no [DONE] follows it."""
        return envelope.error_event(code, message)

    def lower_output(self, x: Exchange, tokens: int) -> bool:
        """Not yet asked of this shape."""
        return False

    def rename_model(self, x: Exchange, model: str) -> bool:
        """Not yet asked of this shape."""
        return False
