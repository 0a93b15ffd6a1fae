"""The file of the counter table: made once, attached by all, never replaced when damaged."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path

import pytest

from s4fw.ledger.table import Table, TableDamaged, is_on_tmpfs
from tests.harness.wait import wait_until

REQUEST = bytes(range(16))
CELLS_AT = 56  # in the header: where the cells begin


def test_attach_sees_what_another_mapping_wrote(table: Table, path: Path) -> None:
    """A second process, or the next master, sees the same money."""
    table.join(0)
    budget = table.intern(8, b"budget")
    cells = table.cell_set([table.claim(budget, 2, 0, (), 100, 100)], ())
    lease = table.reserve(cells, 60, REQUEST, 1)
    table.settle(lease, 25, False)
    with Table.attach(path) as second:
        assert [(25, 25, 0)] == [(c.used, c.charged, c.open_leases) for c in second.cells()]
        assert table.sizes == second.sizes
        assert (8, b"budget") == second.value(second.cells()[0].budget)


def test_create_where_a_table_is_raises_and_leaves_it(table: Table, path: Path) -> None:
    """Two masters must never replace each other's table."""
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        Table.create(path)
    assert before == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


def test_create_without_a_folder_says_which_path(tmp_path: Path) -> None:
    """An operator reads this message."""
    with pytest.raises(OSError, match="nowhere"):
        Table.create(tmp_path / "nowhere" / "table")


def test_attach_where_nothing_is_raises_file_not_found(tmp_path: Path) -> None:
    """Missing is not damaged: the master makes a new one."""
    with pytest.raises(FileNotFoundError):
        Table.attach(tmp_path / "table")


def _truncated(content: bytes) -> bytes:
    return content[:-4096]


DAMAGES = {
    "empty": (lambda content: b"", "too short: 0 bytes"),
    "short": (lambda content: content[:300], "too short: 300 bytes"),
    "foreign": (lambda content: b"SQLite format 3\0" + content[16:], "foreign"),
    "zeros": (lambda content: bytes(len(content)), "foreign"),
    "newer": (lambda content: content[:8] + b"\x02" + content[9:], "layout version 2"),
    "checksum": (lambda content: content[:20] + b"\x09" + content[21:], "checksum"),
    "truncated": (_truncated, "instead of"),
    "longer": (lambda content: content + bytes(4096), "instead of"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_attach_damaged_file_says_why_and_changes_no_byte(
    damage: str, table: Table, path: Path
) -> None:
    """A damaged table is evidence and may be repaired: it is never replaced by zeros."""
    change, sentence = DAMAGES[damage]
    content = change(path.read_bytes())
    path.write_bytes(content)
    with pytest.raises(TableDamaged, match=sentence):
        Table.attach(path)
    assert content == path.read_bytes()


def test_attach_a_folder_raises_damaged(tmp_path: Path) -> None:
    """Whatever lies there, the answer is one sentence."""
    with pytest.raises(TableDamaged, match="cannot be opened"):
        Table.attach(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_attach_read_only_file_raises_damaged(table: Table, path: Path) -> None:
    """Without writing nothing can be counted, so nothing may pass."""
    path.chmod(0o400)
    with pytest.raises(TableDamaged, match="Permission denied"):
        Table.attach(path)


def test_reset_finds_a_list_that_was_overwritten(table: Table, path: Path) -> None:
    """Damage behind a whole header is found before the first request walks it."""
    table.claim(17, 2, 0, (), 100, 100)
    with path.open("r+b") as file:
        at = struct.unpack_from("<Q", path.read_bytes(), CELLS_AT)[0]
        file.seek(at + 96)  # the link of the first cell: now it leads to itself
        file.write(struct.pack("<q", 1))
    with pytest.raises(TableDamaged, match="cell chain is broken"):
        table.reset_lock_if_alone()


def test_reset_waits_until_nobody_else_is_attached(table: Table, path: Path) -> None:
    """The lock is made anew only when no process can hold it, joined or not."""
    with Table.attach(path):
        assert table.reset_lock_if_alone() is False
    assert table.reset_lock_if_alone() is True


def test_reset_counts_the_orphans_of_a_dead_master(table: Table, path: Path) -> None:
    """A worker that outlived its master may hold the lock, also before it has joined a slot."""
    gate, opened = os.pipe()
    master = os.fork()
    if master == 0:
        inherited = Table.attach(path)
        if os.fork() == 0:
            os.read(gate, 1)
            inherited.close()
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        os.waitpid(master, 0)
        assert table.reset_lock_if_alone() is False
    finally:
        os.write(opened, b"x")
        os.close(gate)
        os.close(opened)
    wait_until(table.reset_lock_if_alone, "the orphan is gone")


def test_close_with_a_slice_in_use_keeps_the_memory_until_it_is_gone(table: Table) -> None:
    """A view that someone kept must raise or work, never read what is no longer there."""
    table.join(0)
    whole = table.counters()
    piece = whole[3:5]
    assert str(table.path) in Path("/proc/self/maps").read_text()
    table.close()
    assert [0, 0] == list(piece)
    assert "closed" in repr(table)
    with pytest.raises(ValueError, match="released"):
        whole[0]
    with pytest.raises(TypeError):
        table.beat()
    piece.release()
    assert str(table.path) not in Path("/proc/self/maps").read_text()


def test_is_on_tmpfs_knows_memory_from_disk() -> None:
    """The master warns where write-back could stall a store."""
    assert is_on_tmpfs(Path("/dev/shm/anything"))
    assert not is_on_tmpfs(Path("/proc/self"))
