"""The C of the counter table, tested in C: rules, every kill point, random kills, sanitizers.

`make stress` runs the random kills for longer.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.native.programs import FLAGS, NATIVE, SANITIZERS, compile_table, link, run

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The table with fault points."""
    return compile_table(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same with the sanitizers of addresses and of undefined behaviour."""
    return compile_table(tmp_path_factory.mktemp("sanitized"), *SANITIZERS)


@pytest.mark.parametrize("name", ["test_table", "test_values", "test_rates"])
def test_rules_of_the_table_hold_under_sanitizers(
    name: str, sanitized: list[Path], tmp_path: Path
) -> None:
    """What fits, what is denied, what is counted: the contract of s4_table_api.h, call by call."""
    assert "tests passed" in run(link(name, tmp_path, sanitized, *SANITIZERS))


def test_random_kills_with_overruns_are_exact_under_sanitizers(
    sanitized: list[Path], tmp_path: Path
) -> None:
    """Costs above the reservation are legal and must add up as well."""
    program = link("stress_table", tmp_path, sanitized, *SANITIZERS)
    assert ": exact" in run(program, "--seconds", "1", "--overruns")


def test_random_kills_under_load_leave_every_sum_exact(objects: list[Path], tmp_path: Path) -> None:
    """Processes at the limit of shared cells, killed at random: journal, cells and truth agree."""
    assert ": exact" in run(link("stress_table", tmp_path, objects), "--seconds", "2")


def test_every_operation_killed_at_every_point_is_whole_or_never_was(
    objects: list[Path], tmp_path: Path
) -> None:
    """The promise of exactness, point by point: no third state after any death, nor after two."""
    assert "every point fired, every table exact" in run(link("test_faults", tmp_path, objects))


# Changes of the C that must not go unnoticed: (name, file, text, replacement).
MUTANTS = [
    (
        "a committed record is not applied after a death",
        "s4_table_lock.c",
        "if (s4_get_acquire(&t->root->redo_valid)) {",
        "if (0) {",
    ),
    (
        "words are applied before the record is committed",
        "s4_table_lock.c",
        "s4_put_release(&t->root->redo_valid, 1);",
        "",
    ),
    (
        "the record is cleared before its words are applied",
        "s4_table_lock.c",
        "    for (int64_t i = 0; i < n; i++) {\n        s4_word *word",
        "s4_put(&root->redo_valid, 0);    for (int64_t i = 0; i < n; i++) {\n        s4_word *word",
    ),
    (
        "a list is changed outside of the record",
        "s4_table_leases.c",
        "s4_redo_set(t, &s->lease_free, lease - s4_lease_at(t, slot, 0) + 1);",
        "s4_put(&s->lease_free, lease - s4_lease_at(t, slot, 0) + 1);",
    ),
    (
        "a sent lease is voided after a death",
        "s4_table_recover.c",
        "if (state == S4_LEASE_SENT) {",
        "if (0) {",
    ),
]


def test_kill_points_notice_every_broken_protocol(objects: list[Path], tmp_path: Path) -> None:
    """A test of the test: whichever step of the protocol is left out, a kill point shows it."""
    program = link("test_faults", tmp_path, objects)
    for name, file, text, replacement in MUTANTS:
        source = (NATIVE / file).read_text()
        assert text in source, f"the mutant no longer fits: {name}"
        mutant = tmp_path / file
        mutant.write_text(source.replace(text, replacement))
        kept = [path for path in objects if path.stem != mutant.stem]
        test = NATIVE / "tests/test_faults.c"
        command = ["gcc", *FLAGS, mutant, test, *kept, "-o", program, "-lpthread"]
        subprocess.run(command, check=True)
        done = subprocess.run([program], capture_output=True, timeout=60, check=False)
        assert done.returncode == 1, f"not noticed: {name}"
