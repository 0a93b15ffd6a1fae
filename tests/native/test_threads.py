"""The table under several threads and the thread sanitizer, which must notice a weakened order."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.native.programs import NATIVE, compile_table, link, run

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

# Without builtins: what gcc copies in line the sanitizer does not see.  It does not know fences
# either, and what they are for is explored in tests/model.
THREADS = ("-fsanitize=thread", "-fno-builtin", "-Wno-tsan")
WEAKENED = [
    ("s4_table_lock.c", "s4_put_release(word, s4_get", "s4_put(word, s4_get"),
    ("s4_table_journal.c", "head = s4_get_acquire(&s->head)", "head = s4_get(&s->head)"),
]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The table, watched by the thread sanitizer."""
    return compile_table(tmp_path_factory.mktemp("watched"), *THREADS)


def test_threads_with_handles_of_their_own_do_not_race(watched: list[Path], tmp_path: Path) -> None:
    """Workers, a steward and readers at once: no race but those that are thrown away by design."""
    assert ": exact" in run(link("threads_table", tmp_path, watched, *THREADS), "--rounds", "20000")


@pytest.mark.parametrize(("file", "text", "weaker"), WEAKENED)
def test_weakened_order_is_a_race_that_the_sanitizer_sees(
    file: str, text: str, weaker: str, watched: list[Path], tmp_path: Path
) -> None:
    """A test of the test: a row that is read before it is known to be whole."""
    source = (NATIVE / file).read_text()
    assert text in source
    (tmp_path / file).write_text(source.replace(text, weaker))
    flags = ["-std=gnu11", "-O1", "-g", "-DS4_FAULTS", f"-I{NATIVE}", *THREADS]
    mutant = tmp_path / "mutant.o"
    subprocess.run(["gcc", *flags, "-c", tmp_path / file, "-o", mutant], check=True)
    kept = [path for path in watched if path.stem != Path(file).stem]
    program = link("threads_table", tmp_path, [*kept, mutant], *THREADS)
    done = subprocess.run(
        [program, "--rounds", "20000"], capture_output=True, timeout=60, check=False
    )
    assert b"data race" in done.stderr
