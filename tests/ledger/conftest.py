"""A small counter table for the tests of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from s4fw.ledger.table import Table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's table is."""
    return tmp_path / "table"


@pytest.fixture
def table(path: Path) -> Iterator[Table]:
    """A small table that this process attached and closes."""
    with Table.create(path, slots=4, cells=32, leases=8, values=64, rows=16) as made:
        yield made
