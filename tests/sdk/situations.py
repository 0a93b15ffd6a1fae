"""What can happen to a call, and what must be true afterwards: the rows of the matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from s4fw.units import nusd_from_usd
from tests.sdk.ask import TOOL_NAME, Ask, HttpAnswer, Seen
from tests.sdk.clients import Client
from tests.sdk.estate import PACED, Books

# How Anthropic names the errors of a status, and which statuses Bedrock's errors have.
ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    429: "rate_limit_error",
    502: "api_error",
}
BEDROCK_STATUSES = {401: 403, 402: 400, 502: 424}
BEDROCK_CODES = {401: "UnrecognizedClientException"}  # where no class has the code's name


@dataclass(frozen=True, slots=True)
class Played:
    """One situation as it went: what the client saw, call by call, what the provider itself would
    have said to the last of them, and the books of both sides."""

    client: Client
    seen: list[Seen]
    direct: Seen
    books: Books

    @property
    def last(self) -> Seen:
        """The call the situation is about."""
        return self.seen[-1]

    @property
    def answers(self) -> list[HttpAnswer]:
        """All answers that came over the wire, to all calls."""
        return [answer for seen in self.seen for answer in seen.answers]

    @property
    def attempts(self) -> tuple[int, int, int]:
        """As the client, the firewall and the provider counted them."""
        return len(self.answers), self.books.at_firewall, self.books.at_provider


@dataclass(frozen=True, slots=True)
class Situation:
    """One row: what is asked, by whom, how often, how the provider fails, and what follows.

    `fault` is for the first call that reaches the provider.  With `is_relayed` the client must see
    what it would see without a firewall, so the provider itself is asked with the fault too.
    """

    name: str
    ask: Ask
    expect: Callable[[Played], None]
    role: str = "rich"
    calls: int = 1
    fault: str = ""
    is_relayed: bool = False


def answered(played: Played) -> None:
    """Every call was answered as the provider would have, at once, and paid exactly."""
    calls = len(played.seen)
    assert (calls, calls, calls) == played.attempts
    _is_paid_for(played)


def called_the_tool(played: Played) -> None:
    """The same, with a tool call that arrived in one piece."""
    answered(played)
    assert (TOOL_NAME, {"number": "sample", "is_urgent": True}) == played.last.tool


def read_the_cache(played: Played) -> None:
    """The same, at the rates of the cache: the first call wrote what the second one read."""
    answered(played)
    assert 0 == played.books.rows[0]["cache_read"]
    assert played.books.rows[1]["cache_read"] > 1000
    assert played.books.rows[1]["cost_nusd"] < played.books.rows[0]["cost_nusd"]


def answered_after_a_retry(played: Played) -> None:
    """The SDK came back by itself, once, and what failed cost nothing."""
    assert (2, 2, 2) == played.attempts
    assert 500 == played.answers[0].status
    _is_paid_for(played)


def answered_after_the_stated_wait(played: Played) -> None:
    """The SDK was told when to come back, waited for as long, and got through at its first try."""
    assert (3, 3, 2) == played.attempts
    _, refused, accepted = played.answers
    assert (429, 200) == (refused.status, accepted.status)
    wait = "x-amz-retry-after" if played.client.dialect == "bedrock" else "retry-after-ms"
    assert 0 < int(refused.headers[wait]) <= 60_000 // PACED["patient"]
    assert accepted.at_ms - refused.at_ms >= int(refused.headers[wait])
    assert "x-should-retry" not in refused.headers
    _is_paid_for(played)


def _is_paid_for(played: Played) -> None:
    for seen in played.seen:
        assert seen.problem is None
        assert played.direct.problem is None
        assert seen.text or seen.tool
        assert (played.direct.text, played.direct.tool) == (seen.text, seen.tool)
    assert played.direct.content == played.last.content
    books = played.books
    assert books.paid == books.spent > 0
    assert 0 == books.accrued
    costs = [a.headers["x-s4fw-cost-usd"] for a in played.answers if "x-s4fw-cost-usd" in a.headers]
    if not played.last.pieces:
        assert books.paid == sum(map(nusd_from_usd, costs))


def refused(status: int, code: str, words: str, *, after: int = 0) -> Callable[[Played], None]:
    """The call raised the class for `status` at its first and only attempt, in words of ours, and
    nothing was sent; `after` calls before it were answered."""

    def expect(played: Played) -> None:
        client, problem, answer = played.client, played.last.problem, played.last.answers[-1]
        assert problem is not None
        assert client.classes[status] == problem.kind
        _has_our_words(played, status, code)
        assert words in problem.message
        assert "block" == answer.headers["x-s4fw-decision"]
        assert (after + 1, after + 1, after) == played.attempts
        assert (played.books.paid, 0) == (played.books.spent, played.books.accrued)
        assert bool(after) == bool(played.books.paid)

    return expect


def _has_our_words(played: Played, status: int, code: str) -> None:
    problem, answer = played.last.problem, played.last.answers[-1]
    assert problem is not None
    shown = {
        "openai": (status, code),
        "anthropic": (status, ANTHROPIC_TYPES[status]),
        "bedrock": (
            BEDROCK_STATUSES.get(status, status),
            BEDROCK_CODES.get(status, played.client.classes[status]),
        ),
    }
    assert shown[played.client.dialect] == (problem.status, problem.code)
    assert code == answer.headers["x-s4fw-reason"]
    assert "S4 Firewall: " in problem.message
    assert problem.request_id is not None
    assert problem.request_id.startswith("fw_")
    assert problem.request_id in problem.message
    assert problem.request_id == answer.headers["x-s4fw-request-id"]


def lost(played: Played) -> None:
    """The provider may have charged, so the SDK must not try again, and the worst case is due."""
    problem = played.last.problem
    assert problem is not None
    assert played.client.classes[502] == problem.kind
    _has_our_words(played, 502, "upstream_cut")
    assert (1, 1, 1) == played.attempts
    _is_accrued(played, played.books)


def cut(played: Played) -> None:
    """What came before the cut arrived; then the SDK says that it is not all."""
    problem, direct = played.last.problem, played.direct
    assert problem is not None
    assert played.client.cut_class == problem.kind
    assert "S4 Firewall: " in problem.message
    assert 0 < played.last.pieces < direct.pieces
    assert 0 < len(played.last.text) < len(direct.text)
    assert direct.text.startswith(played.last.text)
    assert (1, 1, 1) == played.attempts
    _is_accrued(played, played.books)


def _is_accrued(played: Played, books: Books) -> None:
    """Charged at the worst case, as it was reserved, which is never less than the truth."""
    assert 0 == books.spent
    assert 0 < books.paid <= books.accrued
    reserved = played.last.answers[-1].headers.get("x-s4fw-reserved-usd")
    if reserved is not None:
        assert nusd_from_usd(reserved) == books.accrued


def relayed(played: Played) -> None:
    """The provider's own refusal is what the application catches, and nobody pays."""
    assert played.direct.problem is not None
    assert played.direct.problem == played.last.problem
    assert (1, 1, 1) == played.attempts
    assert (0, 0, 0) == (played.books.paid, played.books.spent, played.books.accrued)


def broke_off(played: Played) -> None:
    """The provider's own word in the middle of a stream is what the application catches; what it
    generated before is due, and without its account the worst case."""
    assert played.direct.problem is not None
    assert played.direct.problem == played.last.problem
    assert played.direct.content == played.last.content
    assert (1, 1, 1) == played.attempts
    _is_accrued(played, played.books)


def gave_up(played: Played) -> None:
    """The application left before the answer came; the firewall stayed, and knows what it cost."""
    problem, books = played.last.problem, played.books
    assert problem is not None
    assert played.client.timeout_class == problem.kind
    assert (0, 1, 1) == played.attempts
    assert books.paid == books.spent > 0
    assert 0 == books.accrued


STREAM = Ask(is_streamed=True)
TOOL = Ask(has_tool=True)
RULES = Ask(has_rules=True)
UNKNOWN = Ask(model="gpt-of-nobody-v1")
UNBOUNDED = Ask(is_unbounded=True)
AT_ONCE = Ask(retries=0)
IMPATIENT = Ask(retries=0, timeout_s=0.5)

SITUATIONS = (
    Situation("plain", Ask(), answered),
    Situation("streamed", STREAM, answered),
    Situation("tool", TOOL, called_the_tool),
    Situation("tool, streamed", Ask(has_tool=True, is_streamed=True), called_the_tool),
    Situation("cached", RULES, read_the_cache, calls=2),
    Situation("cached, streamed", Ask(has_rules=True, is_streamed=True), read_the_cache, calls=2),
    Situation("over budget", Ask(), refused(402, "budget_exceeded", "budget own"), role="poor"),
    Situation(
        "over budget, streamed", STREAM, refused(402, "budget_exceeded", "budget own"), role="poor"
    ),
    Situation("unknown model", UNKNOWN, refused(403, "unknown_model", "no price for this model")),
    Situation("unbounded", UNBOUNDED, refused(403, "unbounded_request", "")),
    Situation("wrong key", Ask(), refused(401, "invalid_api_key", ""), role="stranger"),
    Situation(
        "too often",
        AT_ONCE,
        refused(429, "rate_limit_exceeded", "", after=1),
        role="hasty",
        calls=2,
    ),
    Situation("too often, waited", Ask(), answered_after_the_stated_wait, role="patient", calls=2),
    Situation("provider refuses", AT_ONCE, relayed, fault="status:503", is_relayed=True),
    Situation("provider fails once", Ask(), answered_after_a_retry, fault="status:500"),
    Situation("answer lost", Ask(), lost, fault="drop"),
    Situation("cut", STREAM, cut, fault="cut:9"),
    Situation("provider breaks off", STREAM, broke_off, fault="error_event:9", is_relayed=True),
    Situation("application gives up", IMPATIENT, gave_up, fault="latency:900"),
)
