"""The two files on a disk that fails at the worst moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s4fw.ledger.checkpoint import Head, SavedCell, cell_lines
from s4fw.process.checkpoints import NAMES, CheckpointFiles, found

CELL = SavedCell("org", 4, 1000, (), 100, 100, 30, 20, 5, 40)
HEAD = Head(0, "boot", 7, (1, 2, 3, 4, 5, 0), 99, False, ())


def taken(folder: Path) -> CheckpointFiles:
    files = CheckpointFiles(folder)
    assert files.take()
    return files


def mark_of(folder: Path) -> int:
    known = found(folder)
    assert known is not None
    return known.cells[0].mark


def test_only_one_may_write(tmp_path: Path) -> None:
    """The steward of a draining master and its successor's must not take turns."""
    files, other = taken(tmp_path), CheckpointFiles(tmp_path)
    assert not other.take()
    files.release()
    assert other.take()
    other.release()


def test_write_takes_turns_and_goes_on_after_a_death(tmp_path: Path) -> None:
    """A new steward replaces the older file, never the newer one."""
    for sequence in range(1, 5):
        files = taken(tmp_path)
        files.write(HEAD, cell_lines([CELL._replace(charged=sequence)]))
        files.release()  # as by death
        known = found(tmp_path)
        assert known is not None
        assert (sequence, sequence) == (known.head.sequence, known.cells[0].charged)
    assert {*NAMES} == {path.name for path in tmp_path.glob("checkpoint.?")}


@pytest.mark.parametrize("has_arrived", [True, False])
def test_marks_after_a_sync_that_failed_count_whatever_reached_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_arrived: bool
) -> None:
    """The kernel says EIO; the new checkpoint may be there after a power loss, or not."""
    files = taken(tmp_path)
    files.write(HEAD, cell_lines([CELL]))

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input"):
        files.write(HEAD, cell_lines([CELL]))
    monkeypatch.undo()
    files.append([CELL._replace(mark=60)])
    if not has_arrived:
        newer = tmp_path / NAMES[1 - files._current]
        newer.write_bytes(newer.read_bytes()[:-1])
    assert 60 == mark_of(tmp_path)
    files.release()


def test_append_behind_a_torn_line_counts(tmp_path: Path) -> None:
    """A full disk took half of a line; then there was room again."""
    files = taken(tmp_path)
    files.write(HEAD, cell_lines([CELL]))
    path = tmp_path / NAMES[files._current]
    whole = path.read_bytes()
    path.write_bytes(whole + b'\n1234abcd {"sequence')
    files.append([CELL._replace(mark=60)])
    assert 60 == mark_of(tmp_path)
    files.release()


def test_new_steward_syncs_what_its_predecessor_may_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between write and sync, the newer file is only in memory; the older one goes next."""
    files = taken(tmp_path)
    files.write(HEAD, cell_lines([CELL]))
    files.release()
    synced: list[str] = []
    real = os.fsync

    def note(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        real(fd)

    monkeypatch.setattr(os, "fsync", note)
    files = taken(tmp_path)
    assert [str(tmp_path / NAMES[files._current])] == synced
    files.release()
