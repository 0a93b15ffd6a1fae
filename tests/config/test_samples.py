"""Pairs of files in `samples`: a configuration, and everything that is said about it.

A new case is two new files.  The environment they see is ENV; files are looked for in vain.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from s4fw.config import ConfigErrors, parse

SAMPLES = Path(__file__).parent / "samples"
ENV = {"PORT": "8081", "TEXT": "text", "EMPTY": "", "OPENAI_API_KEY": "sk-secret"}


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_sample_is_told_all_its_problems_at_once(sample: Path) -> None:
    """Whoever repairs a configuration must not have to start it ten times."""
    expected = sample.with_suffix(".txt").read_text("utf-8")
    said = "FINE"
    try:
        parse(sample.read_text("utf-8"), sample.name, ENV, Path("/nonexistent"))
    except ConfigErrors as errors:
        said = str(errors)
    assert expected == said + "\n"


def test_samples_say_nothing_secret() -> None:
    """A message ends up in logs and tickets: what may be a secret is never repeated in one."""
    said = "".join(path.read_text("utf-8") for path in SAMPLES.glob("*.txt"))
    assert [] == [s for s in ("hunter2", "sk-", "two words", "short:") if s in said]
