"""What a checkpoint file says, and what is believed of two."""

from __future__ import annotations

from s4fw.ledger import checkpoint
from s4fw.ledger.checkpoint import Head, SavedCell

ORG = SavedCell("org", 4, 1000, (), 100, 100, 30, 20, 5, 40)
TEAM = SavedCell("team", 4, 1000, ((0, "acme"), (1, None)), 50, 50, 7, 7, 0, 10)


def head(sequence: int, is_clean: bool = False) -> Head:
    return Head(sequence, "boot", 7, (1, 2, 3, 4, 5, 0), 99, is_clean, ("org", None))


def written(sequence: int, *cells: SavedCell, is_clean: bool = False) -> bytes:
    return checkpoint.document(head(sequence, is_clean), checkpoint.cell_lines(cells))


def test_read_what_was_written_is_the_same() -> None:
    """Names, amounts and the shared `other` come back as they were."""
    found = checkpoint.read(written(3, ORG, TEAM))
    assert (head(3), (ORG, TEAM)) == found.checkpoint
    assert () == found.marks


def test_read_cut_at_any_byte_is_no_checkpoint_or_the_whole_one() -> None:
    """A machine that dies while it writes must not leave half of the truth."""
    document = written(3, ORG, TEAM)
    for cut in range(len(document)):
        assert checkpoint.read(document[:cut]).checkpoint is None, cut


def test_read_with_any_byte_changed_is_no_checkpoint() -> None:
    """A disk that lies is not believed."""
    document = written(3, ORG)
    for at in range(len(document)):
        broken = bytearray(document)
        broken[at] ^= 1
        assert checkpoint.read(bytes(broken)).checkpoint is None, at


def test_read_marks_cut_at_any_byte_keeps_those_that_are_whole() -> None:
    """A mark that was not synced was not in force; one that was counts."""
    first = checkpoint.marks_line(3, [ORG._replace(mark=60)])
    last = checkpoint.marks_line(3, [ORG._replace(mark=80)])
    whole = written(3, ORG) + b"\n" + first
    for cut in range(len(last)):
        found = checkpoint.believed([checkpoint.read(whole + b"\n" + last[:cut])])
        assert found is not None
        assert 60 == found.cells[0].mark, cut
    found = checkpoint.believed([checkpoint.read(whole + b"\n" + last)])
    assert found is not None
    assert 80 == found.cells[0].mark


def test_believed_of_two_is_the_newer_whole_one() -> None:
    """They are written in turn: one of them is always whole."""
    old, new = written(3, ORG), written(4, ORG._replace(charged=25))
    for files in ((old, new), (new, old)):
        found = checkpoint.believed([checkpoint.read(data) for data in files])
        assert found is not None
        assert (4, 25) == (found.head.sequence, found.cells[0].charged)
    found = checkpoint.believed([checkpoint.read(old), checkpoint.read(new[:-1])])
    assert found is not None
    assert (3, 20) == (found.head.sequence, found.cells[0].charged)


def test_believed_counts_marks_of_later_files_and_not_of_earlier_ones() -> None:
    """A new checkpoint may have lost its head, but the marks behind it were promised."""
    old = written(3, ORG) + checkpoint.marks_line(3, [ORG._replace(mark=90), TEAM])
    new = written(4, ORG) + checkpoint.marks_line(4, [ORG._replace(mark=70)])
    found = checkpoint.believed([checkpoint.read(old), checkpoint.read(new)])
    assert found is not None
    assert [70] == [cell.mark for cell in found.cells]
    broken = b"x" + new[1:]
    found = checkpoint.believed([checkpoint.read(old), checkpoint.read(broken)])
    assert found is not None
    assert {"org": 90, "team": 10} == {cell.budget: cell.mark for cell in found.cells}


def test_believed_is_clean_only_when_nothing_speaks_against_it() -> None:
    """What is exact is given back to the cent, so it must be certain."""
    clean, before = written(4, ORG, is_clean=True), written(3, ORG)
    mark = checkpoint.marks_line(4, [ORG])
    for files, expected in (
        ((before, clean), True),
        ((clean,), True),
        ((before, clean + mark), False),
        ((before[:-1], clean), False),
        ((clean, written(5, ORG)), False),
    ):
        found = checkpoint.believed([checkpoint.read(data) for data in files])
        assert found is not None
        assert expected == found.head.is_clean, files


def test_believed_of_foreign_newer_or_empty_files_is_nothing() -> None:
    """What is not understood is never taken for zero spend."""
    newer = written(3, ORG).replace(b'"version":1', b'"version":2')
    for data in (b"", b"\0" * 4096, b"PNG...", newer, b"\n" * 99):
        assert checkpoint.believed([checkpoint.read(data)]) is None, data[:20]
