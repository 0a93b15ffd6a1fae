"""The sizing model: a recommendation that errs to the wrong side costs an outage or money."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from load.sizing import FAMILIES, SIZES, Costs, advise, costs_of, model, table
from load.tune import BEGIN, END, PAGE, RESULTS, Step, line, worker_counts, write

COSTS = Costs(100.0, 200.0, 5.0, 25.0, 4.0, 12.5)


def test_advise_small_sizes_are_bound_by_processors() -> None:
    """0.6 of two vCPUs at 100 us a request, 40 chunks of 25 us a second for each stream."""
    advice = advise(COSTS, 2, 4, 1.0)
    assert (2, 12_000, 6_000, 1_200) == (
        advice.workers, advice.chats_per_s, advice.turns_per_s, advice.streams,
    )  # fmt: skip
    assert not advice.is_bound_by_steward


def test_advise_large_sizes_are_bound_by_the_one_steward() -> None:
    """Nobody should pay for vCPUs that a single process behind them cannot feed."""
    advice = advise(COSTS, 64, 128, 1.0)
    assert (63, 140_000) == (advice.workers, advice.chats_per_s)
    assert advice.is_bound_by_steward


def test_advise_little_memory_bounds_streams() -> None:
    """Half of 1 GB less 160 MB and a worker: 336 MB for streams of 1 MB each."""
    dear = Costs(100.0, 200.0, 5.0, 0.1, 4.0, 1000.0)
    assert 330 == advise(dear, 1, 1, 1.0).streams


def test_table_names_every_size_once() -> None:
    """What stands in the page covers all that the templates allow."""
    rows = table(COSTS, "c7g").splitlines()[2:]
    assert list(SIZES) == [row.split("|")[1].strip() for row in rows]


def test_worker_counts_go_to_twice_the_cores() -> None:
    """One step beyond shows that more workers than cores bring nothing."""
    assert [1, 2] == worker_counts(1)
    assert [1, 2, 4, 8] == worker_counts(4)


def test_write_replaces_only_what_it_wrote(tmp_path: Path) -> None:
    """A second measurement must not eat the page around the first."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, line(Step(2, 64, 1234.5, 1.0, 2.0, 100.0, 5.0, 80.0)))
    row = "| 2 | 64 | 1,234 | 1.0 ms | 2.0 ms | 100 us | 80 MB |"
    assert f"before\n{BEGIN}\n{row}\n{END}\nafter\n" == page.read_text()


def test_page_states_the_model_that_is_applied() -> None:
    """People who re-calculate it must find the constants that were used."""
    assert f"\n{model()}\n" in PAGE.read_text("utf-8")


def test_tables_of_the_page_are_the_model_applied_to_a_kept_measurement() -> None:
    """A table that nobody can trace to figures is an opinion."""
    page = PAGE.read_text("utf-8")
    results = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    kept = [Costs(**one["costs"]) for one in results if "costs" in one]
    kept += [costs_of(one) for one in results if is_whole(one)]
    stated = [costs for costs in kept if all(table(costs, name) in page for name in FAMILIES)]
    assert stated, "no result in load/results/ gives the tables of docs/sizing.md"
    assert any(f"{costs.chat_us:.0f} us for a chat request" in page for costs in stated)


def is_whole(bench: dict[str, Any]) -> bool:
    """Whether it is a run of `make bench` that has all the model needs."""
    shapes = {one["name"] for one in bench.get("ratios", ())}
    figures = {one["name"] for one in bench.get("figures", ())}
    return {"chat", "transcript", "stream"} <= shapes and {"worker", "live-stream"} <= figures
