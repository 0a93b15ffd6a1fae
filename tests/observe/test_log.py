"""The log formatter: what it shows, and that content never passes."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s4fw.observe.log import JsonLines, Told, configure

CANARY = "CANARY my prompt: tell me about ACME"
KEY = "sk-proj-4f8a9b0c1d2e"


@pytest.fixture
def ours() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger of ours that writes through the formatter only."""
    logger = logging.getLogger("s4fw.tested")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    yield logger, stream
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def line(stream: io.StringIO) -> dict[str, Any]:
    (text,) = stream.getvalue().splitlines()
    document: dict[str, Any] = json.loads(text)
    return document


class Request:
    """Something with content in its repr and a request id."""

    request_id = "fw_0123"

    def __repr__(self) -> str:
        return CANARY


def test_info_with_fields_is_one_json_line(ours: tuple[logging.Logger, io.StringIO]) -> None:
    """The shape a log shipper is configured for."""
    logger, stream = ours
    logger.info("worker exited", extra={"worker": 3, "pid": 4711, "event": "worker_exit"})
    told = line(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("time"))
    assert isinstance(told.pop("process"), int)
    expected = {
        "level": "info",
        "event": "worker_exit",
        "message": "worker exited",
        "worker": 3,
        "pid": 4711,
    }
    assert expected == told


def test_info_without_event_names_the_part_that_speaks(
    ours: tuple[logging.Logger, io.StringIO],
) -> None:
    """There is always something to filter by."""
    logger, stream = ours
    logger.info("ready")
    assert "s4fw.tested" == line(stream)["event"]


@pytest.mark.parametrize(
    ("message", "args", "expected"),
    [
        ("slot %d of %d", (3, 16), "slot 3 of 16"),
        ("%s took %.1f s", ("steward", 1.5), "steward took 1.500 s"),
        ("at %s", ("/opt/s4-fw/lib/python3.11/site-packages/s4fw/proxy/proxy.py:41",),
         "at /opt/s4-fw/lib/python3.11/site-packages/s4fw/proxy/proxy.py:41"),
        ("fault: %s at %s", ("ValueError", "stages/quote.py:41"),
         "fault: ValueError at stages/quote.py:41"),
        ("lost %r", (Request(),), "lost fw_0123"),
        ("file %s", (Path("/run/s4fw/table"),), "file /run/s4fw/table"),
        ("the %s is stuck", ("worker 12",), "the worker 12 is stuck"),
        ("not reloaded: %s", (Told("budgets[0]: is 5 % too low"),),
         "not reloaded: budgets[0]: is 5 % too low"),
        ("100%% of %s", (True,), "100% of True"),
        ("no %s", (None,), "no None"),
        ("named %(a)s %(b)s", ({"a": 1, "b": CANARY},), "named 1 -"),
        ("huge %d", (10**40,), "huge -"),
        # What may hold content or a key:
        ("prompt %s", (CANARY,), "prompt -"),
        ("key %s", (KEY,), "key -"),
        ("bytes %r", (CANARY.encode(),), "bytes -"),
        ("list %s", ([CANARY],), "list -"),
        ("fault %s", (ValueError(CANARY),), "fault -"),
    ],
)  # fmt: skip
def test_message_shows_only_arguments_that_are_harmless(
    ours: tuple[logging.Logger, io.StringIO], message: str, args: tuple[Any, ...], expected: str
) -> None:
    """The text of the call is ours; what is put into it may be anybody's."""
    logger, stream = ours
    logger.warning(message, *args)
    assert expected == line(stream)["message"]


@pytest.mark.parametrize(
    ("message", "args", "expected"),
    [("too few %s %s", (1,), "too few 1 -"), ("too many", (1, 2), "too many"), ("%", (1,), "%")],
)
def test_message_with_the_wrong_number_of_arguments_is_still_a_line(
    message: str, args: tuple[Any, ...], expected: str
) -> None:
    """A mistake in a log call must not lose what it wanted to tell, nor print the arguments."""
    record = logging.LogRecord("s4fw.x", logging.INFO, "x.py", 1, message, args, None)
    assert expected == json.loads(JsonLines().format(record))["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "hello"},
        {"body": "x"},
        {"worker": CANARY},
        {"worker": [1]},
        {"worker": {"a": 1}},
        {"worker": b"x"},
        {"worker": 10**30},
        {"path": "x" * 200},
        {"model": "line\nfeed"},
    ],
)
def test_fields_not_listed_or_not_plain_are_dropped(
    ours: tuple[logging.Logger, io.StringIO], fields: dict[str, Any]
) -> None:
    """Nothing passes because nobody thought of it."""
    logger, stream = ours
    logger.info("x", extra=fields)
    assert {"time", "level", "event", "message", "process"} == line(stream).keys()


def test_exception_shows_types_and_places_never_text(
    ours: tuple[logging.Logger, io.StringIO],
) -> None:
    """An exception quotes what it could not digest: a prompt, a key."""
    logger, stream = ours
    secret = CANARY
    try:
        try:
            json.loads(secret)
        except ValueError as fault:
            raise RuntimeError(secret, KEY) from fault
    except RuntimeError:
        logger.exception("it failed")
    text = stream.getvalue()
    assert "CANARY" not in text
    assert KEY not in text
    outer, inner = line(stream)["exception"]
    assert ("RuntimeError", "JSONDecodeError") == (outer["type"], inner["type"])
    assert re.fullmatch(r"tests/observe/test_log\.py:\d+", outer["frames"][0])
    assert re.fullmatch(r".*json/decoder\.py:\d+", inner["frames"][-1])


def test_exception_chain_that_is_a_circle_ends(
    ours: tuple[logging.Logger, io.StringIO],
) -> None:
    """A log call must return."""
    logger, stream = ours
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    logger.error("x", exc_info=first)
    assert ["ValueError", "KeyError"] == [e["type"] for e in line(stream)["exception"]]


def test_exception_deep_recursion_keeps_the_innermost_frames(
    ours: tuple[logging.Logger, io.StringIO],
) -> None:
    """A thousand equal lines help nobody."""
    logger, stream = ours

    def deeper(depth: int) -> None:
        if not depth:
            raise RecursionError
        deeper(depth - 1)

    try:
        deeper(200)
    except RecursionError:
        logger.exception("x")
    assert 32 == len(line(stream)["exception"][0]["frames"])


def test_stack_and_exception_text_of_other_handlers_are_not_shown(
    ours: tuple[logging.Logger, io.StringIO],
) -> None:
    """Another formatter may have cached its text in the record."""
    logger, stream = ours
    record = logger.makeRecord(logger.name, 40, "x.py", 1, "x", (), None)
    record.exc_text = CANARY
    record.stack_info = CANARY
    logger.handle(record)
    assert "CANARY" not in stream.getvalue()


def test_foreign_library_message_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    """asyncio joins reprs of whatever failed into its message before it logs."""
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        configure(stream=stream)
        logging.getLogger("asyncio").error(f"Task exception was never retrieved\n{CANARY}")
        logging.getLogger("s4fwx").warning(CANARY)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        logging.captureWarnings(False)
        logging.raiseExceptions = True
    assert "CANARY" not in stream.getvalue()
    told = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert ["asyncio", "s4fwx"] == [t["event"] for t in told]
    assert re.fullmatch(r"at test_log\.py:\d+", told[0]["message"])
    assert "" == capsys.readouterr().err


def test_message_that_is_no_text_is_dropped(ours: tuple[logging.Logger, io.StringIO]) -> None:
    """`log.error(exception)` is an easy mistake."""
    logger, stream = ours
    logger.error(ValueError(CANARY))
    assert "CANARY" not in stream.getvalue()
    assert re.fullmatch(r"at test_log\.py:\d+", line(stream)["message"])


def test_configure_replaces_what_was_there_and_writes_to_standard_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two handlers would write every line twice, one of them unfiltered."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    try:
        configure("warning")
        configure("warning")
        logging.getLogger("s4fw.x").info("quiet")
        logging.getLogger("s4fw.x").warning("loud")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        logging.captureWarnings(False)
        logging.raiseExceptions = True
    assert "loud" == line(stream)["message"]
