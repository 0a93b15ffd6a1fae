"""The load test itself: every shape of traffic passes, and the books agree to the nano-dollar."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from load.stand import NotExact, check_books, percentile_ms

ROOT = Path(__file__).parents[2]
SHAPES = {"agent", "anthropic", "bedrock", "chat", "runaway", "stream"}
TENANTS = {"mail", "search", "summary"}


@pytest.mark.slow
def test_locust_for_twenty_seconds_fails_nothing_and_money_is_exact(tmp_path: Path) -> None:
    """What simulators of real applications see together is what no test of one request shows."""
    report = tmp_path / "report.json"
    args = ["--seconds", "20", "--users", "18", "--report", str(report)]
    done = subprocess.run(
        [sys.executable, "-m", "load.stand", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert 0 == done.returncode, done.stdout[-3000:] + done.stderr[-3000:]
    assert "so does every budget that covers it" in done.stdout
    rows: list[dict[str, Any]] = json.loads(report.read_text())
    asked = {row["name"] for row in rows if row["num_requests"]}
    assert SHAPES | {"runaway, stopped"} <= asked
    assert TENANTS & asked
    assert 0 == sum(row["num_failures"] for row in rows)
    assert sum(row["num_requests"] for row in rows) > 100


def entry(budget_id: str, charged_nusd: int, limit_nusd: int = 1000) -> dict[str, Any]:
    """A cell as /v1/budgets tells it."""
    amounts = {"charged_nusd": charged_nusd, "used_nusd": charged_nusd, "limit_nusd": limit_nusd}
    return {"id": budget_id, "scope": {}, **amounts}


def test_check_books_cells_of_a_budget_are_added_up() -> None:
    """A budget for each tenant covers all traffic as much as one for everything."""
    check_books([entry("all", 30), entry("tenant", 10), entry("tenant", 20)], 30)


@pytest.mark.parametrize(
    "entries",
    [
        [entry("all", 29)],
        [entry("all", 30), entry("tenant", 10), entry("tenant", 21)],
        [entry("all", 30), entry("runaway", 30, limit_nusd=29)],
    ],
)
def test_check_books_one_nano_dollar_off_is_found(entries: list[dict[str, Any]]) -> None:
    """A check that rounds would never fail."""
    with pytest.raises(NotExact):
        check_books(entries, 30)


def test_percentile_ms_of_counted_times_is_the_time_that_share_kept() -> None:
    """The table must not flatter: the 99th of 100 answers counts."""
    times = {1.0: 50, 5.0: 48, 80.0: 2}
    assert [1.0, 80.0] == [percentile_ms(times, 0.5), percentile_ms(times, 0.99)]
    assert 0.0 == percentile_ms({}, 0.99)


def test_product_never_imports_locust_or_gevent() -> None:
    """Its monkey patches in one of our processes would change what every socket does."""
    for file in (ROOT / "s4fw").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            assert not {name.split(".")[0] for name in names} & {"gevent", "locust", "load"}, file
