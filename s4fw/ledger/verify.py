"""Whether a ledger is as it was written: chain, signatures, row numbers, nothing missing.

One pass over the segments of one chain, in order.  After a line that does not follow from the one
before, the check goes on with what that line says, so each place that was touched is told once, and
what was left alone is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from s4fw.ledger import chain, segments
from s4fw.ledger.segments import SegmentFile
from s4fw.ledger.signing import is_signed, key_id


class Finding(NamedTuple):
    """Something to be told about a place.  `line` counts from 1; None: the segment as a whole."""

    segment: int
    line: int | None
    sentence: str
    is_problem: bool = True

    def __str__(self) -> str:
        where = f"segment {self.segment}" + (f", line {self.line}" if self.line else "")
        return f"{where}: {self.sentence}"


@dataclass(slots=True)
class Totals:
    """What was looked at."""

    segments: int = 0
    lines: int = 0
    rows: int = 0
    gaps: int = 0
    rows_missing: int = 0  # as the ledger itself says


class _Bad(ValueError):
    """A line that is none; the message is the rest of a sentence."""


class Verifier:
    """Checks the segments of one chain; `trusted` is the public key that must have signed them."""

    def __init__(self, trusted: bytes | None = None) -> None:
        self._trusted = trusted
        self._chain_id: str | None = None
        self._number = 0  # of the segment before, 0: none
        self._end: bytes | None = None  # its last digest; None: not known
        self._table: str | None = None
        self._last: dict[int, int] = {}
        self._told_keys: set[bytes] = set()
        self.totals = Totals()
        self.findings: list[Finding] = []

    def check(self, file: SegmentFile, data: bytes, is_newest: bool) -> None:
        """The next segment.  Its findings are in `findings`."""
        if self._number and file.number != self._number + 1:
            self._skipped(file.number)
        self.totals.segments += 1
        _Segment(self, file, is_newest).check(data)
        self._number = file.number

    def unreadable(self, file: SegmentFile, sentence: str) -> None:
        """The next segment cannot be read at all."""
        if self._number and file.number != self._number + 1:
            self._skipped(file.number)
        self.tell(file.number, None, sentence)
        self._number, self._end, self._table = file.number, None, None

    def _skipped(self, number: int) -> None:
        first, last = self._number + 1, number - 1
        if number <= self._number:
            self.tell(number, None, "is here twice")
            return
        what = "is" if first == last else f"to {last} are"
        self.tell(first, None, f"{what} missing")
        self._end, self._table = None, None

    @property
    def chain_id(self) -> str:
        """Which chain this is, empty where no head could be read."""
        return self._chain_id or ""

    def tell(
        self, segment: int, line: int | None, sentence: str, *, is_problem: bool = True
    ) -> None:
        self.findings.append(Finding(segment, line, sentence, is_problem))


class _Segment:
    """The check of one segment; it goes on from and leaves behind the state of the chain."""

    def __init__(self, verifier: Verifier, file: SegmentFile, is_newest: bool) -> None:
        self._v = verifier
        self._file = file
        self._is_newest = is_newest
        self._digest: bytes | None = None  # that the next line follows
        self._line = 0
        self._key = b""
        self._is_sealed = False
        self._can_count = False  # the head told after which rows this begins

    def _tell(self, sentence: str, *, is_problem: bool = True, line: bool = True) -> None:
        number = self._line if line else None
        self._v.tell(self._file.number, number, sentence, is_problem=is_problem)

    def check(self, data: bytes) -> None:
        rows = data.split(b"\n")
        torn = rows.pop()
        for text in rows:
            self._line += 1
            self._v.totals.lines += 1
            try:
                self._check_line(text)
            except _Bad as bad:
                self._tell(str(bad))
                self._digest = None
        self._check_end(torn)
        self._v._end = self._digest if self._is_sealed else None

    def _check_line(self, text: bytes) -> None:
        try:
            body, digest = chain.split(text)
            content = orjson.loads(body)
            kind = content["kind"]
        except (ValueError, KeyError, TypeError) as fault:
            raise _Bad("is no line of a ledger: it was changed") from fault
        if self._is_sealed:
            raise _Bad("stands behind the seal: it was added")
        if (self._line == 1) != (kind == "head"):
            raise _Bad("is no head: the first line was removed" if self._line == 1 else
                       "is a head, and heads stand first: it was moved")  # fmt: skip
        if kind == "head":
            self._check_head(body, content)
        is_linked = self._digest is None or chain.link(self._digest, body) == digest
        before, self._digest = self._digest, digest
        if not is_linked:
            self._tell(
                "does not follow from the line before: it was changed, or lines were removed,"
                " added or moved here"
            )
        if kind == "seal":
            self._check_seal(body, content, before)
        elif "slot" in content:
            self._count(content)

    # -- the head

    def _check_head(self, body: bytes, content: dict[str, Any]) -> None:
        v, number = self._v, self._file.number
        try:
            self._key = bytes.fromhex(content["key"])
            prev = chain.digest_of(content["prev"])
            after = {int(slot): int(seq) for slot, seq in content["after"].items()}
            chain_id, table = str(content["chain"]), str(content["table"])
            said, schema = int(content["segment"]), int(content["schema"])
        except (KeyError, ValueError, TypeError, AttributeError) as fault:
            raise _Bad("is no head of a segment: it was changed") from fault
        if schema != chain.SCHEMA:
            raise _Bad(f"is of schema {schema}, which this version does not know")
        self._check_signature("head", body)
        self._check_key()
        if said != number:
            self._tell(f"says that this is segment {said}")
        if v._chain_id is None:
            v._chain_id = chain_id
        elif chain_id != v._chain_id:
            self._tell(f"is of another chain, {chain_id}")
        self._check_link(prev, number)
        if v._table == table and after != {s: n for s, n in v._last.items() if n}:
            self._tell("begins after other rows than the segment before ended with")
        v._table, v._last = table, after
        self._can_count = True
        self._digest = prev

    def _check_link(self, prev: bytes, number: int) -> None:
        v = self._v
        if v._end is not None:
            if prev != v._end:
                self._tell("does not follow from the segment before")
        elif number == 1:
            if prev != chain.ORIGIN:
                self._tell("does not begin a chain, though it is the first")
        elif not v._number:
            self._tell(
                f"is the first that is here; {number - 1} before it are elsewhere",
                is_problem=False,
                line=False,
            )

    def _check_key(self) -> None:
        v = self._v
        if v._trusted is not None:
            if self._key != v._trusted:
                self._tell(f"is signed with another key, {key_id(self._key)}")
        elif self._key not in v._told_keys:
            v._told_keys.add(self._key)
            self._tell(
                f"is signed with key {key_id(self._key)}; give --key to know that it is yours",
                is_problem=False,
                line=False,
            )

    def _check_signature(self, kind: str, body: bytes) -> None:
        try:
            message, signature = chain.unsigned(kind, body)
        except ValueError:
            self._tell(f"is a {kind} without signature")
            return
        if not is_signed(self._key, message, signature):
            self._tell(f"is a {kind} with a wrong signature: it was changed")

    # -- rows and the end

    def _count(self, content: dict[str, Any]) -> None:
        """Rows of a slot are numbered without a hole; a gap line tells which are missing."""
        v = self._v
        try:
            slot = int(content["slot"])
            first = int(content.get("first") or content["seq"])
            last = int(content.get("last") or content["seq"])
        except (KeyError, ValueError, TypeError) as fault:
            raise _Bad("is no row: it was changed") from fault
        v.totals.rows += 1
        if content["kind"] == "gap":
            v.totals.gaps += 1
            v.totals.rows_missing += int(content.get("rows", 0))
        expected = v._last.get(slot, 0) + 1
        if self._can_count and first > expected:
            which = (
                f"row {expected}" if first == expected + 1 else f"rows {expected} to {first - 1}"
            )
            self._tell(f"before it {which} of slot {slot} are missing")
        elif self._can_count and first < expected:
            self._tell(f"row {first} of slot {slot} comes behind row {expected - 1}")
        v._last[slot] = max(last, v._last.get(slot, 0))

    def _check_seal(self, body: bytes, content: dict[str, Any], before: bytes | None) -> None:
        self._is_sealed = True
        self._check_signature("seal", body)
        if content.get("lines") != self._line - 1:
            self._tell(f"seals {content.get('lines')} lines, but {self._line - 1} are here")
        if before is not None and content.get("digest") != chain.text_of(before):
            self._tell("seals other lines than these")

    def _check_end(self, torn: bytes) -> None:
        if not self._line:
            self._tell("is empty: its lines were cut off", line=False)
            return
        is_open = self._is_newest and not self._file.is_packed
        if self._is_sealed:
            if torn:
                self._tell("goes on behind its seal", line=False)
            name = segments.packed_name(self._file.number, self._digest or chain.ORIGIN)
            if self._file.is_packed and self._file.path.name != name:
                self._tell("has the name of another content", line=False)
        elif is_open:
            self._tell(
                "is being written: what is cut off its end is not noticed before it is sealed",
                is_problem=False,
                line=False,
            )
        else:
            self._tell("ends without its seal: lines were cut off", line=False)
