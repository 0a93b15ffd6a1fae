"""Judgements in words: the header for programs, the sentence for people.  Never content."""

from __future__ import annotations

from typing import Any, Final

from s4fw.loops import rules, thresholds
from s4fw.loops.ask import Judgement, Seen
from s4fw.units import usd, usd_9

_SENTENCES: Final = {
    thresholds.REPEAT: "the last {turns} turns are the same call with the same result",
    thresholds.NEAR_REPEAT: (
        "the last {turns} turns differ in numbers or ids only, in the call or in its result"
    ),
    thresholds.CYCLE: "the last {turns} turns repeat the same {period} turns",
    thresholds.FAILING: "the last {turns} turns failed in the same way",
    thresholds.EMPTY: "the last {turns} turns found nothing, with the same tool",
    thresholds.SAME_TEXT: "the last {turns} answers are the same text, and nothing new came back",
    thresholds.STAGNATION: "the last {turns} turns hold hardly anything different",
    thresholds.NOVELTY: "nothing in the last {turns} turns was new",
    rules.STORM: "the same request came {turns} times, whatever was answered",
    rules.GROWTH: "each of the last {turns} turns made the request much larger",
    rules.FAN_OUT: "many more sessions than usual begin like this one",
    rules.COST_SLOPE: "the cost of this session grows faster from turn to turn than is usual",
    rules.SPEND_AFTER_FAILURES: "much was spent since the last turn that did not fail",
    rules.SESSION_TURNS: "this session has more turns than are allowed",
    rules.SESSION_COST: "this session cost what is allowed for one",
    rules.SESSION_TIME: "this session takes longer than is allowed",
    rules.LONG_SESSION: "this session has {turns} turns, more than twice as many as is usual",
    rules.RETRIES: "this session sends the same request more often than is allowed",
}


def sentence(judgement: Judgement) -> str:
    """What was found, for people."""
    found = judgement.finding
    text = _SENTENCES[found.rule].format(turns=found.turns, period=found.period)
    if judgement.wasted_nusd:
        text += f"; that cost {usd(judgement.wasted_nusd)} since the first repetition"
    return text


def header(judgement: Judgement, word: str) -> str:
    """The value of `x-s4fw-loop`; `word` says what is done."""
    found = judgement.finding
    amount = usd_9(judgement.wasted_nusd).rstrip("0")
    whole, _, cents = amount.partition(".")
    return (
        f"{word}; rule={found.rule}; period={found.period}; turns={found.turns};"
        f" first_turn={judgement.first_turn}; wasted_usd={whole}.{cents:0<2}"
    )


def detail(judgement: Judgement, seen: Seen) -> dict[str, Any]:
    """The members of the `s4fw` object in the body of a block."""
    found = judgement.finding
    return {
        "rule": found.rule,
        "period": found.period,
        "turns": found.turns,
        "first_turn": judgement.first_turn,
        "wasted_nusd": judgement.wasted_nusd,
        "loop_session": seen.session,
    }
