"""Rows from the rings of a real table into the sums: once each, whatever fails in between."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from s4fw.ledger.journal import Kind
from s4fw.ledger.table import Table
from s4fw.process.bookkeeper import ROWS_AT_ONCE, Bookkeeper
from s4fw.process.eventlog import EventLog
from s4fw.process.spend import SpendFile


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    with Table.create(tmp_path / "table", slots=2, cells=16, leases=8, values=64, rows=16) as made:
        made.join(0)
        yield made


def block(table: Table, tenant: str = "acme") -> None:
    """Publish the row of a refusal: it needs no lease."""
    row = table.row()
    row[32] = Kind.BLOCK
    tenant_id = table.intern(1, tenant.encode())
    row[44:48] = tenant_id.to_bytes(4, "little")  # the second of eight value ids
    table.publish()


def steward(table: Table, state: Path, events: EventLog | None = None) -> Bookkeeper:
    return Bookkeeper(table, SpendFile(state), "t", events or EventLog(), lambda cell: None)


def blocked(books: Bookkeeper) -> dict[str, int]:
    return {cost.value: cost.blocked for cost in books.spend.costs("tenant")}


def test_turn_counts_rows_by_name_and_frees_them_once_written(table: Table, tmp_path: Path) -> None:
    """The ring is the log until the file is written, and free afterwards."""
    books = steward(table, tmp_path)
    block(table)
    block(table, "globex")
    books.turn()
    assert {"acme": 1, "globex": 1} == blocked(books)
    books.close()
    assert 0 == table.slots()[0].ring_lag
    assert {"acme": 1, "globex": 1} == blocked(reopened(table, tmp_path))


def reopened(table: Table, state: Path) -> Bookkeeper:
    books = steward(table, state)
    books.turn()
    return books


def test_death_between_file_and_ring_counts_nothing_twice(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file says which rows it contains; those still in the ring are skipped."""
    books = steward(table, tmp_path)
    block(table)
    with monkeypatch.context() as dying:
        dying.setattr(table, "advance_tail", lambda slot, tail: None)
        books.close()
    assert 1 == table.slots()[0].ring_lag
    block(table)
    assert {"acme": 2} == blocked(reopened(table, tmp_path))


def test_death_before_the_file_counts_the_rows_again_from_the_ring(
    table: Table, tmp_path: Path
) -> None:
    """What was only in memory is gone with it, and still in the ring."""
    books = reopened(table, tmp_path)
    block(table)
    books.turn()  # the file was written a moment ago and is not due yet
    assert {"acme": 1} == blocked(books)
    books._file.release()  # what the kernel does when its owner dies
    assert {"acme": 1} == blocked(reopened(table, tmp_path))


def test_file_that_cannot_be_written_keeps_the_rows_and_alarms_once(
    table: Table, tmp_path: Path
) -> None:
    """A full disk costs no row as long as the ring has room."""
    state, events = tmp_path / "state", EventLog()
    state.mkdir()
    books = steward(table, state, events)
    books.turn()
    (state / "spend.json.new").mkdir()  # where the next version would be written
    for _ in range(3):
        block(table)
        books.turn()
        books._write()
    assert 3 == table.slots()[0].ring_lag
    assert ["spend_unwritable"] == [e.kind for e in events.newest(9) if e.level == "alarm"]
    (state / "spend.json.new").rmdir()
    books.close()
    assert 0 == table.slots()[0].ring_lag


def test_file_that_cannot_be_looked_at_for_a_while_keeps_its_sums(
    table: Table, tmp_path: Path
) -> None:
    """Too many open files, a disk that hangs: that is no reason to begin anew."""
    state, events = tmp_path / "state", EventLog()
    state.mkdir()
    block(table)
    reopened(table, state).close()
    (state / "spend.json").rename(tmp_path / "away")
    (state / "spend.json").mkdir()  # reading it fails, though it is there
    books = steward(table, state, events)
    block(table)
    for _ in range(3):
        books.turn()
    assert 1 == table.slots()[0].ring_lag
    assert ["spend_unreadable"] == [e.kind for e in events.newest(9) if e.level == "alarm"]
    (state / "spend.json").rmdir()
    (tmp_path / "away").rename(state / "spend.json")
    books.turn()
    assert {"acme": 2} == blocked(books)
    books.close()


def test_steward_that_never_could_read_the_file_leaves_it_alone(
    table: Table, tmp_path: Path
) -> None:
    """Its end must not replace the sums by its own empty ones."""
    (tmp_path / "spend.json").mkdir()
    books = steward(table, tmp_path)
    block(table)
    books.turn()
    books.close()
    assert ["spend.json", "spend.lock", "table"] == sorted(p.name for p in tmp_path.iterdir())
    assert 1 == table.slots()[0].ring_lag


def test_second_steward_waits_for_the_first(table: Table, tmp_path: Path) -> None:
    """While the one of a draining master still works, its successor's only looks on."""
    first = reopened(table, tmp_path)
    second = steward(table, tmp_path)
    block(table)
    second.turn()
    assert {} == blocked(second)
    first.close()
    second.turn()
    assert {"acme": 1} == blocked(second)


def test_turn_says_that_more_is_waiting_so_that_no_row_is_dropped(tmp_path: Path) -> None:
    """A busy worker publishes ten thousand rows a second; the steward must not take a nap."""
    with Table.create(
        tmp_path / "table", slots=2, cells=16, leases=8, values=64, rows=512
    ) as table:
        table.join(0)
        for _ in range(ROWS_AT_ONCE * 2 + 5):
            block(table)
        books = steward(table, tmp_path)
        assert [True, True, False] == [books.turn() for _ in range(3)]
        assert {"acme": ROWS_AT_ONCE * 2 + 5} == blocked(books)
