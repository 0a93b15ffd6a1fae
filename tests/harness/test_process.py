"""The harness itself: a helper that misses a leftover process would hide the worst bugs."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.harness import Process, Simulator, parallel, post_chat, wait_until

LEAVES_A_CHILD = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
print("ready now", flush=True)
time.sleep(60)
"""


def _script(folder: Path, text: str) -> Process:
    process = Process([], folder=folder, ready_word="ready ", ready_timeout_s=5.0)
    process.args = [sys.executable, "-c", text]
    return process


def test_stop_with_a_process_left_fails_and_kills_it(tmp_path: Path) -> None:
    """Even one that made its own session and ignores SIGTERM."""
    process = _script(tmp_path, LEAVES_A_CHILD)
    process.leftover_timeout_s = 0.1
    process.start()
    assert len(wait_until(process.tree, "it runs")) == 2
    with pytest.raises(AssertionError, match="left no process"):
        process.stop()
    assert process.tree() == []


def test_wait_ready_of_what_dies_shows_its_stderr(tmp_path: Path) -> None:
    """The reason stands in the failure, not in a file nobody opens."""
    process = _script(tmp_path, "raise SystemExit('no luck today')")
    with pytest.raises(AssertionError, match="no luck today"):
        process.start()


def test_kill_everything_leaves_nothing(tmp_path: Path) -> None:
    """The power cord."""
    process = _script(tmp_path, LEAVES_A_CHILD)
    process.start()
    process.kill_everything()
    assert process.tree() == []
    assert process.wait() == -signal.SIGKILL


def test_tree_knows_only_its_own(tmp_path: Path, simulator: Simulator) -> None:
    """Tests run side by side and must not kill each other's processes."""
    process = _script(tmp_path, LEAVES_A_CHILD)
    process.start()
    assert simulator.pid not in process.tree()
    assert os.getpid() not in process.tree()
    process.kill_everything()
    assert simulator.is_running


def test_wait_until_what_never_comes_fails() -> None:
    """With the words of the caller."""
    with pytest.raises(AssertionError, match="the moon"):
        wait_until(lambda: False, "the moon", timeout_s=0.05)


def test_parallel_gives_what_was_raised_in_its_place() -> None:
    """One failure does not hide the other answers."""
    results = parallel(3, lambda index: 6 // (index - 1))
    assert results[0] == -6
    assert isinstance(results[1], ZeroDivisionError)
    assert results[2] == 6


def test_simulator_fixture_is_fresh(simulator: Simulator) -> None:
    """Whatever the test before did."""
    assert simulator.request_count() == 0
    assert post_chat(simulator.base_url).status == 200
