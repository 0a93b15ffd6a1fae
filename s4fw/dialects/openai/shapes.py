"""OpenAI's endpoints as the pipeline and the proxy see them: one dialect for each shape."""

from __future__ import annotations

from collections.abc import Mapping

from s4fw.core.dialect import Meter
from s4fw.core.exchange import Exchange
from s4fw.core.request import CACHE_12H
from s4fw.core.verdict import Block
from s4fw.dialects.account import DocumentMeter
from s4fw.dialects.fields import MODEL
from s4fw.dialects.openai import (
    chat,
    completions,
    content,
    embeddings,
    envelope,
    members,
    responses,
)
from s4fw.dialects.openai.embeddingsmeter import EmbeddingsMeter
from s4fw.dialects.openai.meter import StreamMeter
from s4fw.dialects.openai.responsemeter import ResponseMeter, Teller
from s4fw.dialects.openai.usage import usage_of, usage_of_12h
from s4fw.errors import Code


class OpenAI:
    """What all shapes share, and the dialect of routes without money.  Stateless."""

    name = "openai"

    def read(self, x: Exchange) -> None:
        """Nothing of a free route is read."""

    def meter(
        self, x: Exchange, status: int, is_stream: bool, fields: Mapping[bytes, bytes]
    ) -> Meter | None:
        """Only a 2xx of a metered route carries usage."""
        if not x.route.is_metered or not 200 <= status < 300:
            return None
        return self._meter(x, is_stream)

    def _meter(self, x: Exchange, is_stream: bool) -> Meter | None:
        return None

    def refusal(self, block: Block, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of a block, in OpenAI's error envelope."""
        return envelope.refusal(block, request_id)

    def error_event(self, x: Exchange, code: Code, message: str) -> bytes:
        """The event after which the SDK raises APIError; no [DONE] follows it."""
        return envelope.error_event(code, message)

    def lower_output(self, x: Exchange, tokens: int) -> bool:
        """Ask for at most `tokens` of output for each choice; False where there is none."""
        return False

    def rename_model(self, x: Exchange, model: str) -> bool:
        """Ask another model; False where the path names it."""
        if x.route.model or MODEL.fullmatch(model) is None:
            return False
        return members.rename_model(x.request, model)


class Chat(OpenAI):
    """Chat completions."""

    def read(self, x: Exchange) -> None:
        """Read the body into `x.request`.  Raises Refusal.  May run in a thread."""
        x.request.model = x.route.model
        chat.read(x.request)

    def _meter(self, x: Exchange, is_stream: bool) -> Meter | None:
        has_12h = x.request.cache == CACHE_12H
        if is_stream:
            return StreamMeter(x.request.hides_usage, has_12h)
        return DocumentMeter(usage_of_12h if has_12h else usage_of)

    def lower_output(self, x: Exchange, tokens: int) -> bool:
        """Lower both fields that bound a choice."""
        if tokens < 1:
            return False
        members.lower_output(x.request, chat.OUTPUT_BOUNDS, tokens)
        return True

    def rename_model(self, x: Exchange, model: str) -> bool:
        """Ask another model; it may bill images otherwise."""
        if chat.SEARCHING.match(model) or not super().rename_model(x, model):
            return False
        content.bind(x.request)
        return True


class Completions(OpenAI):
    """Legacy completions; their answers have the form of chats'."""

    def read(self, x: Exchange) -> None:
        """Read the body into `x.request`.  Raises Refusal.  May run in a thread."""
        x.request.model = x.route.model
        completions.read(x.request)

    def _meter(self, x: Exchange, is_stream: bool) -> Meter | None:
        if is_stream:
            return StreamMeter(x.request.hides_usage)
        return DocumentMeter(usage_of)

    def lower_output(self, x: Exchange, tokens: int) -> bool:
        """Lower the bound of each choice."""
        if tokens < 1:
            return False
        members.lower_output(x.request, completions.OUTPUT_BOUNDS, tokens)
        return True


class Embeddings(OpenAI):
    """Embeddings."""

    def read(self, x: Exchange) -> None:
        """Read the body into `x.request`.  Raises Refusal.  May run in a thread."""
        x.request.model = x.route.model
        embeddings.read(x.request)

    def _meter(self, x: Exchange, is_stream: bool) -> Meter | None:
        return EmbeddingsMeter()


class Responses(OpenAI):
    """Responses."""

    def read(self, x: Exchange) -> None:
        """Read the body into `x.request`.  Raises Refusal.  May run in a thread."""
        x.request.model = x.route.model
        responses.read(x.request)

    def _meter(self, x: Exchange, is_stream: bool) -> Meter | None:
        request = x.request
        teller = Teller(request.model, request.cache == CACHE_12H, request.transcript)
        return ResponseMeter(teller.usage_of) if is_stream else DocumentMeter(teller.usage_of)

    def error_event(self, x: Exchange, code: Code, message: str) -> bytes:
        """The event by which a stream of a response says that it broke."""
        meter = x.meter
        number = meter.next_number() if isinstance(meter, ResponseMeter) else 0
        return envelope.numbered_error_event(code, message, number)

    def lower_output(self, x: Exchange, tokens: int) -> bool:
        """Lower the bound of the response; the provider refuses very small ones."""
        if tokens < responses.OUTPUT_TOKENS_MIN:
            return False
        members.lower_output(x.request, responses.OUTPUT_BOUNDS, tokens)
        return True

    def rename_model(self, x: Exchange, model: str) -> bool:
        """Ask another model; False where an earlier response was counted for this one."""
        if responses.is_counted_chain(x.request) or not super().rename_model(x, model):
            return False
        content.bind(x.request)
        return True
