"""The control API of the simulator, under /sim/ on its own port: for tests, demo and load runs.

GET  /sim/ledger?last=N      what was charged: {total_nusd, billed, unbilled, rows: the last N}
GET  /sim/requests?last=N    {count, requests}: the last N (100) as received, bodies in base64
GET  /sim/state              {held, in_flight, connections, requests}
POST /sim/faults             {"faults": "cut:3", "times": 2} for all (or the next 2) calls;
                             {"raw": {"name": "<base64>"}} stores answers for fault raw:name
POST /sim/cache              {"on": false} or {"min_tokens": 64}: the prompt cache, until a reset
POST /sim/release            lets go of the answers held by fault `hold`: {released}
POST /sim/reset              forgets everything
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from s4fw.sim.faults import Faults
from s4fw.sim.reply import Call

if TYPE_CHECKING:
    from s4fw.sim.simulator import Simulator

_LAST_DEFAULT = "100"

Answer = tuple[int, dict[str, Any]]


class Control:
    """Answers the control calls of one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._answers = {
            ("GET", "/sim/ledger"): self._ledger,
            ("GET", "/sim/requests"): self._requests,
            ("GET", "/sim/state"): self._state,
            ("POST", "/sim/faults"): self._faults,
            ("POST", "/sim/cache"): self._cache,
            ("POST", "/sim/release"): self._release,
            ("POST", "/sim/reset"): self._reset,
        }

    def answer(self, call: Call) -> Answer:
        """Answer one control call; a wrong one is told what is wrong."""
        answer = self._answers.get((call.method, call.path))
        if answer is None:
            return 404, {"error": f"no such call; there are {sorted(self._answers)}"}
        try:
            return answer(call)
        except (ValueError, TypeError, AttributeError, binascii.Error) as problem:
            return 400, {"error": str(problem)}

    def _ledger(self, call: Call) -> Answer:
        query = parse_qs(call.target.partition("?")[2])
        return 200, self._simulator.ledger.body(*map(int, query.get("last", [])))

    def _requests(self, call: Call) -> Answer:
        query = parse_qs(call.target.partition("?")[2])
        return 200, self._simulator.recorder.body(int(query.get("last", [_LAST_DEFAULT])[0]))

    def _state(self, call: Call) -> Answer:
        simulator = self._simulator
        return 200, {
            "held": simulator.delivery.gate.held,
            "in_flight": simulator.in_flight,
            "connections": len(simulator.connections),
            "requests": simulator.recorder.count,
        }

    def _faults(self, call: Call) -> Answer:
        asked = orjson.loads(call.body)
        for name, text in (asked.get("raw") or {}).items():
            self._simulator.delivery.raw_answers[name] = base64.b64decode(text, validate=True)
        if "faults" in asked:
            faults = Faults.parse(asked["faults"] or "")
            self._simulator.faults = faults
            self._simulator.faults_left = int(asked.get("times", -1)) if faults else 0
        return 200, {"faults": self._simulator.faults}

    def _cache(self, call: Call) -> Answer:
        asked = orjson.loads(call.body)
        prompts = self._simulator.prompts
        prompts.is_caching = bool(asked.get("on", prompts.is_caching))
        prompts.cached_tokens_min = int(asked.get("min_tokens", prompts.cached_tokens_min))
        return 200, {"on": prompts.is_caching, "min_tokens": prompts.cached_tokens_min}

    def _release(self, call: Call) -> Answer:
        return 200, {"released": self._simulator.delivery.gate.release()}

    def _reset(self, call: Call) -> Answer:
        self._simulator.reset()
        return 200, {}
