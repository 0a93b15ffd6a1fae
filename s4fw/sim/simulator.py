"""Everything one simulated provider knows, and what each call is answered."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import orjson

from s4fw.sim.chat import Chat
from s4fw.sim.control import Control
from s4fw.sim.delivery import Delivery, Wire
from s4fw.sim.faults import Faults
from s4fw.sim.ledger import Ledger
from s4fw.sim.models import Catalogue, MockPrice
from s4fw.sim.pacing import FAST, Pace
from s4fw.sim.prompt import Prompts
from s4fw.sim.recorder import Recorder
from s4fw.sim.reply import Call, ProviderError, Reply, error_body, error_of_status
from s4fw.tokens import TokenCounter

log = logging.getLogger(__name__)

_CHAT = "/v1/chat/completions"
_MODELS = "/v1/models"


@dataclass(frozen=True, slots=True)
class Options:
    """How one simulator behaves.  `output_tokens` is how much it says unless told otherwise;
    `key`, when given, is the only bearer credential it takes; `prices` add to MOCK_PRICES."""

    seed: int = 0
    pace: Pace = FAST
    output_tokens: int = 64
    key: str | None = None
    prices: dict[str, MockPrice] = field(default_factory=dict)


class Simulator:
    """One provider: catalogue, caches, faults, account.  Lives on one event loop."""

    def __init__(self, options: Options, counter: TokenCounter | None = None) -> None:
        self.options = options
        self.catalogue = Catalogue(options.prices)
        self.prompts = Prompts(counter or TokenCounter())
        self.chat = Chat(
            self.catalogue,
            self.prompts,
            seed=options.seed,
            output_tokens=options.output_tokens,
        )
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
        reply = self._reply(call)
        outcome = "gone"
        try:
            outcome = await self.delivery.deliver(wire, reply)
        except asyncio.CancelledError:
            # The caller left.  What is not streamed was generated all the same.
            if reply.charge is not None and not reply.charge.is_stream:
                reply.charge.complete()
            raise
        finally:
            _account(ledger, call, reply, outcome)

    def _reply(self, call: Call) -> Reply:
        """Decide the whole answer; a provider's refusal is one too."""
        faults = Faults()
        try:
            faults = self._faults_of(call)
            self._check_key(call)
            reply = self._route(call, faults)
            if "status" in reply.faults:
                code, _, retry_after_s = reply.faults["status"].partition("-")
                raise error_of_status(int(code), retry_after_s or "1")
        except ProviderError as refusal:
            headers = [("x-request-id", call.id), *refusal.headers]
            return Reply(refusal.status, headers, refusal.body, faults=faults)
        except Exception:
            # Our own fault, or a body so wrong that nobody thought of it: loud, but an answer.
            log.exception("no answer for call %s", call.id)
            body = error_body("The simulator failed.", "server_error", "simulator_fault")
            return Reply(500, [("x-request-id", call.id)], body)
        return reply

    def _route(self, call: Call, faults: Faults) -> Reply:
        headers = [("x-request-id", call.id)]
        if call.path == _CHAT and call.method == "POST":
            return self.chat.answer(call, faults)
        if call.path == _MODELS and call.method == "GET":
            listed = {"object": "list", "data": [_model_body(m) for m in self.catalogue.ids()]}
            return Reply(200, headers, orjson.dumps(listed), faults=faults)
        if call.path.startswith(_MODELS + "/") and call.method == "GET":
            model = call.path.removeprefix(_MODELS + "/")
            if self.catalogue.row(model) is None:
                message = "The model does not exist or you do not have access to it."
                raise ProviderError(404, message, code="model_not_found")
            return Reply(200, headers, orjson.dumps(_model_body(model)), faults=faults)
        raise ProviderError(404, "Invalid URL", code="unknown_url")

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

    def _check_key(self, call: Call) -> None:
        if self.options.key is None:
            return
        if call.headers.get("authorization") != f"Bearer {self.options.key}":
            message = "Incorrect API key provided."
            raise ProviderError(401, message, code="invalid_api_key")

    def reset(self) -> None:
        """Forget every call, charge, fault and cached prompt, and let go what is held."""
        self.delivery.gate.release()
        self.delivery.raw_answers.clear()
        self.ledger = Ledger()
        self.recorder.reset()
        self.prompts.forget()
        self.faults, self.faults_left = Faults(), 0


def _account(ledger: Ledger, call: Call, reply: Reply, outcome: str) -> None:
    if reply.charge is not None and outcome != "raw":
        ledger.bill(reply.charge, outcome)
    elif call.path == _CHAT:
        ledger.record_unbilled(call.id, outcome if outcome == "raw" else "refused")


async def _send_document(wire: Wire, status: int, document: Any) -> None:
    body = orjson.dumps(document)
    length = ("content-length", str(len(body)))
    await wire.send_head(status, [("content-type", "application/json"), length])
    await wire.send_data(body)
    await wire.send_end()


def _model_body(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": 1_700_000_000, "owned_by": "simulated"}
