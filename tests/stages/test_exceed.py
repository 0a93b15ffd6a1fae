"""What a budget does instead of refusing: through the real stages, without sockets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s4fw.ledger.journal import Decision, Kind
from tests.playbook import Play

INPUT_NUSD, OUTPUT_NUSD = 1_000, 2_000  # of a token of mock-small


def budget(limit_nusd: int, **more: Any) -> list[dict[str, Any]]:
    """One budget for everything."""
    limit = f"{limit_nusd // 10**9}.{limit_nusd % 10**9:09d}"
    return [{"id": "all", "per": [], "window": "day", "limit_usd": limit} | more]


def sent_body(x: Any) -> Any:
    """What goes upstream."""
    return json.loads(b"".join(x.request.pieces()))


def input_nusd(folder: Path) -> int:
    """What the input of the plain request costs at most."""
    with Play(folder, budget(10**10)) as play:
        return play.ask(max_tokens=1).quote_nusd - OUTPUT_NUSD


@pytest.fixture
def base(tmp_path: Path) -> int:
    """The quote of the plain request without any output."""
    folder = tmp_path / "base"
    folder.mkdir()
    return input_nusd(folder)


@pytest.mark.parametrize("spare", [0, 1, OUTPUT_NUSD - 1])
def test_clamp_lowers_to_exactly_what_the_budget_pays(
    tmp_path: Path, base: int, spare: int
) -> None:
    """Not a token less than fits, never one more."""
    limit = base + 70 * OUTPUT_NUSD + spare
    with Play(tmp_path, budget(limit, clamp={"min_output_tokens": 10})) as play:
        x = play.ask(max_tokens=500)
        assert x.block is None
        assert 70 == x.clamped_to == sent_body(x)["max_tokens"]
        assert base + 70 * OUTPUT_NUSD == x.quote_nusd == play.held("all")
        play.answer(x, b'{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7}}')
        play.end(x)
        assert 1 == play.count("clamped")
        (row,) = play.rows()
        assert (Kind.SETTLE, Decision.CLAMP) == (row.kind, row.decision)


def test_clamp_adds_a_bound_where_the_caller_gave_none(tmp_path: Path, base: int) -> None:
    """Without max_tokens the model's own maximum was held."""
    limit = base + 70 * OUTPUT_NUSD
    with Play(tmp_path, budget(limit, clamp={"min_output_tokens": 10})) as play:
        x = play.ask()
        assert 70 == x.clamped_to == sent_body(x)["max_completion_tokens"]


def test_clamp_bounds_each_of_several_choices(tmp_path: Path, base: int) -> None:
    """Three answers share what is left."""
    limit = base + 70 * OUTPUT_NUSD
    with Play(tmp_path, budget(limit, clamp={"min_output_tokens": 10})) as play:
        x = play.ask(max_tokens=500, n=3)
        assert 23 == x.clamped_to
        assert base + 69 * OUTPUT_NUSD == x.quote_nusd


def test_clamp_never_below_the_minimum(tmp_path: Path, base: int) -> None:
    """An answer that is too short is worth nothing: refused, as it came."""
    limit = base + 9 * OUTPUT_NUSD
    with Play(tmp_path, budget(limit, clamp={"min_output_tokens": 10})) as play:
        x = play.ask(max_tokens=500)
        assert x.block is not None
        assert "budget_exceeded" == x.block.code.name
        assert base + 500 * OUTPUT_NUSD == x.block.detail["requested_nusd"] == x.quote_nusd
        assert (0, 0) == (x.clamped_to, play.count("clamped"))


def test_clamp_leaves_alone_who_asked_for_less_than_the_minimum(tmp_path: Path, base: int) -> None:
    """The caller's own bound is lower than what a clamp may give."""
    limit = base + 4 * OUTPUT_NUSD
    with Play(tmp_path, budget(limit, clamp={"min_output_tokens": 10})) as play:
        x = play.ask(max_tokens=5)
        assert x.block is not None
        assert 5 == x.request.output_tokens_max


def test_clamp_is_not_touched_where_the_request_fits(tmp_path: Path, base: int) -> None:
    """Equal fits."""
    limit = base + 70 * OUTPUT_NUSD
    with Play(tmp_path, budget(limit, clamp={"min_output_tokens": 1})) as play:
        x = play.ask(max_tokens=70)
        assert (None, 0) == (x.block, x.clamped_to)
        assert x.request.edits is None


def test_clamp_meets_the_tightest_of_several_budgets(tmp_path: Path, base: int) -> None:
    """Each budget that refuses is asked for what it still pays."""
    budgets = [
        *budget(base + 90 * OUTPUT_NUSD, id="a", clamp={"min_output_tokens": 10}),
        *budget(base + 60 * OUTPUT_NUSD, id="b", clamp={"min_output_tokens": 10}),
    ]
    with Play(tmp_path, budgets) as play:
        x = play.ask(max_tokens=500)
        assert 60 == x.clamped_to == sent_body(x)["max_tokens"]


def test_clamp_of_one_budget_does_not_loosen_another(tmp_path: Path, base: int) -> None:
    """A budget without it refuses, and says what it was asked for."""
    budgets = [
        *budget(base + 90 * OUTPUT_NUSD, id="a", clamp={"min_output_tokens": 10}),
        *budget(base + 60 * OUTPUT_NUSD, id="b"),
    ]
    with Play(tmp_path, budgets) as play:
        x = play.ask(max_tokens=500)
        assert x.block is not None
        assert 500 == x.request.output_tokens_max
        assert 0 == play.held("a") == play.held("b")


def test_reroute_asks_the_cheaper_model_and_bills_it(tmp_path: Path) -> None:
    """The model that runs is quoted, attributed and priced; nothing of the dear one is held."""
    budgets = [
        *budget(10**7, on_exceed={"model": "mock-small"}),
        {"id": "by-model", "per": ["model"], "window": "day", "limit_usd": 100},
    ]
    with Play(tmp_path, budgets, pricing=DEAR) as play:
        x = play.ask(model="dear", max_tokens=500)
        assert x.block is None
        assert "mock-small" == x.rerouted_to == sent_body(x)["model"]
        assert x.attribution is not None
        assert "mock-small" == x.attribution.get("model")
        assert x.quote_nusd == play.held("all")
        assert [0, x.quote_nusd] == sorted(c.used for c in play.table.cells() if c.stated == 10**11)
        play.answer(x, b'{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7}}')
        play.end(x)
        assert 1 == play.count("rerouted")
        assert 5 * INPUT_NUSD + 7 * OUTPUT_NUSD == play.spent("all")
        (row,) = play.rows()
        assert Decision.REROUTE == row.decision


def test_reroute_lowers_what_the_cheaper_model_cannot_give(tmp_path: Path) -> None:
    """Its provider would refuse a bound above its own maximum."""
    with Play(tmp_path, budget(10**8, on_exceed={"model": "mock-small"}), pricing=DEAR) as play:
        x = play.ask(model="dear", max_tokens=90_000)
        assert (None, 4096) == (x.block, sent_body(x)["max_tokens"])
        assert 0 == x.clamped_to


def test_clamp_comes_before_reroute(tmp_path: Path, base: int) -> None:
    """A shorter answer of the model that was asked for is nearer to the wish."""
    more = {"clamp": {"min_output_tokens": 10}, "on_exceed": {"model": "mock-small"}}
    with Play(tmp_path, budget(base * 100_000, **more), pricing=DEAR) as play:
        x = play.ask(model="dear", max_tokens=90_000)
        assert x.clamped_to > 10
        assert x.rerouted_to is None


def test_reroute_may_be_clamped_too(tmp_path: Path, base: int) -> None:
    """The cheaper one does not fit as a whole either."""
    more = {"clamp": {"min_output_tokens": 10}, "on_exceed": {"model": "mock-small"}}
    with Play(tmp_path, budget(base + 70 * OUTPUT_NUSD, **more), pricing=DEAR) as play:
        x = play.ask(model="dear", max_tokens=500)
        assert (70, "mock-small") == (x.clamped_to, x.rerouted_to)
        assert (70, "mock-small") == (sent_body(x)["max_tokens"], sent_body(x)["model"])


def test_reroute_that_does_not_fit_refuses_as_if_it_never_was(tmp_path: Path) -> None:
    """Quote, model and attribution of the refusal are those of the request as it came."""
    with Play(tmp_path, budget(1, on_exceed={"model": "mock-small"}), pricing=DEAR) as play:
        x = play.ask(model="dear", max_tokens=500)
        assert x.block is not None
        assert ("dear", None) == (x.request.model, x.rerouted_to)
        assert x.attribution is not None
        assert "dear" == x.attribution.get("model")
        assert x.quote_nusd == x.block.detail["requested_nusd"] > 500 * 10**6
        (row,) = play.rows()
        assert (Kind.BLOCK, x.quote_nusd) == (row.kind, row.reserved_nusd)


def test_reroute_counts_a_large_prompt_anew_in_a_thread(tmp_path: Path) -> None:
    """The other model may have another tokenizer, or none."""
    messages = [{"role": "user", "content": "word " * 60_000}]
    cheap = {"input_usd_per_mtok": "0.1", "output_usd_per_mtok": 1, "max_output_tokens": 4096}
    budgets = budget(2 * 10**8, on_exceed={"model": "cheap"})
    with Play(tmp_path, budgets, pricing={"overrides": {"cheap": cheap}}) as play:
        x = play.ask(model="gpt-4o", messages=messages, max_tokens=16_000)
        assert (None, "cheap") == (x.block, x.rerouted_to)
        assert 2 == play.offloaded
        assert 300_000 < x.quote_tokens_in < 301_000


DEAR = {
    "overrides": {
        "dear": {
            "input_usd_per_mtok": 1000,
            "output_usd_per_mtok": 1000,
            "max_output_tokens": 100_000,
        },
        "mock-small": {
            "input_usd_per_mtok": 1,
            "output_usd_per_mtok": 2,
            "max_output_tokens": 4096,
        },
    }
}
