"""Log records as JSON lines: time, level, event, message, fields.  Counts, never content.

Anything may end up in a log call: an exception whose text quotes a prompt, a repr of a request, a
library that logs what it failed to parse.  So nothing is passed on because nobody thought of it;
everything is dropped that is not known to be harmless:

* the message of our own loggers is the literal text of the call; what is put into it is shown only
  where it is a number, a bare word, `worker 3`, a `file.py:line`, a `Path`, or has a `request_id`
  or a `log_text` (see `Told`); else `-` stands there
* a foreign library's message is dropped whole: its name, level, file and line remain
* `extra={...}` is shown for the names of `FIELDS`, numbers and short plain words only
* of an exception its type and the frames as `file:line`; never its text, a local or a source line

Use: `log.info("worker exited", extra={"worker": 3, "pid": 4711, "signal": 9})`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, TextIO

import orjson

from s4fw.observe.times import rfc3339_ms

# Names a field may have.  All of them hold numbers of ours or names from the configuration.
# fmt: off
FIELDS = frozenset({
    "accrued", "active", "address", "admin", "attempt", "backoff_ms", "body_bytes", "budget",
    "budget_id", "cells", "code", "count", "deadline_s", "decision", "delay_ms", "duration_ms",
    "exit_code", "field", "generation", "heartbeat_age_ms", "host", "in_flight", "incarnation",
    "kind", "leases", "limit_nusd", "listeners", "model", "open_leases", "path", "phase", "pid",
    "port", "price_version", "provider", "reason", "request_id", "route", "rows", "seconds",
    "signal", "slot", "slots", "spent_nusd", "stage", "state", "status", "tokens", "upstream",
    "used_nusd", "version", "voided", "waited_ms", "worker", "workers",
})
# fmt: on
_FIELD_TEXT = re.compile(r"[A-Za-z0-9_.:/@+\-]{1,128}")
# Without digits and dashes a credential is hardly one; with a line number it is our own source.
_WORD = re.compile(
    r"[A-Za-z_][A-Za-z_.]{0,63}|[a-z]{1,16} [0-9]{1,4}|[A-Za-z0-9_./\-]{1,120}\.py:[0-9]{1,6}"
)
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?[-+ #0]*\d*(?:\.\d+)?([%a-zA-Z])")
_INT_MAX = 2**63
_MESSAGE_CHARS_MAX = 300
_FRAMES_MAX = 32
_CAUSES_MAX = 4
_OURS = "s4fw"


class Told:
    """A sentence that holds nothing of a request by construction: `log.error("%s", Told(text))`.

    Say it only of text made of our own words and the configuration's names.
    """

    __slots__ = ("log_text",)

    def __init__(self, text: str) -> None:
        self.log_text = text

    def __str__(self) -> str:
        return self.log_text


class JsonLines(logging.Formatter):
    """One record, one line.  Never raises: a log call must not break what it tells about."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": rfc3339_ms(int(record.created * 1000) * 1_000_000),
            "level": record.levelname.lower(),
            "event": _event(record),
            "message": _message(record),
            "process": record.process,
        }
        line |= {
            name: value
            for name, value in record.__dict__.items()
            if name in FIELDS and _is_plain(value)
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _exceptions(record.exc_info[1])
        return orjson.dumps(line).decode()


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send every logger of this process through `JsonLines`.  Called once, before any fork."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a handler's own fault would print the record's arguments


def _event(record: logging.LogRecord) -> str:
    """The word to filter by: `extra={"event": "recovery"}`, else which part of the house speaks."""
    event = record.__dict__.get("event")
    if isinstance(event, str) and _WORD.fullmatch(event):
        return event
    return record.name


def _message(record: logging.LogRecord) -> str:
    is_ours = record.name == _OURS or record.name.startswith(_OURS + ".")
    if not is_ours or not isinstance(record.msg, str):
        return f"at {Path(record.pathname).name}:{record.lineno}"
    return _filled(record.msg, record.args)[:_MESSAGE_CHARS_MAX]


def _filled(message: str, args: object) -> str:
    """The message with its placeholders filled by what is harmless."""
    if not args:
        return message
    named = args if isinstance(args, Mapping) else {}
    ordered = iter(args if isinstance(args, tuple) else ())

    def fill(match: re.Match[str]) -> str:
        if match[2] == "%":
            return "%"
        return _word(named.get(match[1], ...) if match[1] else next(ordered, ...))

    return _PLACEHOLDER.sub(fill, message)


def _word(value: object) -> str:
    if type(value) is bool or value is None:
        return str(value)
    if isinstance(value, int):
        return str(int(value)) if abs(value) < _INT_MAX else "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) else "-"
    if isinstance(value, PurePath):  # paths come from the configuration, never from a request
        return str(value) if str(value).isprintable() else "-"
    for name in ("request_id", "log_text"):
        if isinstance(text := getattr(value, name, None), str):
            return text
    return "-"


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return _FIELD_TEXT.fullmatch(value) is not None
    if isinstance(value, bool | float) or value is None:
        return True
    return isinstance(value, int) and abs(value) < _INT_MAX


def _exceptions(fault: BaseException) -> list[dict[str, Any]]:
    """The exception and what caused it, nearest first: types and places."""
    told: list[dict[str, Any]] = []
    seen: set[int] = set()
    current: BaseException | None = fault
    while current is not None and len(told) < _CAUSES_MAX and id(current) not in seen:
        seen.add(id(current))
        told.append({"type": type(current).__name__, "frames": _frames(current.__traceback__)})
        hidden = current.__suppress_context__
        current = current.__cause__ or (None if hidden else current.__context__)
    return told


def _frames(traceback: TracebackType | None) -> list[str]:
    """`file:line` of each frame, outermost first; of a deep one the innermost."""
    frames: list[str] = []
    while traceback is not None:
        path = Path(traceback.tb_frame.f_code.co_filename)
        frames.append(f"{'/'.join(path.parts[-3:])}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return frames[-_FRAMES_MAX:]
