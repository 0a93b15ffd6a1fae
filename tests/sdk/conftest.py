"""One estate for all tests of a test process: starting firewalls takes longer than calling them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import Simulator
from tests.sdk.clients import NODE, PYTHON
from tests.sdk.estate import Estate


@pytest.fixture(scope="session")
def running_estate(
    simulator_process: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Estate]:
    """Take `estate` instead."""
    estate = Estate(tmp_path_factory.mktemp("sdk"), simulator_process, PYTHON + NODE)
    yield estate
    estate.stop()
    for client in PYTHON + NODE:
        client.close()


@pytest.fixture
def estate(simulator: Simulator, running_estate: Estate) -> Estate:
    """An estate whose simulator remembers nothing of earlier tests."""
    return running_estate
