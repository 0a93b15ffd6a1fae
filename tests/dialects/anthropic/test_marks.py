"""What a body says anywhere in it, found in its raw bytes."""

import pytest

from s4fw.core.request import CACHE_1H, CACHE_5M, CACHE_NONE
from s4fw.dialects.anthropic import marks
from tests.dialects.anthropic.bodies import read


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"text":"about cache_control"}', CACHE_NONE),
        (b'{"text":"\\"cache_control\\""}', CACHE_NONE),
        (b'{"cache_control":{}}', CACHE_5M),
        (b'{"cache_control":{"ttl" : \n "5m"}}', CACHE_5M),
        (b'{"cache_control":{"ttl" : \n "5min"}}', CACHE_1H),
        (b'{"cache_control":{"ttl" :' + b" " * 10_000 + b'"1h"}}', CACHE_1H),
        (b'{"a":{"ttl":"5m"},"cache_control":{"ttl":"1h"}}', CACHE_1H),
    ],
)
def test_of_cache_is_the_dearest_that_stands_anywhere(body: bytes, expected: int) -> None:
    """Between quotes a mark is a name or a value, never part of a text."""
    assert expected == marks.of(body, ()).cache
    assert expected == marks.of(bytearray(body), ()).cache


@pytest.mark.parametrize("offset", range(-16, 3))
def test_of_cache_finds_a_mark_across_the_steps_of_the_search(offset: int) -> None:
    """A large body is searched in steps; a mark may stand on the border of two."""
    body = b" " * (marks.STEP + offset) + b'"cache_control":{"ttl":"1h"}'
    assert CACHE_1H == marks.of(body, ()).cache


@pytest.mark.parametrize("offset", range(-6, 3))
def test_of_tool_references_on_the_border_of_steps_are_counted_once(offset: int) -> None:
    """Neither lost nor held twice."""
    one = b'"tool_reference"'
    assert 2 == marks.of(b" " * (marks.STEP + offset) + one + b"," + one, ()).tool_references


def test_of_transcript_that_grows_finds_what_is_new_and_what_is_old() -> None:
    """Only the new suffix is searched; what was found before still counts, and only once."""
    tool = {"name": "lookup", "description": "d" * marks.SMALL, "input_schema": {}}
    named = {"type": "tool_reference", "tool_name": "lookup"}
    cached = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    messages: list[dict[str, object]] = [{"role": "user", "content": [named]}]
    seen = []
    for turn in range(40):
        content: list[object] = [cached] if turn == 20 else [named] if turn % 10 == 5 else []
        messages.append({"role": "user", "content": content})
        request = read({"messages": messages, "tools": [tool]})
        seen.append((request.cache, request.tokens_extra // len(str(tool))))
    assert [(CACHE_NONE, 1)] * 5 + [(CACHE_NONE, 2)] * 10 + [(CACHE_NONE, 3)] * 5 == seen[:20]
    assert [(CACHE_1H, 3)] * 5 + [(CACHE_1H, 4)] * 10 + [(CACHE_1H, 5)] * 5 == seen[20:]


def test_of_fork_of_a_transcript_forgets_what_the_other_branch_said() -> None:
    """What is remembered belongs to the exact bytes before it."""
    start = [{"role": "user", "content": "a" * marks.SMALL} for _ in range(6)]
    long = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert CACHE_1H == read({"messages": [*start, {"role": "user", "content": [long]}]}).cache
    assert CACHE_NONE == read({"messages": [*start, {"role": "user", "content": []}]}).cache
    assert CACHE_1H == read({"messages": [*start, {"role": "user", "content": [long]}]}).cache
