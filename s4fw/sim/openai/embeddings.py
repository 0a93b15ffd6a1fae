"""The embeddings and moderations APIs: one vector or verdict for each input, no output tokens."""

from __future__ import annotations

import random
import struct
from base64 import b64encode
from typing import Any

import orjson

from s4fw.core.usage import Usage
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.ledger import Charge
from s4fw.sim.lies import lie
from s4fw.sim.openai import request
from s4fw.sim.openai.form import OpenAIForm
from s4fw.sim.openai.texts import texts_of
from s4fw.sim.orders import Orders
from s4fw.sim.reply import Call, Reply

FORM = OpenAIForm()

_DIMENSIONS_DEFAULT = 8  # few: nobody looks at them


class Embeddings:
    """Answers POST /v1/embeddings for one simulator."""

    def __init__(self, engine: Engine, provider: str) -> None:
        self._engine = engine
        self._provider = provider

    def answer(self, call: Call, faults: Faults) -> Reply:
        """Answer a call.  Raises ProviderError."""
        engine = self._engine
        body = request.document(call)
        model = str(body["model"])
        found = request.price_of(engine, model, self._provider)
        texts = texts_of(body.get("input"))
        faults = faults or Orders(call, texts[-1] if isinstance(texts[-1], str) else "").faults(
            model
        )
        served, price = engine.catalogue.serving(model, found, self._provider, faults)
        tokens = sum(engine.prompts.length(model, each) for each in texts)
        usage = Usage(uncached_input=tokens, tier="default")
        charge = Charge("embeddings", self._provider, call.id, model, served, price, False, usage)
        vectors = [_vector(body, at) for at in range(len(texts))]
        document: dict[str, Any] = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": at, "embedding": vector}
                for at, vector in enumerate(vectors)
            ],
            "model": served,
        }
        if "no_usage" not in faults:
            reported = {"prompt_tokens": tokens, "total_tokens": tokens}
            document["usage"] = lie(reported, faults, "prompt_tokens", "total_tokens")
        answer = orjson.dumps(document)
        return Reply(FORM, 200, request.headers(call), answer, charge=charge, faults=faults)


def moderation(call: Call, faults: Faults) -> Reply:
    """Answer POST /v1/moderations: nothing is ever flagged, and nothing is billed."""
    body = orjson.loads(call.body)
    verdict = {
        "flagged": False,
        "categories": {},
        "category_scores": {},
        "category_applied_input_types": {},
    }
    document = {
        "id": "modr-" + call.id[-24:],
        "model": body.get("model") or "omni-moderation-latest",
        "results": [verdict for _ in texts_of(body.get("input"))],
    }
    return Reply(FORM, 200, request.headers(call), orjson.dumps(document), faults=faults)


def _vector(body: dict[str, Any], seed: int) -> Any:
    drawn = random.Random(seed)
    count = body.get("dimensions") or _DIMENSIONS_DEFAULT
    vector = [drawn.randint(-128, 128) / 128 for _ in range(count)]
    if body.get("encoding_format") == "base64":
        return b64encode(struct.pack(f"<{count}f", *vector)).decode()
    return vector
