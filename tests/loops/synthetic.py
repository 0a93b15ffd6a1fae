"""Invented sessions as records with labels: those of `families`, and some that take their time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tests.loops.families import (
    LOOK_ALIKES,
    RUNAWAYS,
    TOOLS,
    Turn,
    chat_messages,
    look_alike,
    opening,
    runaway,
    words,
    work,
)

if TYPE_CHECKING:
    from tests.loops.evaluate import Label

SEEDS = 20
BEFORE = 5  # turns of work before a session runs away

_SORRY = ("I apologise for the error.", "Sorry about that.", "Hmm, the failure persists.")
_AGAIN = ("Let me try again", "I will retry this", "One more attempt")
_HOW = ("with the correct parameters.", "after fixing the arguments.", "with other input.")


def _paraphrase(r: random.Random, count: int) -> list[tuple[str, Turn]]:
    """The same call, excused in other words each time."""
    turns = []
    for at in range(count):
        text = " ".join(r.choice(part) for part in (_SORRY, _AGAIN, _HOW))
        result = f"Error: missing required parameter content. step {at}"
        turns.append((text, ("edit_file", {"path": "notes.md"}, result)))
    return turns


def _growth(r: random.Random, count: int) -> list[tuple[str, Turn]]:
    """New junk in every turn: nothing repeats, so nothing of this layer sees it."""
    return [
        ("", (r.choice(TOOLS), {"q": words(r, 5)}, words(r, r.randrange(400, 700))))
        for _ in range(count)
    ]


def _slow_poll(r: random.Random, count: int) -> list[tuple[str, Turn]]:
    """A job that is asked about every half minute, and only its percentage moves."""
    turns: list[tuple[str, Turn]] = [
        ("", ("get_status", {"job": "j-9"}, json.dumps({"status": "running", "percent": at * 3})))
        for at in range(30)
    ]
    done: Turn = ("get_status", {"job": "j-9"}, '{"status": "done"}')
    return [*turns, ("", done), *(("", turn) for turn in work(r, 4))]


_Made = Callable[[random.Random, int], list[tuple[str, Turn]]]

# Calls of a loop that are made at most; of what cannot be seen there is none.
WITHIN: dict[str, int] = {name: within for name, (_, within) in RUNAWAYS.items()}
WITHIN["paraphrase"] = 5
UNSEEN = "growth without progress"
GAPS_S = {"slow poll": 30.0}


def _record(
    family: str, seed: int, turns: list[tuple[str, Turn]], onset: int | None
) -> tuple[dict[str, Any], Label]:
    from tests.loops.evaluate import Label

    messages = opening()
    calls = []
    for (text, _), added in zip(turns, chat_messages([turn for _, turn in turns]), strict=True):
        calls.append(len(messages))
        if text:
            added[0]["content"] = text
        messages += added
    gap_s = GAPS_S.get(family, 2.0)
    session = {
        "session": f"{family}-{seed}",
        "family": family,
        "protocol": "tools",
        "model": "gpt-4o",
        "messages": messages,
        "calls": calls,
        "t": [gap_s * at for at in range(len(calls))],
    }
    if onset is None:
        return session, Label(False)
    return session, Label(True, False, onset, frozenset(range(onset + 1, len(calls))))


def sessions(seeds: int = SEEDS) -> Iterator[tuple[dict[str, Any], Label]]:
    """All families, so many sessions of each."""
    for seed in range(seeds):
        for name in RUNAWAYS:
            turns = [("", turn) for turn in runaway(name, seed, BEFORE, 40)]
            yield _record(name, seed, turns, BEFORE)
        for name in LOOK_ALIKES:
            yield _record(name, seed, [("", turn) for turn in look_alike(name, seed)], None)
        for name, made, loops in _MORE:
            r = random.Random(f"{name}{seed}")
            before = [("", turn) for turn in work(r, BEFORE)]
            yield _record(name, seed, [*before, *made(r, 40)], BEFORE if loops else None)


_MORE: tuple[tuple[str, _Made, bool], ...] = (
    ("paraphrase", _paraphrase, True),
    (UNSEEN, _growth, True),
    ("slow poll", _slow_poll, False),
)
