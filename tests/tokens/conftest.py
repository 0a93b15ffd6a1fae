"""One counter for all tests: building it takes half a second."""

from __future__ import annotations

import pytest
import tiktoken

from s4fw.tokens import TokenCounter
from s4fw.tokens.encoding import CL100K, O200K, load


@pytest.fixture(scope="session")
def encodings() -> dict[str, tiktoken.Encoding]:
    """Both vocabularies by name."""
    return {vocabulary.name: load(vocabulary) for vocabulary in (O200K, CL100K)}


@pytest.fixture(scope="session")
def shared_counter() -> TokenCounter:
    """For tests that do not look at its memory."""
    return TokenCounter()
