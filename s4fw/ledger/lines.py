"""What a line of the ledger says: the figures of one journal row.  See docs/reference/ledger.md.

A figure that is zero and a name that is not given are left out, so lines stay short.  Prompts and
answers are in no row, so they can be in no line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import orjson

from s4fw.core.attribution import DIMENSIONS, OTHER, UNATTRIBUTED
from s4fw.core.reason import Reason
from s4fw.ledger.journal import Decision, JournalRow, Kind

# Kinds of lines that are journal rows, by what they are called in the ledger.
ROW_KINDS: Final = {
    Kind.SETTLE: "settle",
    Kind.VOID: "void",
    Kind.BLOCK: "block",
    Kind.CORRECT: "correct",
    Kind.RECOVER: "recover",
    Kind.GAP: "gap",
    Kind.EVENT: "event",
}
ROWS: Final = frozenset(ROW_KINDS.values())
TOKENS: Final = (
    "uncached_input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write_30m",
    "cache_write_12h", "output", "reasoning", "audio_input", "audio_output", "web_searches",
)  # fmt: skip
# What every row may have, in the order in which it is exported.
FIGURES: Final = (
    "kind", "at", "id", "slot", "seq", "decision", "status", "code", "reason", "loop", *DIMENSIONS,
    "tier", "prices", "reserved_nusd", "charged_nusd", "accrued", *TOKENS, "further_runs",
    "stream", "client_gone", "retries", "tools", "tool_names", "sent_us", "first_byte_ms",
    "duration_ms",
)  # fmt: skip


class Fields(Protocol):
    """What the configuration says about names: `plain`, `hash` or `omit` for each."""

    @property
    def agent(self) -> str: ...
    @property
    def session(self) -> str: ...
    @property
    def customer(self) -> str: ...
    @property
    def tools(self) -> str: ...


class Names:
    """Writes names as the configuration wants them; hashes are keyed and always the same."""

    def __init__(self, fields: Fields, key: bytes) -> None:
        self._forms = {
            "agent": fields.agent,
            "session": fields.session,
            "customer": fields.customer,
        }
        self._tools = fields.tools
        self._key = key

    def of(self, dimension: str, value: str) -> str | None:
        """One value of a dimension; None where it is left out."""
        form = self._forms.get(dimension, "plain")
        if form == "plain" or value in (OTHER, UNATTRIBUTED):
            return value
        return self._hashed(dimension, value) if form == "hash" else None

    def of_tools(self, names: str) -> str | None:
        """The names of tools, separated by commas."""
        if self._tools == "plain":
            return names
        if self._tools != "hash":
            return None
        return ",".join(
            name if name[0] in "?+" else self._hashed("tool", name) for name in names.split(",")
        )

    def _hashed(self, what: str, value: str) -> str:
        text = f"{what}\0{value}".encode()
        return "h_" + hashlib.blake2b(text, key=self._key, digest_size=8).hexdigest()


_NO_REQUEST: Final = bytes(16)
_NO_TOKENS: Final = (0,) * 8
_REASON_WORDS: Final = {reason: reason.name.lower() for reason in Reason}
_DECISION_WORDS: Final = {decision: decision.name.lower() for decision in Decision}


def named_part(named: Mapping[str, str]) -> str:
    """The members of a row that say who pays, to be put into `steady_part`."""
    return "," + orjson.dumps(named).decode()[1:-1] if named else ""


def steady_part(row: JournalRow, named: str, prices: str | None, tools: str | None) -> str:
    """The members of a row that many rows have in common, as `steady_key` says which.

    `named` is from `named_part`.
    """
    text = f',"decision":"{_DECISION_WORDS[row.decision]}"'
    if row.status:
        text += f',"status":{row.status}'
    if row.code is not None:
        text += f',"code":"{row.code}"'
    if row.reason:
        text += f',"reason":"{_REASON_WORDS[row.reason]}"'
    if row.loop:
        text += f',"loop":"{row.loop}"'
    text += named
    if row.tier:
        text += f',"tier":"{row.tier}"'
    if prices:
        text += f',"prices":{orjson.dumps(prices).decode()}'
    if tools:
        text += f',"tool_names":{orjson.dumps(tools).decode()}'
    if row.is_stream:
        text += ',"stream":true'
    if row.is_client_gone:
        text += ',"client_gone":true'
    return text


def steady_key(row: JournalRow) -> tuple[object, ...]:
    """Rows of one key have one `steady_part`, as long as ids of values mean the same."""
    return (
        row.values, row.decision, row.status, row.code, row.reason, row.loop, row.tier, row.price,
        row.tools_id, row.is_stream, row.is_client_gone,
    )  # fmt: skip


def body_of(row: JournalRow, at: str, steady: str) -> bytes:
    """One row as a JSON object, to which `cells_tail` can be added in place of its brace.

    `at` is the moment as text, `steady` from `steady_part`.  Written out member by member, because
    a steward does this for every exchange; all that is put in are numbers and words of ours, but
    for names, which are encoded.
    """
    text = f'{{"kind":"{ROW_KINDS[row.kind]}","at":"{at}"'
    if row.request != _NO_REQUEST:
        text += f',"id":"fw_{row.request.hex()}"'
    text += f',"slot":{row.slot},"seq":{row.seq}{steady}'
    if row.reserved_nusd:
        text += f',"reserved_nusd":{row.reserved_nusd}'
    if row.charged_nusd:
        text += f',"charged_nusd":{row.charged_nusd}'
        if row.is_accrued:
            text += ',"accrued":true'
    if row.tokens != _NO_TOKENS or row.web_searches:
        text += _tokens(row)
    return (text + _rest(row) + "}").encode()


def _tokens(row: JournalRow) -> str:
    uncached, read, write_5m, write_1h, write_other, output, reasoning, audio = row.tokens
    text = f',"uncached_input":{uncached}' if uncached else ""
    if read:
        text += f',"cache_read":{read}'
    if write_5m:
        text += f',"cache_write_5m":{write_5m}'
    if write_1h:
        text += f',"cache_write_1h":{write_1h}'
    if write_other:
        text += _members(
            cache_write_30m=write_other - row.cache_write_12h, cache_write_12h=row.cache_write_12h
        )
    if output:
        text += f',"output":{output}'
    if reasoning:
        text += f',"reasoning":{reasoning}'
    if audio or row.web_searches:
        text += _members(
            audio_input=audio - row.audio_output,
            audio_output=row.audio_output,
            web_searches=row.web_searches,
        )
    return text


def _members(**figures: int) -> str:
    return "".join(f',"{name}":{value}' for name, value in figures.items() if value)


def _rest(row: JournalRow) -> str:
    text = ""
    if row.tools or row.retries or row.further_runs:
        text += _members(further_runs=row.further_runs, retries=row.retries, tools=row.tools)
    if row.sent_us:
        text += f',"sent_us":{row.sent_us}'
    if row.first_byte_ms:
        text += f',"first_byte_ms":{row.first_byte_ms}'
    if row.duration_ms:
        text += f',"duration_ms":{row.duration_ms}'
    return text


def cells_tail(cells: Sequence[int]) -> bytes:
    """The end of a body whose money is in the cells of these numbers (see `cell_body`)."""
    return b',"cells":[' + b",".join(b"%d" % cell for cell in cells) + b"]}"


def with_cells(body: bytes, cells: Sequence[int]) -> bytes:
    """The body with the numbers of its cells."""
    return body[:-1] + cells_tail(cells)


def cell_body(number: int, content: Mapping[str, Any]) -> bytes:
    """The line that says what the number of a cell stands for, once in each segment."""
    return orjson.dumps({"kind": "cell", "cell": number, **content})


def ring_gap_body(row: JournalRow, at: str) -> bytes:
    """Rows that were dropped because a ring was full, as the table counted them."""
    content = {"kind": "gap", "at": at, "slot": row.slot, "seq": row.seq, "why": "ring_full"}
    return orjson.dumps(content | {"rows": row.dropped})


def gap_body(at: str, slot: int, first: int, last: int, why: str, nusd: int | None) -> bytes:
    """Rows that were published and never written here, by their numbers in the slot's ring.

    `nusd` is what they charged, None where nobody knows any more.
    """
    content = {"kind": "gap", "at": at, "slot": slot, "first": first, "last": last, "why": why}
    content["rows"] = last - first + 1
    if nusd is not None:
        content["charged_nusd"] = nusd
    return orjson.dumps(content)
