"""What was once looked at or found by fuzzing is looked at in every run."""

from __future__ import annotations

import pytest

from tests.fuzz.seeds import CORPUS
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_corpus_keeps_every_promise(target: str) -> None:
    """A finding is a file here; it must not come back."""
    inputs = sorted((CORPUS / target).iterdir())
    assert inputs
    for file in inputs:
        try:
            TARGETS[target](file.read_bytes())
        except Exception as fault:
            pytest.fail(f"{file.name}: {type(fault).__name__}: {fault}")
