"""`s4fw table` on the files of a stopped firewall: nothing is ever lowered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from s4fw.cli import main
from s4fw.core.attribution import DIMENSION_INDEX
from s4fw.ledger.table import Table
from s4fw.process.checkpoints import CheckpointFiles, found
from s4fw.process.durability import write_now
from s4fw.process.masterlock import MasterLock

BUDGET, TENANT = 8, DIMENSION_INDEX["tenant"]  # dimensions of interned values


class Files:
    """A runtime and a state directory, as a firewall leaves them."""

    def __init__(self, folder: Path) -> None:
        self.runtime, self.state = folder / "runtime", folder / "state"
        for made in (self.runtime, self.state):
            made.mkdir()
        self.config = folder / "s4fw.yaml"
        self.config.write_text(f"paths: {{runtime: {self.runtime}, state: {self.state}}}\n")

    def table(self) -> Table:
        """The table, made where there is none."""
        path = self.runtime / "table"
        if path.exists():
            return Table.attach(path)
        return Table.create(path, slots=4, cells=32, leases=8, values=64, rows=16)

    def spend(self, charged: int, accrued: int = 0, tenant: bytes = b"acme") -> None:
        """A cell that was used so far."""
        with self.table() as table:
            ids = [table.intern(TENANT, tenant)]
            cell = table.claim(table.intern(BUDGET, b"team"), 4, 1793491200, ids, 1000, 1000)
            table.raise_charged(*cell, charged - accrued, False)
            table.raise_charged(*cell, charged, True)

    def checkpoint(self, is_clean: bool = False) -> None:
        files = CheckpointFiles(self.state)
        assert files.take()
        with self.table() as table:
            write_now(table, files, is_clean)
        files.release()

    def run(self, *arguments: str, code: int = 0, text: str | None = None) -> Result:
        command = ["table", *arguments[:1], "-c", str(self.config), *arguments[1:]]
        result = CliRunner().invoke(main, command, input=text)
        assert code == result.exit_code, result.output
        return result

    def export(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run("export").stdout.splitlines() if line]

    def charged(self) -> list[tuple[int, int]]:
        with self.table() as table:
            return [(cell.charged, cell.accrued) for cell in table.cells()]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_export_says_names_and_amounts_of_each_cell(files: Files) -> None:
    """What an accountant gets has no ids in it."""
    files.spend(70, 30)
    (line,) = files.export()
    assert ("team", "month", {"tenant": "acme"}) == (line["budget"], line["window"], line["scope"])
    assert (70, 30, 1000) == (line["charged_nusd"], line["accrued_nusd"], line["limit_nusd"])
    assert "2026-11-01T00:00:00Z" == line["start"]


def test_export_without_a_table_reads_the_checkpoint(files: Files) -> None:
    """After a reboot, before the start, people want to know what will come back."""
    files.spend(70)
    files.checkpoint()
    before = files.export()
    (files.runtime / "table").unlink()
    assert before == files.export()


def test_export_of_nothing_says_that_nothing_is_there(files: Files) -> None:
    """An empty answer would look like zero spend."""
    assert "no table" in files.run("export", code=66).stderr


def test_import_raises_what_is_lower_and_makes_what_is_missing(files: Files) -> None:
    """A machine that died with its disk is replaced by what was exported."""
    files.spend(70, 30)
    lines = files.run("export").stdout
    (files.runtime / "table").unlink()
    files.spend(20)
    assert "1 of 1 cells were raised" in files.run("import", "-", text=lines).stdout
    assert [(70, 30)] == files.charged()
    known = found(files.state)
    assert known is not None
    assert [70] == [cell.charged for cell in known.cells]
    (files.runtime / "table").unlink()
    files.run("import", "--anew", "-", text=lines)
    assert [(70, 30)] == files.charged()


def test_import_below_what_is_charged_changes_nothing(files: Files) -> None:
    """An old export must not refill a budget, not even in part."""
    files.spend(20, tenant=b"other team")
    files.spend(70)
    lines = files.run("export").stdout
    files.spend(71)
    lower = lines.replace('"charged_nusd": 20', '"charged_nusd": 99')
    assert "never lowers" in files.run("import", "-", text=lower, code=1).stderr
    assert [(20, 0), (71, 0)] == files.charged()


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        "not json",
        '{"budget": "b", "window": "month", "start_s": 0, "scope": {}, "limit_nusd": 1,'
        ' "charged_nusd": -1, "accrued_nusd": 0}',
        '{"budget": "b", "window": "month", "start_s": 0, "scope": {}, "limit_nusd": 1,'
        ' "charged_nusd": 1.5, "accrued_nusd": 0}',
        '{"budget": "b", "window": "month", "start_s": 0, "scope": {"planet": "x"},'
        ' "limit_nusd": 1, "charged_nusd": 1, "accrued_nusd": 0}',
    ],
)
def test_import_of_something_else_names_the_line(files: Files, line: str) -> None:
    """A file that was edited by hand has mistakes."""
    files.spend(1)
    assert "line 2" in files.run("import", "-", text=f"\n{line}\n", code=2).stderr
    assert [(1, 0)] == files.charged()


def test_import_and_repair_beside_a_running_firewall_are_refused(files: Files) -> None:
    """Two writers would each believe to be alone."""
    files.spend(1)
    lock = MasterLock(files.runtime / "master.lock")
    try:
        files.run("import", "-", text="", code=75)
        files.run("repair", code=75)
        files.run("audit")
        files.run("check")
    finally:
        lock.release()


def tamper(files: Files, held: int) -> None:
    """A hold that no reservation explains, or one that is too small."""
    with files.table() as table:
        table.join(0)
        (cell,) = table.cells()
        place = (cell.index, cell.generation)
        table.reserve(table.cell_set([place], []), 50, bytes(16), 1)
    path = files.runtime / "table"
    data = bytearray(path.read_bytes())
    at = data.index((70 + 50).to_bytes(8, "little") + (70).to_bytes(8, "little"))
    data[at : at + 8] = (70 + held).to_bytes(8, "little")
    path.write_bytes(data)


@pytest.mark.parametrize(("held", "expected"), [(90, 70 + 90 - 50), (10, 70)])
def test_repair_makes_a_cell_equal_to_its_reservations_and_lowers_nothing(
    files: Files, held: int, expected: int
) -> None:
    """A hold that nothing explains was spent, as far as anybody can know."""
    files.spend(70)
    tamper(files, held)
    assert "do not add up" in files.run("audit", code=1).stdout
    assert "given back" in files.run("repair").stdout
    assert "everything adds up" in files.run("audit").stdout
    assert [(expected, expected - 70)] == files.charged()


def test_repair_of_a_table_that_is_behind_its_checkpoint_raises_it(files: Files) -> None:
    """What the disk knows to be spent is spent."""
    files.spend(70)
    files.checkpoint()
    (files.runtime / "table").unlink()
    files.spend(20)
    assert "behind its checkpoint" in files.run("repair").stdout
    assert [(70, 50)] == files.charged()
    assert "nothing was to be done" in files.run("repair").stdout


def test_repair_of_a_damaged_table_makes_it_from_the_checkpoint(files: Files) -> None:
    """The old file stays for a person to look at."""
    files.spend(70)
    files.checkpoint()
    path = files.runtime / "table"
    path.write_bytes(path.read_bytes()[:5000])
    files.run("check", code=65)
    assert "set aside" in files.run("repair").stdout
    assert [(70, 0)] == files.charged()
    assert 5000 == next(files.runtime.glob("table.damaged-*")).stat().st_size


def test_repair_of_a_damaged_table_without_a_checkpoint_touches_nothing(files: Files) -> None:
    """There is nothing to make it from."""
    files.spend(70)
    path = files.runtime / "table"
    path.write_bytes(path.read_bytes()[:5000])
    files.run("repair", code=65)
    assert 5000 == path.stat().st_size


def test_check_of_what_is_sound_says_so(files: Files) -> None:
    """Two lines: the table, the checkpoint."""
    files.spend(70)
    files.checkpoint()
    table, checkpoint = files.run("check").stdout.splitlines()
    assert "sound, 1 of 32 cells" in table
    assert "whole, 1 cells" in checkpoint
    for name in ("checkpoint.a", "checkpoint.b"):
        (files.state / name).write_bytes(b"x")
    files.run("check", code=65)
