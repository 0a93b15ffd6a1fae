"""`s4fw clock accept` leaves an order and waits for the master to take it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from s4fw.cli import clock, main
from s4fw.process.timekeeper import ORDER


def accept(folder: Path) -> Result:
    config = folder / "s4fw.yaml"
    config.write_text(f"paths: {{runtime: {folder}}}\n")
    return CliRunner().invoke(main, ["clock", "accept", "-c", str(config)])


def test_accept_says_so_when_the_master_took_the_order(tmp_path: Path) -> None:
    """The answer is the fact, not the hope."""

    def master() -> None:
        while not (tmp_path / ORDER).exists():
            time.sleep(0.01)
        (tmp_path / ORDER).unlink()

    thread = threading.Thread(target=master)
    thread.start()
    result = accept(tmp_path)
    thread.join()
    assert (0, "accepted: budgets follow the wall clock\n") == (result.exit_code, result.output)


def test_accept_without_a_doubt_fails_and_leaves_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that lies around would be obeyed at the next jump, whatever it is."""
    monkeypatch.setattr(clock, "ANSWER_S", 0.1)
    result = accept(tmp_path)
    assert 1 == result.exit_code
    assert "has no doubt" in result.output
    assert not (tmp_path / ORDER).exists()
