"""From the rings of a real table into the ledger: each row once, whatever dies or is full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s4fw.config.ledger import Ledger
from s4fw.ledger import segments
from s4fw.ledger.journal import Kind
from s4fw.ledger.rebuild import rows_of
from s4fw.ledger.table import Table
from s4fw.ledger.verify import Verifier
from s4fw.process.bookkeeper import Bookkeeper
from s4fw.process.cellscopes import CellScopes
from s4fw.process.eventlog import EventLog
from s4fw.process.scribe import Scribe
from s4fw.process.spend import SpendFile
from s4fw.process.spool import Spool
from tests.ledger.signed import SIGNER

ROWS = 256  # of a ring


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    with Table.create(
        tmp_path / "table", slots=2, cells=16, leases=8, values=64, rows=ROWS
    ) as made:
        made.join(0)
        yield made


class Desk:
    """One life of a steward's books with a ledger."""

    def __init__(self, table: Table, folder: Path, table_id: str = "t", **section: Any) -> None:
        self.told: list[str] = []
        self.directory = folder / "ledger"
        self.spool = Spool(self.directory, SIGNER)
        self.books = Bookkeeper(
            table, SpendFile(folder), table_id, EventLog(), lambda cell: None
        )  # fmt: skip
        scopes = CellScopes(table, lambda value_id: table.value(value_id)[1].decode(), {}.get)
        self.scribe = Scribe(
            self.spool, scopes, self.books.text_of, b"k" * 32,
            lambda kind, level, sentence: self.told.append(kind),
        )  # fmt: skip
        self.scribe.adopt(Ledger.model_validate({"enabled": True, **section}))
        self.books.scribe = self.scribe

    def turn(self) -> None:
        """Read and write down everything that is there."""
        while self.books.turn():
            pass
        self.books._write_at_s = 0.0
        self.books.turn()
        self.books._write()

    def die(self) -> None:
        """What the kernel does at SIGKILL: locks and descriptors go, nothing else happens."""
        self.books._file.release()
        self.spool.close()


def block(table: Table, count: int = 1, tenant: str = "acme") -> None:
    """Publish the rows of refusals: they need no lease."""
    for _ in range(count):
        row = table.row()
        row[32] = Kind.BLOCK
        row[44:48] = table.intern(1, tenant.encode()).to_bytes(4, "little")
        table.publish()


def pay(table: Table, nusd: int) -> None:
    """One exchange that is charged to a budget's cell."""
    budget = table.intern(8, b"all")
    tenant = table.intern(1, b"acme")
    cell = table.claim(budget, 5, 0, (tenant,), 10**12, 10**12)
    ids = (0, tenant, 0, 0, 0, 0, 0, 0)
    lease = table.reserve(table.cell_set([cell], ids), nusd, bytes(range(16)), 0)
    assert lease >= 0
    table.sent(lease)
    table.row()[32] = Kind.SETTLE
    table.settle(lease, nusd, False)


def lines(directory: Path) -> list[dict[str, Any]]:
    """All rows of a ledger, after checking that it is genuine."""
    verifier = Verifier(SIGNER.public)
    found = []
    files = segments.files_in(directory)
    for file in files:
        data = segments.read(file)
        verifier.check(file, data, file is files[-1])
        found += [row.content for row in rows_of(data, is_open=True)]
    assert [] == [str(finding) for finding in verifier.findings if finding.is_problem]
    return found


def seqs(directory: Path) -> list[int]:
    return [line["seq"] for line in lines(directory)]


def test_rows_are_written_with_their_names_and_freed(table: Table, tmp_path: Path) -> None:
    """The ring's room is given back only for what stands in the ledger."""
    desk = Desk(table, tmp_path)
    block(table, 2)
    pay(table, 500)
    desk.turn()
    found = lines(desk.directory)
    assert [("block", "acme"), ("block", "acme"), ("settle", "acme")] == [
        (line["kind"], line["tenant"]) for line in found
    ]
    assert 500 == found[2]["charged_nusd"]
    assert 0 == table.slots()[0].ring_lag


def test_money_is_told_with_the_window_it_is_in(table: Table, tmp_path: Path) -> None:
    """Sums of the ledger can be held against the budgets."""
    desk = Desk(table, tmp_path)
    pay(table, 500)
    pay(table, 70)
    desk.turn()
    [file] = segments.files_in(desk.directory)
    rows = list(rows_of(segments.read(file), is_open=True))
    assert [500, 70] == [row.content["charged_nusd"] for row in rows]
    window = rows[0].windows[0]
    assert window is not None
    assert ("all", (("tenant", "acme"),), "total") == window[:3]
    assert rows[1].windows == rows[0].windows


@pytest.mark.parametrize("freed", [False, True])
def test_death_after_the_lines_before_the_sums_writes_nothing_twice(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, freed: bool
) -> None:
    """The ledger itself says how far it got."""
    desk = Desk(table, tmp_path)
    desk.turn()
    block(table, 3)
    in_the_way = tmp_path / "spend.json.new"
    with monkeypatch.context() as dying:
        if not freed:
            in_the_way.mkdir()
        dying.setattr(table, "advance_tail", lambda slot, tail: None)
        desk.turn()
        desk.die()
    if not freed:
        in_the_way.rmdir()
    block(table, 2)
    after = Desk(table, tmp_path)
    after.turn()
    assert [1, 2, 3, 4, 5] == seqs(after.directory)
    assert 5 == after.books.spend.costs("tenant")[0].blocked


def test_death_before_the_lines_writes_them_from_the_ring(table: Table, tmp_path: Path) -> None:
    """What was only in memory is gone with it, and still in the ring."""
    desk = Desk(table, tmp_path)
    desk.turn()
    block(table, 3)
    desk.books._write_at_s = 1e18
    desk.books.turn()
    assert [] == seqs(desk.directory)
    desk.die()
    after = Desk(table, tmp_path)
    after.turn()
    assert [1, 2, 3] == seqs(after.directory)


def test_orderly_end_seals_and_the_next_goes_on(table: Table, tmp_path: Path) -> None:
    """What was sealed can be sent before the machine goes away."""
    desk = Desk(table, tmp_path)
    block(table)
    desk.turn()
    desk.books.close()
    block(table)
    after = Desk(table, tmp_path)
    after.turn()
    assert ([1, 2], 2) == (seqs(after.directory), after.spool.number)


def test_another_table_begins_a_segment_with_its_own_numbers(table: Table, tmp_path: Path) -> None:
    """After a reboot the rings are new ones; the chain goes on."""
    desk = Desk(table, tmp_path)
    block(table, 2)
    desk.turn()
    desk.die()
    with Table.create(
        tmp_path / "other", slots=2, cells=16, leases=8, values=64, rows=ROWS
    ) as other:
        other.join(0)
        block(other)
        after = Desk(other, tmp_path, "t2")
        after.turn()
        assert [1, 2, 1] == seqs(after.directory)


def test_refuse_keeps_rows_in_the_ring_and_writes_all_once_there_is_room(
    table: Table, tmp_path: Path
) -> None:
    """A full disk loses no row: the workers refuse before the rings would drop one."""
    desk = Desk(table, tmp_path, max_bytes="64KiB")
    block(table)
    desk.turn()
    ballast = desk.directory / "ballast"
    ballast.write_bytes(bytes(64 << 10))
    block(table, 5)
    desk.turn()
    assert desk.scribe.is_behind
    assert ([1], 5) == (seqs(desk.directory), table.slots()[0].ring_lag)
    assert ["ledger_full"] == desk.told
    ballast.unlink()
    desk.turn()
    assert ([1, 2, 3, 4, 5, 6], 0) == (seqs(desk.directory), table.slots()[0].ring_lag)
    assert ["ledger_full", "ledger_goes_on"] == desk.told


def test_strict_worker_is_refused_when_its_row_would_have_no_room(
    table: Table, tmp_path: Path
) -> None:
    """Fail closed: what cannot be recorded is not let through."""
    desk = Desk(table, tmp_path, max_bytes="64KiB")
    desk.turn()
    (desk.directory / "ballast").write_bytes(bytes(64 << 10))
    table.set_strict(True)
    block(table, ROWS)
    desk.turn()
    cell = table.claim(table.intern(8, b"all"), 5, 0, (), 10**12, 10**12)
    assert table.reserve(table.cell_set([cell], (0,) * 8), 1, bytes(16), 0) < 0


def test_drop_goes_on_and_says_which_rows_are_missing(table: Table, tmp_path: Path) -> None:
    """Where traffic matters more than the ledger, the hole is counted, with its money."""
    desk = Desk(table, tmp_path, max_bytes="64KiB", when_full="drop")
    block(table)
    desk.turn()
    ballast = desk.directory / "ballast"
    ballast.write_bytes(bytes(64 << 10))
    pay(table, 500)
    block(table, 4)
    desk.turn()
    assert 0 == table.slots()[0].ring_lag
    assert 5 == desk.scribe.missing
    ballast.unlink()
    block(table)
    desk.turn()
    gap = next(line for line in lines(desk.directory) if line["kind"] == "gap")
    assert (2, 6, 5, 500) == (gap["first"], gap["last"], gap["rows"], gap["charged_nusd"])
    assert 5 == desk.scribe.missing
    assert 7 == lines(desk.directory)[-1]["seq"]


def test_gap_that_a_death_left_unsaid_is_found_by_the_numbers(table: Table, tmp_path: Path) -> None:
    """Nobody remembers what was dropped; the numbers tell all the same."""
    desk = Desk(table, tmp_path, max_bytes="64KiB", when_full="drop")
    block(table)
    desk.turn()
    ballast = desk.directory / "ballast"
    ballast.write_bytes(bytes(64 << 10))
    block(table, 4)
    desk.turn()
    desk.die()
    ballast.unlink()
    after = Desk(table, tmp_path, max_bytes="64KiB", when_full="drop")
    block(table)
    after.turn()
    gap = next(line for line in lines(after.directory) if line["kind"] == "gap")
    assert (2, 5, "not_recorded") == (gap["first"], gap["last"], gap["why"])
    assert 4 == after.scribe.missing
    assert 6 == lines(after.directory)[-1]["seq"]


def test_more_rows_than_the_bound_are_written_as_segments_leave(
    table: Table, tmp_path: Path
) -> None:
    """A small spool with a quick bucket takes any number of rows."""
    desk = Desk(table, tmp_path, max_bytes="64KiB")
    desk.turn()
    kept: list[int] = []
    for _ in range(12):
        block(table, 100, "tenant-with-a-name-of-some-length")
        desk.turn()
        for file in segments.files_in(desk.directory):
            if file.number < desk.spool.first_open:
                kept += [r.content["seq"] for r in rows_of(segments.read(file))]
                file.path.unlink()
    desk.turn()
    kept += [r.content["seq"] for f in segments.files_in(desk.directory)
             for r in rows_of(segments.read(f), is_open=True)]  # fmt: skip
    assert list(range(1, 1201)) == kept


def test_names_are_written_as_configured(table: Table, tmp_path: Path) -> None:
    """An agent's name may say more than an auditor should read."""
    desk = Desk(table, tmp_path, fields={"agent": "hash", "session": "omit", "customer": "plain"})
    row = table.row()
    row[32] = Kind.BLOCK
    for dimension, name in ((3, b"c1"), (4, b"agent-7"), (5, b"s1")):
        at = 40 + 4 * dimension
        row[at : at + 4] = table.intern(dimension, name).to_bytes(4, "little")
    table.publish()
    desk.turn()
    [line] = lines(desk.directory)
    assert "c1" == line["customer"]
    assert "session" not in line
    assert line["agent"].startswith("h_")
    assert len("h_") + 16 == len(line["agent"])
