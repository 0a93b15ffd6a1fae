"""What the simulator's tests share: the vocabularies, which take a while to load."""

from __future__ import annotations

import pytest

from s4fw.tokens import TokenCounter


@pytest.fixture(scope="session")
def counter() -> TokenCounter:
    """One counter for all tests of this test process."""
    return TokenCounter()
