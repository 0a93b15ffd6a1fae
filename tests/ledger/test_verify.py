"""Verifying the ledger: whatever is done to it is told, and only that."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.ledger import chain
from s4fw.ledger.verify import Verifier
from tests.ledger.signed import OTHER, SIGNER, Chain, plain, row


def problems(*pieces: bytes, numbers: list[int] | None = None, is_open: bool = False) -> list[str]:
    """What verifying says about these segments, sealed but for the last where `is_open`."""
    verifier = Verifier(SIGNER.public)
    for at, data in enumerate(pieces):
        number = numbers[at] if numbers else at + 1
        verifier.check(plain(number), data, is_open and at == len(pieces) - 1)
    return [str(finding) for finding in verifier.findings if finding.is_problem]


def lines_of(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def test_ledger_as_it_was_written_has_no_problem() -> None:
    """A check that cries wolf is switched off."""
    made = Chain()
    assert [] == problems(made.segment(), made.segment(0), made.segment(3))


def test_open_segment_without_seal_is_no_problem_as_the_newest_only() -> None:
    """The last one is being written; an older one without its seal was cut."""
    made = Chain()
    first, second = made.segment(is_sealed=False), made.segment(is_sealed=False)
    assert [] == problems(first, is_open=True)
    assert "ends without its seal" in problems(first, second, is_open=True)[0]


def test_changed_line_is_named_and_no_other() -> None:
    """An auditor wants to know which amount was touched."""
    lines = lines_of(Chain().segment())
    lines[3] = lines[3].replace(b'"charged_nusd":20', b'"charged_nusd":21')
    [problem] = problems(b"".join(lines))
    assert problem.startswith("segment 1, line 4: does not follow")


def test_changed_line_with_a_digest_made_anew_breaks_what_follows() -> None:
    """Whoever mends one digest must mend them all, and then the seal does not fit."""
    lines = lines_of(Chain().segment())
    before = chain.split(lines[2][:-1])[1]
    body = row(0, 2, charged_nusd=1)
    lines[3] = chain.line(body, chain.link(before, body))
    assert "line 5: does not follow" in problems(b"".join(lines))[0]


def test_whole_segment_chained_anew_does_not_fit_its_signatures() -> None:
    """Only the key's owner can make another history."""
    made, forged = Chain(), Chain(OTHER)
    made.segment()
    [first, *_] = problems(forged.segment())
    assert "another key" in first
    lines = lines_of(Chain().segment())
    writer = chain.Writer(chain.split(lines[0][:-1])[1], 1)
    bodies = [chain.split(line[:-1])[0] for line in lines[1:]]
    bodies[1] = bodies[1].replace(b":10", b":99")
    again = lines[0] + b"".join(map(writer.add, bodies))
    assert ["segment 1, line 6: seals other lines than these"] == problems(again)


def test_removed_line_tells_which_row_is_missing() -> None:
    """The rows of each slot are numbered."""
    lines = lines_of(Chain().segment())
    said = problems(b"".join(lines[:2] + lines[3:]))
    assert "line 3: does not follow" in said[0]
    assert any("row 1 of slot 1" in sentence for sentence in said)
    assert any("seals 5 lines, but 4 are here" in sentence for sentence in said)


def test_lines_that_changed_places_are_told() -> None:
    """Order is part of what happened."""
    lines = lines_of(Chain().segment(6))
    lines[1], lines[3] = lines[3], lines[1]
    said = problems(b"".join(lines))
    assert any("line 2: does not follow" in sentence for sentence in said)
    assert any("row 1 of slot 0 comes behind row 2" in sentence for sentence in said)


@pytest.mark.parametrize("kept", [1, 3, 5])
def test_segment_cut_at_a_line_misses_its_seal(kept: int) -> None:
    """Each line that is left is genuine; the seal says that there were more."""
    data = b"".join(lines_of(Chain().segment())[:kept])
    assert ["segment 1: ends without its seal: lines were cut off"] == problems(data)


def test_missing_segments_are_counted() -> None:
    """Removing a whole file leaves a hole in the numbers, and in the rows."""
    made = Chain()
    pieces = [made.segment() for _ in range(5)]
    said = problems(pieces[0], pieces[3], pieces[4], numbers=[1, 4, 5])
    assert ["segment 2: to 3 are missing"] == said


def test_segment_renamed_over_a_missing_one_is_told() -> None:
    """Renaming files does not close the hole."""
    made = Chain()
    first, _, third = made.segment(), made.segment(), made.segment()
    said = problems(first, third)
    assert any("says that this is segment 3" in sentence for sentence in said)
    assert any("does not follow from the segment before" in sentence for sentence in said)


def test_ledger_without_its_first_segments_is_no_problem_but_said() -> None:
    """They are in the bucket, or were deleted by a rule of it: that is for people to know."""
    made = Chain()
    made.segment()
    verifier = Verifier(SIGNER.public)
    verifier.check(plain(2), made.segment(), False)
    assert ["segment 2: is the first that is here; 1 before it are elsewhere"] == [
        str(finding) for finding in verifier.findings
    ]


def test_gap_lines_close_the_numbers_and_are_counted() -> None:
    """What was left out for want of room is no forgery, and no secret."""
    made = Chain()
    data = made.segment(2, is_sealed=False)
    body = b'{"kind":"gap","at":"2026-01-31","slot":0,"first":2,"last":9,"rows":8,"why":"full"}'
    data += made.writer.add(body) + made.writer.add(row(0, 10))
    verifier = Verifier(SIGNER.public)
    verifier.check(plain(1), data, True)
    assert [] == [finding for finding in verifier.findings if finding.is_problem]
    assert (1, 8) == (verifier.totals.gaps, verifier.totals.rows_missing)


_MADE = Chain()
PIECES = [_MADE.segment(5), _MADE.segment(4), _MADE.segment(3)]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_change_of_any_byte_is_told(data: st.DataObject) -> None:
    """The whole promise: one byte changed, added or removed anywhere is noticed, and its segment
    is named."""
    at = data.draw(st.integers(0, 2), "segment")
    piece = PIECES[at]
    place = data.draw(st.integers(0, len(piece) - 1), "place")
    how = data.draw(st.sampled_from(("change", "add", "remove")), "how")
    byte = data.draw(st.integers(0, 255), "byte")
    if how == "change":
        changed = piece[:place] + bytes([byte]) + piece[place + 1 :]
    elif how == "add":
        changed = piece[:place] + bytes([byte]) + piece[place:]
    else:
        changed = piece[:place] + piece[place + 1 :]
    pieces = [*PIECES[:at], changed, *PIECES[at + 1 :]]
    told = any(f"segment {at + 1}" in problem for problem in problems(*pieces))
    assert told == (changed != piece), (how, place, byte)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_line_removed_doubled_or_moved_is_told(data: st.DataObject) -> None:
    """The same for whole lines, which are each genuine."""
    at = data.draw(st.integers(0, 2), "segment")
    lines = lines_of(PIECES[at])
    line = data.draw(st.integers(0, len(lines) - 1), "line")
    how = data.draw(st.sampled_from(("remove", "double", "move")), "how")
    taken = lines[line] if how == "double" else lines.pop(line)
    if how != "remove":
        place = data.draw(st.integers(0, len(lines)), "to")
        lines.insert(place, taken)
    changed = b"".join(lines)
    pieces = [*PIECES[:at], changed, *PIECES[at + 1 :]]
    assert bool(problems(*pieces)) == (changed != PIECES[at]), (how, line)
