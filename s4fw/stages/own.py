"""Own: what the firewall answers itself to callers with a key: what is left for them, and thanks
for the outcome of their work.

    GET  /v1/s4fw/budget
    POST /v1/s4fw/outcome   {"outcome": "success" | "failure", "request_id": "fw_..."}
                            {"outcome": "success" | "failure", "session": "..."}

Without `keys:` both are unknown (404): everybody could ask for everybody.  Who asks is attributed
like any request, so labels in headers and paths choose among the budgets that the key may use.  An
outcome is one journal row, counts and names only; what becomes of it is the steward's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from s4fw.core.attribution import DIMENSION_INDEX, Attribution
from s4fw.core.exchange import Exchange
from s4fw.core.reason import Reason
from s4fw.core.stage import Stage
from s4fw.core.verdict import Answer, Block, Verdict
from s4fw.dialects.own import BUDGET, PROVIDER
from s4fw.errors import (
    ATTRIBUTION_CONFLICT,
    FIREWALL_OVERLOADED,
    INVALID_REQUEST,
    NOT_FOUND,
    REQUEST_TOO_LARGE,
)
from s4fw.ledger.budgets import Budgets
from s4fw.ledger.standing import Standing
from s4fw.ledger.table import TableBusy, TableFull
from s4fw.stages import labels

BODY_BYTES_MAX: Final = 1024
_REQUEST_ID: Final = re.compile(r"fw_([0-9a-f]{32})")
_REASONS: Final = {"success": Reason.SUCCEEDED, "failure": Reason.FAILED}
_MEMBERS: Final = frozenset({"outcome", "request_id", "session"})
_NO_REQUEST: Final = bytes(16)
_SESSION: Final = DIMENSION_INDEX["session"]
_OF_REQUESTS: Final = (DIMENSION_INDEX["model"], DIMENSION_INDEX["provider"])
_HEADERS: Final = [("content-type", "application/json"), ("cache-control", "no-store")]


class Own(Stage):
    """Ends every exchange of the firewall's own routes; `before` are the stages that say who pays
    and whether it comes too often."""

    name = "own"
    is_for_free_routes = True
    is_for_metered_routes = False

    def __init__(self, budgets: Budgets, before: Sequence[Stage]) -> None:
        self._budgets = budgets
        self._before = tuple(before)

    def admit(self, x: Exchange) -> Verdict:
        """Answer, or nothing where the route is a provider's."""
        if x.route.provider != PROVIDER:
            return None
        if x.caller is None:
            return Block(NOT_FOUND, "this path needs `keys` in the firewall's configuration")
        for stage in self._before:
            verdict = stage.admit(x)
            if verdict is not None:
                assert isinstance(verdict, Block | Answer), "none of these waits"
                return verdict
        try:
            return self._left(x) if x.route is BUDGET else self._outcome(x)
        except (TableBusy, TableFull):
            return Block(FIREWALL_OVERLOADED, "the firewall is busy; try again", retry_after_s=1)

    def _left(self, x: Exchange) -> Verdict:
        """What every budget that the caller may see still pays."""
        attribution = _of_caller(x)
        standing = self._budgets.standing(attribution)
        if standing is None:
            return Block(FIREWALL_OVERLOADED, "the firewall is busy; try again", retry_after_s=1)
        shown = [_shown(one) for one in standing if one.rule.is_shown]
        return _answer(200, {"key": attribution.get("key"), "budgets": shown})

    def _outcome(self, x: Exchange) -> Verdict:
        """Write down what the caller reports."""
        said = _read(x)
        if isinstance(said, Block):
            return said
        attribution = _of_caller(x)
        request, session = _NO_REQUEST, said.get("session")
        if "request_id" in said:
            found = _REQUEST_ID.fullmatch(said["request_id"])
            if found is None or session is not None:
                return _invalid("name one of request_id (as in x-s4fw-request-id) and session")
            request = bytes.fromhex(found[1])
        elif session is not None:
            named = labels.label(session.encode("utf-8", "replace"))
            if named is None:
                return _invalid("the session is empty")
            if "session" not in x.caller.may_set:
                return Block(ATTRIBUTION_CONFLICT, "this key may not set the session")
            attribution = _with_session(attribution, named)
        elif attribution.get("session") is None:
            return _invalid("name a request_id or a session")
        self._budgets.note_outcome(_REASONS[said["outcome"]], request, attribution)
        return _answer(202, {"accepted": True})


def _read(x: Exchange) -> dict[str, str] | Block:
    body = x.request.body
    if len(body) > BODY_BYTES_MAX:
        return Block(REQUEST_TOO_LARGE, f"an outcome has at most {BODY_BYTES_MAX} bytes")
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _invalid("the body is not JSON")
    if not isinstance(said, dict) or said.keys() - _MEMBERS:
        return _invalid(f"the body is an object of {', '.join(sorted(_MEMBERS))}")
    if not all(isinstance(value, str) for value in said.values()):
        return _invalid("every member is a text")
    if said.get("outcome") not in _REASONS:
        return _invalid("outcome is success or failure")
    return said


def _invalid(message: str) -> Block:
    return Block(INVALID_REQUEST, message)


def _of_caller(x: Exchange) -> Attribution:
    """Who asks, without what only a request of theirs would have."""
    assert x.attribution is not None
    values = list(x.attribution.values)
    for dimension in _OF_REQUESTS:
        values[dimension] = None
    return Attribution(tuple(values))


def _with_session(attribution: Attribution, session: str) -> Attribution:
    values = list(attribution.values)
    values[_SESSION] = session
    return Attribution(tuple(values))


def _shown(one: Standing) -> dict[str, Any]:
    """As an entry of the admin listener's /v1/budgets, without what is only for operators."""
    return {
        "id": one.rule.id,
        "scope": dict(zip(one.rule.budget.per, one.scope, strict=True)),
        "window": one.rule.budget.window,
        "resets_at": one.resets_at,
        "mode": one.rule.budget.mode,
        "limit_nusd": one.limit_nusd,
        "used_nusd": one.used_nusd,
        "held_nusd": one.used_nusd - one.charged_nusd,
        "remaining_nusd": max(0, one.limit_nusd - one.used_nusd),
        "frozen": one.is_frozen,
    }


def _answer(status: int, document: dict[str, Any]) -> Answer:
    return Answer(status, _HEADERS, orjson.dumps(document) + b"\n")
