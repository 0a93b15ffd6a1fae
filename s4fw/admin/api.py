"""The routes of the admin listener as one table.

A handler asks `Facts` and answers in one of the `shapes`; who may ask was decided before (`auth`),
HTTP is `server`.  Documented for users in docs/reference/admin.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

from s4fw.admin import shapes
from s4fw.admin.auth import Access
from s4fw.admin.facts import COSTS_BY, PERIODS, Facts, UnknownBudget, UnknownSession
from s4fw.observe import prometheus
from s4fw.observe.meters import OUTCOMES_BY

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
_SESSION = re.compile(r"[0-9a-f]{16}")
ROWS_MAX = 1000  # of events and costs in one answer


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is HTTP."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class BadQuestion(Exception):
    """The request cannot be answered as asked; the sentence says what would be right."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Question:
    """What a handler gets: checked parameters and the object of a JSON body."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)


Handler = Callable[[Facts, Question], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.  `parameters`: the names its query may have."""

    method: str
    path: str
    access: Access
    handler: Handler
    parameters: frozenset[str] = frozenset()


def as_json(document: object, status: int = 200) -> Reply:
    return Reply(status, orjson.dumps(document) + b"\n")


def error(status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """The one shape of every refusal."""
    body = orjson.dumps({"error": {"code": code, "message": message}}) + b"\n"
    return Reply(status, body, JSON, headers)


# --- reading -----------------------------------------------------------------------------------


def read_parameters(route: Route, query: str) -> dict[str, str]:
    """The query's parameters.  Raises BadQuestion for unknown or repeated names."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=8)
    except ValueError:
        raise BadQuestion(400, "invalid_query", "the query cannot be read") from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise BadQuestion(400, "invalid_query", "a parameter was given twice")
    if unknown := parameters.keys() - route.parameters:
        allowed = ", ".join(sorted(route.parameters)) or "none"
        raise BadQuestion(400, "invalid_query", f"{len(unknown)} unknown; parameters: {allowed}")
    return parameters


def read_document(body: bytes) -> dict[str, Any]:
    """A JSON object.  Raises BadQuestion."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadQuestion(400, "invalid_json", "the body is not JSON") from None
    if not isinstance(document, dict):
        raise BadQuestion(400, "invalid_json", "the body must be a JSON object")
    return document


def _limit(question: Question) -> int:
    text = question.parameters.get("limit", str(ROWS_MAX))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= ROWS_MAX):
        raise BadQuestion(400, "invalid_query", f"limit: a number from 1 to {ROWS_MAX}")
    return int(text)


def _freeze_scope(question: Question) -> str | None:
    """A budget's id, or None for everything; everything is never meant by leaving something out."""
    match dict(question.document):
        case {"budget": str(budget_id), **rest} if not rest and budget_id:
            return budget_id
        case {"everything": True, **rest} if not rest:
            return None
    raise BadQuestion(400, "invalid_scope", 'send {"budget": "<id>"} or {"everything": true}')


# --- handlers ----------------------------------------------------------------------------------


def _healthz(facts: Facts, question: Question) -> Reply:
    return Reply(200, b"ok\n", TEXT)


def _readyz(facts: Facts, question: Question) -> Reply:
    is_ready = facts.is_ready() and not facts.is_draining()
    return Reply(200, b"ready\n", TEXT) if is_ready else Reply(503, b"not ready\n", TEXT)


def _metrics(facts: Facts, question: Question) -> Reply:
    return Reply(200, prometheus.render(facts.snapshot()), prometheus.CONTENT_TYPE)


def _status(facts: Facts, question: Question) -> Reply:
    return as_json(facts.status())


def _budgets(facts: Facts, question: Question) -> Reply:
    return as_json({"budgets": [shapes.budget(b) for b in facts.budgets()]})


def _workers(facts: Facts, question: Question) -> Reply:
    return as_json({"workers": [shapes.worker(w) for w in facts.workers()]})


def _events(facts: Facts, question: Question) -> Reply:
    events = facts.events(_limit(question), question.parameters.get("kind"))
    return as_json({"events": [shapes.event(e) for e in events]})


def _costs(facts: Facts, question: Question) -> Reply:
    by = question.parameters.get("by", "tenant")
    if by not in COSTS_BY:
        raise BadQuestion(400, "invalid_query", f"by: one of {', '.join(COSTS_BY)}")
    period = question.parameters.get("period", "all")
    if period not in PERIODS:
        raise BadQuestion(400, "invalid_query", f"period: one of {', '.join(PERIODS)}")
    return as_json(shapes.costs(by, facts.costs(by, period), _limit(question)))


def _outcomes(facts: Facts, question: Question) -> Reply:
    by = question.parameters.get("by", "tenant")
    if by not in OUTCOMES_BY:
        raise BadQuestion(400, "invalid_query", f"by: one of {', '.join(OUTCOMES_BY)}")
    return as_json(shapes.outcomes(by, facts.outcomes(by)))


def _frozen(facts: Facts, question: Question) -> Reply:
    return as_json(shapes.frozen(facts.frozen()))


def _freeze(facts: Facts, question: Question) -> Reply:
    return as_json(shapes.frozen(facts.freeze(_freeze_scope(question))))


def _release(facts: Facts, question: Question) -> Reply:
    return as_json(shapes.frozen(facts.release(_freeze_scope(question))))


def _loops(facts: Facts, question: Question) -> Reply:
    return as_json(shapes.loops(facts.loops()))


def _release_session(facts: Facts, question: Question) -> Reply:
    match dict(question.document):
        case {"session": str(session), **rest} if not rest and _SESSION.fullmatch(session):
            facts.release_session(session)
            return as_json({"session": session, "released": True})
    raise BadQuestion(400, "invalid_session", 'send {"session": "<16 hex digits>"}')


ROUTES = (
    Route("GET", "/healthz", Access.HEALTH, _healthz),
    Route("GET", "/readyz", Access.HEALTH, _readyz),
    Route("GET", "/metrics", Access.READ, _metrics),
    Route("GET", "/v1/status", Access.READ, _status),
    Route("GET", "/v1/budgets", Access.READ, _budgets),
    Route("GET", "/v1/workers", Access.READ, _workers),
    Route("GET", "/v1/events", Access.READ, _events, frozenset({"kind", "limit"})),
    Route("GET", "/v1/costs", Access.READ, _costs, frozenset({"by", "limit", "period"})),
    Route("GET", "/v1/loops", Access.READ, _loops),
    Route("POST", "/v1/loops/release", Access.CHANGE, _release_session),
    Route("GET", "/v1/outcomes", Access.READ, _outcomes, frozenset({"by"})),
    Route("GET", "/v1/freeze", Access.READ, _frozen),
    Route("POST", "/v1/freeze", Access.CHANGE, _freeze),
    Route("POST", "/v1/release", Access.CHANGE, _release),
)
PATHS: dict[str, dict[str, Route]] = {}
for _route in ROUTES:
    PATHS.setdefault(_route.path, {})[_route.method] = _route


def ask(facts: Facts, route: Route, query: str, content_type: str, body: bytes) -> Reply:
    """Answer a request that `auth` let through.  Faults of `facts` are the caller's to catch."""
    try:
        parameters = read_parameters(route, query) if query else {}
        document = {}
        if route.access is Access.CHANGE:
            # A form of a foreign web page cannot send this type without asking first.
            if content_type.partition(";")[0].strip().lower() != JSON:
                raise BadQuestion(415, "not_json", f"send the body as {JSON}")
            document = read_document(body)
        return route.handler(facts, Question(parameters, document))
    except BadQuestion as bad:
        return error(bad.status, bad.code, bad.message)
    except UnknownBudget:
        return error(404, "unknown_budget", "no budget of that id is configured")
    except UnknownSession:
        return error(404, "unknown_session", "no session of that name is remembered")
