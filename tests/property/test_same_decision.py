"""Same state and same request in, same decision out: no clock and no chance in between."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from s4fw.core.exchange import Exchange
from tests.playbook import Play

BUDGETS: list[dict[str, Any]] = [
    {"id": "all", "per": [], "window": "total", "limit_usd": 0.02},
    {"id": "tenant", "per": ["tenant"], "window": "total", "limit_usd": 0.008},
    {"id": "session", "per": ["session"], "window": "total", "limit_usd": 0.004},
    {"id": "shadow", "per": [], "window": "total", "limit_usd": 0.001, "mode": "shadow"},
]
USAGE = b'{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}'


def decision(x: Exchange) -> tuple[Any, ...]:
    """What callers and books see of it, but for the request id."""
    refusal = x.block and (x.block.code.name, x.block.message, x.block.detail)
    shown = (x.budget_id, x.budget_remaining_nusd, x.budget_resets_at, x.budget_warning)
    return (refusal, x.quote_nusd, x.shadow_reason, *shown)


def ask(play: Play, chance: random.Random) -> Exchange:
    """One of a few requests, some of which cannot be priced."""
    headers = {
        "x-s4fw-tenant": chance.choice(("acme", "globex")),
        "x-s4fw-session": chance.choice("abcdef"),
    }
    fields = {"model": chance.choice(("mock-small", "mock-small", "gpt-4o", "none-such"))}
    return play.ask(None, headers, max_tokens=chance.choice((1, 50, 400)), **fields)


def end(play: Play, chance: random.Random, x: Exchange) -> None:
    """Well, with any usage; or before anything was sent."""
    if chance.random() < 0.8:
        given = chance.randrange(100), chance.randrange(100)
        play.answer(x, USAGE % (*given, sum(given)))
    play.end(x)


def transcript(folder: Path, seed: int) -> tuple[list[Any], list[Any]]:
    """Every decision of a random run, and the sums at the end."""
    chance = random.Random(seed)
    folder.mkdir()
    decisions, running = [], []
    with Play(folder, BUDGETS) as play:
        for _ in range(60):
            state = chance.getstate()
            x = ask(play, chance)
            decisions.append(decision(x))
            if x.block is None:
                running.append(x)
            else:  # a refusal changes nothing, so it is refused again
                chance.setstate(state)
                assert decisions[-1] == decision(ask(play, chance))
            if running and chance.random() < 0.7:
                end(play, chance, running.pop(chance.randrange(len(running))))
        cells = [cell._replace(touched_ns=0) for cell in play.table.cells()]
    return decisions, cells


@pytest.mark.parametrize("seed", range(5))
def test_same_requests_over_the_same_state_get_the_same_decisions(
    tmp_path: Path, seed: int
) -> None:
    """An operator can replay what happened, and a caller is not refused by luck."""
    first, second = transcript(tmp_path / "a", seed), transcript(tmp_path / "b", seed)
    assert first == second
    codes = {refusal[0] for refusal, *_ in first[0] if refusal}
    assert {"budget_exceeded", "unknown_model"} <= codes
    assert any(refusal is None for refusal, *_ in first[0])
