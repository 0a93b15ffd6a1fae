"""The compiled table after every death: what the mirror predicts, and no fault point left out."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.kills import (
    NOT_KILLED,
    OF_OPERATION,
    OF_REPAIR,
    OPERATIONS,
    POINTS,
)

ROOT = Path(__file__).parents[2]
# Of native/: (file, text, what it becomes).
MUTANTS = [
    ("s4_table_lock.c", "    s4_put_release(&t->root->redo_valid, 1);", ""),
    (
        "s4_table_recover.c",
        "s4_resolve(t, slot, lease, lease->amount, 1,",
        "s4_resolve(t, slot, lease, 0, 1,",
    ),
    ("s4_table_journal.c", "s4_redo_set(t, &s->head, head + 1);", "s4_put(&s->head, head + 1);"),
]
SOURCES = sorted((ROOT / "native").glob("s4_table_*.c"))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_every_operation_killed_at_every_point_leaves_what_the_mirror_says(tmp_path: Path) -> None:
    """Before the commit nothing happened, behind it everything; recovery makes up for the dead."""
    command = [sys.executable, "-m", "tests.model.kills", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert f"{len(OPERATIONS)} operations, {len(POINTS)} points" in done.stdout


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize(("file", "text", "broken"), MUTANTS)
def test_broken_table_is_noticed(file: str, text: str, broken: str, tmp_path: Path) -> None:
    """A test of the test: the mirror is not what the table happens to do."""
    sources = tmp_path / "native"
    shutil.copytree(ROOT / "native", sources)
    whole = (sources / file).read_text()
    assert text in whole
    (sources / file).write_text(whole.replace(text, broken))
    command = [sys.executable, "-m", "tests.model.kills", str(tmp_path), str(sources)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Mistake" in done.stderr


def test_every_fault_point_of_the_code_is_driven() -> None:
    """A point that is declared and never passed, or passed and never armed, proves nothing."""
    hooks = {
        name for path in SOURCES for name in re.findall(r"S4_FAULT\((\w+)\)", path.read_text())
    }
    assert hooks == {*POINTS} == {*OF_OPERATION, *OF_REPAIR}


def test_every_function_that_takes_the_lock_is_killed_or_reads_only() -> None:
    """A new operation comes with its deaths."""
    takers = set()
    for path in SOURCES:
        for name, body in re.findall(
            r"^(?:static )?int(?:64_t)? (\w+)\([^;{]*\{\n(.*?)^\}",
            path.read_text(),
            re.MULTILINE | re.DOTALL,
        ):
            if re.search(r"\bs4_lock\(t", body):
                takers.add(name)
    assert takers == {operation.function for operation in OPERATIONS.values()} | NOT_KILLED.keys()
