"""Everything one simulated provider knows, and what each call is answered."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from s4fw.sim import signature
from s4fw.sim.anthropic import Anthropic
from s4fw.sim.bedrock import Bedrock
from s4fw.sim.control import Control
from s4fw.sim.delivery import Delivery, Wire
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import Form, ProviderError, error_of_status
from s4fw.sim.generator import Generator
from s4fw.sim.ledger import Ledger
from s4fw.sim.models import Catalogue, MockPrice
from s4fw.sim.openai import OpenAI
from s4fw.sim.pacing import FAST, Pace
from s4fw.sim.prompt import Prompts
from s4fw.sim.recorder import Recorder
from s4fw.sim.reply import Call, Reply
from s4fw.tokens import TokenCounter

log = logging.getLogger(__name__)


class Api(Protocol):
    """The calls of one provider's shape; paths are without the prefix that chose it."""

    def form(self, path: str) -> Form:
        """How errors are written."""

    def is_paid(self, method: str, path: str) -> bool:
        """Whether calls of this path are in the ledger."""

    def check_key(self, call: Call, key: str) -> None:
        """Raises ProviderError for a call without this key."""

    def answer(self, call: Call, path: str, faults: Faults) -> Reply:
        """Answer one call.  Raises ProviderError."""


@dataclass(frozen=True, slots=True)
class Options:
    """How one simulator behaves.  `output_tokens` is how much it says unless told otherwise;
    `key`, when given, is the only API key it takes, and `aws_key` (id, secret) the only pair that
    signatures are checked with; `prices` add to MOCK_PRICES."""

    seed: int = 0
    pace: Pace = FAST
    output_tokens: int = 64
    key: str | None = None
    aws_key: tuple[str, str] | None = None
    prices: dict[str, MockPrice] = field(default_factory=dict)


class Simulator:
    """One provider: catalogue, caches, faults, account.  Lives on one event loop."""

    def __init__(self, options: Options, counter: TokenCounter | None = None) -> None:
        self.options = options
        self.catalogue = Catalogue(options.prices)
        self.prompts = Prompts(counter or TokenCounter())
        generator = Generator(self.prompts, seed=options.seed, output_tokens=options.output_tokens)
        engine = Engine(self.catalogue, self.prompts, generator)
        self._openai = OpenAI(engine)
        self._anthropic = Anthropic(engine)
        self._bedrock = Bedrock(engine)
        openai_at_bedrock = OpenAI(engine, "bedrock")
        self._stores = (self._openai.responses.store, openai_at_bedrock.responses.store)
        self._at_bedrock: dict[str, Api] = {
            "/openai": openai_at_bedrock,
            "/anthropic": Anthropic(engine, "bedrock"),
        }
        self.delivery = Delivery(options.pace)
        self.ledger = Ledger()
        self.recorder = Recorder()
        self.control = Control(self)
        self.connections: set[Any] = set()
        self.in_flight = 0
        self.faults = Faults()
        self.faults_left = 0  # how many further calls `faults` are for; below 0: all

    async def answer(self, wire: Wire, call: Call) -> None:
        """Answer one call and keep account of it.  Raises what the wire raises."""
        if call.path.startswith("/sim/"):
            status, document = self.control.answer(call)
            await _send_document(wire, status, document)
            return
        self.recorder.keep(call)
        self.in_flight += 1
        try:
            await self._serve(wire, call)
        finally:
            self.in_flight -= 1

    async def _serve(self, wire: Wire, call: Call) -> None:
        ledger = self.ledger  # a reset in the middle gives the next test a new one
        api, path = self._api(call)
        reply = self._reply(call, api, path)
        outcome = "gone"
        try:
            outcome = await self.delivery.deliver(wire, reply)
        except asyncio.CancelledError:
            # The caller left.  What is not streamed was generated all the same.
            if reply.charge is not None and not reply.charge.is_stream:
                reply.charge.complete()
            raise
        finally:
            if reply.charge is not None and outcome != "raw":
                ledger.bill(reply.charge, outcome)
            elif api.is_paid(call.method, path):
                ledger.record_unbilled(call.id, outcome if outcome == "raw" else "refused")

    def _api(self, call: Call) -> tuple[Api, str]:
        """Which API a call is for, and its path there."""
        path = call.path
        if path.startswith("/model/"):
            return self._bedrock, path
        for prefix, api in self._at_bedrock.items():
            if path.startswith(prefix + "/"):
                return api, path.removeprefix(prefix)
        is_anthropic = path.startswith("/v1/messages") or "anthropic-version" in call.headers
        return self._anthropic if is_anthropic else self._openai, path

    def _reply(self, call: Call, api: Api, path: str) -> Reply:
        """Decide the whole answer; a provider's refusal is one too."""
        faults = Faults()
        try:
            faults = self._faults_of(call)
            self._check_caller(call, api)
            reply = api.answer(call, path, faults)
            if "status" in reply.faults:
                code, _, retry_after_s = reply.faults["status"].partition("-")
                raise error_of_status(int(code), retry_after_s or "1")
        except ProviderError as refusal:
            headers, body = api.form(path).refusal(refusal, call.id)
            return Reply(api.form(path), refusal.status, headers, body, faults=faults)
        except Exception:
            # Our own fault, or a body so wrong that nobody thought of it: loud, but an answer.
            log.exception("no answer for call %s", call.id)
            fault = ProviderError(500, "The simulator failed.", code="simulator_fault")
            headers, body = api.form(path).refusal(fault, call.id)
            return Reply(api.form(path), 500, headers, body)
        return reply

    def _check_caller(self, call: Call, api: Api) -> None:
        """Raises ProviderError for a caller that is not the one the options name."""
        key, pair = self.options.key, self.options.aws_key
        if pair is not None and signature.is_signed(call):
            signature.check(call, *pair)
        elif key is not None:
            api.check_key(call, key)
        elif pair is not None:
            kind = "MissingAuthenticationTokenException"
            raise ProviderError(403, "Missing Authentication Token", kind=kind)

    def _faults_of(self, call: Call) -> Faults:
        """The faults a header or the control API ask for; those of a model come later."""
        asked = call.headers.get("x-sim-fault")
        if asked is not None:
            try:
                return Faults.parse(asked)
            except ValueError as problem:
                raise ProviderError(400, str(problem), code="unknown_fault") from None
        if self.faults_left == 0:
            return Faults()
        self.faults_left -= 1
        return self.faults

    def reset(self) -> None:
        """Forget calls, charges, faults, prompts and stored answers, and let go what is held."""
        self.delivery.gate.release()
        self.delivery.raw_answers.clear()
        self.ledger = Ledger()
        self.recorder.reset()
        self.prompts.forget()
        for store in self._stores:
            store.forget()
        self.faults, self.faults_left = Faults(), 0


async def _send_document(wire: Wire, status: int, document: Any) -> None:
    body = orjson.dumps(document)
    length = ("content-length", str(len(body)))
    await wire.send_head(status, [("content-type", "application/json"), length])
    await wire.send_data(body)
    await wire.send_end()
