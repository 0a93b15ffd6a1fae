"""Fixtures that start real processes; see tests/harness."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s4fw.core import pipeline
from tests.harness import Firewall, Simulator, firewall_config

# `make test-compiled` must not pass on the sources.
IS_COMPILED = str(pipeline.__file__).endswith(".so")
assert IS_COMPILED == (os.environ.get("S4FW_COMPILED") == "1"), pipeline.__file__


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator for all tests of this test process; take `simulator` instead."""
    with Simulator(tmp_path_factory.mktemp("simulator")) as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_process: Simulator) -> Simulator:
    """A provider that remembers nothing of earlier tests."""
    simulator_process.reset()
    return simulator_process


@pytest.fixture
def firewall(simulator: Simulator, tmp_path: Path) -> Iterator[Callable[..., Firewall]]:
    """Starts firewalls: `firewall(budgets=[...], server={"workers": 1})`, in front of `simulator`.

    `config=` takes a whole configuration instead, `env=` environment variables.  All of them are
    stopped at the end of the test, and none may leave a process behind.
    """
    started: list[Firewall] = []

    def start(
        config: dict[str, Any] | None = None, *, env: dict[str, str] | None = None, **sections: Any
    ) -> Firewall:
        folder = tmp_path / f"firewall{len(started)}"
        folder.mkdir()
        made = Firewall(folder, config or firewall_config(simulator, **sections), env=env)
        started.append(made)
        made.start()
        return made

    yield start
    problems = []
    for made in reversed(started):
        try:
            made.stop()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)
