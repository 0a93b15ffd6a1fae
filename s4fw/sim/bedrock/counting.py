"""POST /model/{id}/count-tokens: the free count of a converse request or of Claude's own body."""

from __future__ import annotations

from base64 import b64decode

import orjson

from s4fw.sim.anthropic.messages import Messages, check_messages
from s4fw.sim.bedrock import modelid
from s4fw.sim.bedrock.converse import Converse, price_of
from s4fw.sim.bedrock.form import FORM
from s4fw.sim.engine import Engine
from s4fw.sim.faults import Faults
from s4fw.sim.form import ProviderError
from s4fw.sim.reply import Call, Reply


def answer(
    call: Call,
    model_id: str,
    faults: Faults,
    engine: Engine,
    converse: Converse,
    messages: Messages,
) -> Reply:
    """Count one request.  Raises ProviderError."""
    price_of(engine, model_id)
    given = call.document().get("input") or {}
    if "converse" in given:
        check_messages(given["converse"])
        tokens = converse.tokens(model_id, given["converse"])
    elif "invokeModel" in given:
        body = orjson.loads(b64decode(given["invokeModel"]["body"]))
        check_messages(body)
        tokens = messages.tokens(modelid.priced(model_id), body)
    else:
        raise ProviderError(400, "input: one of converse and invokeModel is required")
    counted = orjson.dumps({"inputTokens": tokens})
    return Reply(FORM, 200, FORM.id_headers(call.id), counted, faults=faults)
