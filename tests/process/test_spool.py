"""The ledger's files: what a death at any byte leaves behind, and how much may lie there."""

from __future__ import annotations

from pathlib import Path

import pytest

from s4fw.ledger import segments
from s4fw.ledger.segments import SegmentFile
from s4fw.ledger.verify import Verifier
from s4fw.process.spool import Spool, SpoolFull
from tests.ledger.signed import SIGNER, row


def spool_in(directory: Path, **bounds: int) -> Spool:
    spool = Spool(directory, SIGNER)
    for name, value in bounds.items():
        setattr(spool, name, value)
    return spool


def begun(directory: Path) -> Spool:
    spool = spool_in(directory)
    spool.open()
    spool.begin("t1", {})
    return spool


def problems(directory: Path) -> list[str]:
    verifier = Verifier(SIGNER.public)
    files = segments.files_in(directory)
    for file in files:
        verifier.check(file, segments.read(file), file is files[-1])
    return [str(finding) for finding in verifier.findings if finding.is_problem]


def test_what_is_appended_is_genuine_over_several_segments(tmp_path: Path) -> None:
    """The writer and the checker agree about every byte."""
    spool = begun(tmp_path)
    spool.append([row(0, 1), row(0, 2)])
    spool.seal()
    spool.begin("t1", {0: 2})
    spool.append([row(0, 3)])
    assert [] == problems(tmp_path)
    assert 2 == spool.number


def test_end_torn_at_every_byte_is_cut_and_the_chain_goes_on(tmp_path: Path) -> None:
    """A kill in the middle of a write leaves any prefix of it; whole lines of it count."""
    spool = begun(tmp_path)
    spool.append([row(0, 1)])
    path = tmp_path / segments.open_name(1)
    kept = path.stat().st_size
    spool.append([row(0, 2), row(0, 3)])
    spool.close()
    whole = path.read_bytes()
    ends = [line.end for line in segments.lines_of(whole)]
    for size in range(kept, len(whole) + 1):
        path.write_bytes(whole[:size])
        again = spool_in(tmp_path)
        lines = again.open()
        assert max(end for end in ends if end <= size) == path.stat().st_size
        last = int(lines[-1].content["seq"])
        again.append([row(0, last + 1)])
        again.close()
        assert [] == problems(tmp_path), size
    assert ["000000000001.jsonl"] == [p.name for p in tmp_path.glob("*.jsonl*")]


def test_death_between_seal_and_next_head_goes_on_with_the_next_segment(tmp_path: Path) -> None:
    """A sealed segment is never written again."""
    spool = begun(tmp_path)
    spool.append([row(0, 1)])
    spool.seal()
    again = spool_in(tmp_path)
    assert "seal" == again.open()[-1].content["kind"]
    assert not again.is_open
    again.begin("t1", {0: 1})
    assert [] == problems(tmp_path)


def test_newest_segment_that_was_packed_and_sent_still_says_where_the_chain_stands(
    tmp_path: Path,
) -> None:
    """The sender may be quicker than a steward that dies."""
    spool = begun(tmp_path)
    spool.append([row(0, 1)])
    spool.seal()
    path = tmp_path / segments.open_name(1)
    lines = segments.whole_prefix(path.read_bytes())
    packed = tmp_path / segments.SENT / segments.packed_name(1, lines[-1].digest)
    packed.write_bytes(segments.pack(path.read_bytes()))
    path.unlink()
    again = spool_in(tmp_path)
    again.open()
    again.begin("t1", {0: 1})
    assert (2, []) == (again.number, problems(tmp_path))


def test_foreign_bytes_in_the_middle_are_kept_aside_not_followed(tmp_path: Path) -> None:
    """More than a torn line is somebody's doing: it is cut off, and kept to be looked at."""
    spool = begun(tmp_path)
    spool.append([row(0, 1)])
    spool.close()
    path = tmp_path / segments.open_name(1)
    data = path.read_bytes()
    path.write_bytes(data + b'{"kind":"settle"}\n{"kind":"settle"}\n')
    spool_in(tmp_path).open()
    assert data == path.read_bytes()
    [aside] = tmp_path.glob("*.torn-*")
    assert b'{"kind":"settle"}' in aside.read_bytes()


def test_directory_without_its_segments_begins_another_chain(tmp_path: Path) -> None:
    """Two first segments of one chain would look like a forgery."""
    first = begun(tmp_path)
    (tmp_path / segments.open_name(1)).unlink()
    again = begun(tmp_path)
    assert first.chain_id != again.chain_id


def test_full_directory_takes_nothing_and_changes_nothing(tmp_path: Path) -> None:
    """The bound holds, and what is there stays genuine."""
    spool = begun(tmp_path)
    spool.max_bytes = spool.measure() + 1000
    spool.append([row(0, 1)])
    before = (tmp_path / segments.open_name(1)).read_bytes()
    with pytest.raises(SpoolFull):
        spool.append([row(0, 2, customer="x" * 2000)])
    assert before == (tmp_path / segments.open_name(1)).read_bytes()
    spool.append([row(0, 2)])
    assert [] == problems(tmp_path)


def test_full_directory_removes_what_is_stored_elsewhere_oldest_first(tmp_path: Path) -> None:
    """Copies of what the bucket has are a convenience, not a reason to refuse requests."""
    spool = begun(tmp_path)
    for number in (1, 2):
        spool.append([row(0, number)])
        spool.seal()
        path = tmp_path / segments.open_name(number)
        last = segments.whole_prefix(path.read_bytes())[-1].digest
        path.rename(tmp_path / segments.SENT / segments.packed_name(number, last)[:-3])
        spool.begin("t1", {0: number})
    for path in (tmp_path / segments.SENT).iterdir():
        path.rename(path.with_name(path.name + ".gz"))
    spool.max_bytes = spool.measure() + 50
    spool.append([row(0, 3)])
    assert [2, 3] == [file.number for file in segments.files_in(tmp_path)]


def test_measure_tells_apart_what_waits_and_what_is_stored_elsewhere(tmp_path: Path) -> None:
    """The alarm of a full ledger must not ring because of copies that make room by themselves."""
    spool = begun(tmp_path)
    spool.append([row(0, 1)])
    assert 0 == spool.waiting()
    spool.seal()
    assert 1 == spool.waiting()
    path = tmp_path / segments.open_name(1)
    packed = tmp_path / segments.packed_name(1, bytes(24))
    packed.write_bytes(path.read_bytes())
    assert 1 == spool.waiting()  # in two forms, for a moment
    path.unlink()
    size = packed.stat().st_size
    packed.rename(tmp_path / segments.SENT / packed.name)
    assert 0 == spool.waiting()
    spool.begin("t1", {0: 1})
    whole = spool.measure()
    assert whole - size == spool.bytes_to_keep
    spool.append([row(0, 2)])
    assert whole - size < spool.bytes_to_keep


def test_disk_without_room_takes_back_the_half_that_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short write must not leave half a line in front of the next one."""
    spool = begun(tmp_path)
    real = __import__("os").write
    sizes = iter((40, 0))

    def short(fd: int, data: bytes) -> int:
        return int(real(fd, data[: next(sizes)]))

    with monkeypatch.context() as full:
        full.setattr("s4fw.process.spool.os.write", short)
        with pytest.raises(OSError, match="No space"):
            spool.append([row(0, 1)])
    spool.append([row(0, 1)])
    assert [] == problems(tmp_path)


def test_segment_is_due_by_size_and_by_age_and_never_when_empty(tmp_path: Path) -> None:
    """An idle firewall does not fill a bucket with empty files."""
    spool = begun(tmp_path)
    spool.rotate_s = 0
    assert not spool.is_due
    spool.append([row(0, 1)])
    assert spool.is_due
    spool.rotate_s = 1000
    assert not spool.is_due
    spool.max_bytes = 64 << 10
    spool.append([row(0, 2, customer="x" * 20_000)])
    assert spool.is_due


def test_files_in_reads_only_names_of_segments(tmp_path: Path) -> None:
    """Whatever else lies there is no part of the ledger."""
    for name in ("1.jsonl", "000000000001.jsonl.gz.packing", "000000000001.jsonl", "x"):
        (tmp_path / name).write_bytes(b"")
    path = tmp_path / "000000000001.jsonl"
    assert [SegmentFile(1, path, False)] == segments.files_in(tmp_path)
