"""What a body says anywhere in it, found in its raw bytes."""

import pytest

from s4fw.core.request import CACHE_1H, CACHE_5M, CACHE_NONE
from s4fw.dialects.anthropic import marks


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
def test_cache_of_is_the_dearest_that_stands_anywhere(body: bytes, expected: int) -> None:
    """Between quotes a mark is a name or a value, never part of a text."""
    assert expected == marks.cache_of(body)
    assert expected == marks.cache_of(bytearray(body))


@pytest.mark.parametrize("offset", range(-16, 3))
def test_cache_of_finds_a_mark_across_the_steps_of_the_search(offset: int) -> None:
    """A large body is searched in steps; a mark may stand on the border of two."""
    body = b" " * (marks.STEP + offset) + b'"cache_control":{"ttl":"1h"}'
    assert CACHE_1H == marks.cache_of(body)


@pytest.mark.parametrize("offset", range(-6, 3))
def test_tool_references_on_the_border_of_steps_are_counted_once(offset: int) -> None:
    """Neither lost nor held twice."""
    one = b'"tool_reference"'
    assert 2 == marks.tool_references(b" " * (marks.STEP + offset) + one + b"," + one)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (rb'"cach\u0065_control"', True),
        (rb'"cache\u005Fcontrol"', True),
        (rb'"\u0031h"', True),
        (rb'"\\\u0061"', True),
        (rb'"\\u0061"', False),
        (rb'"\\\\u0061"', False),
        (rb'"\u003c\u00e9\u0022\u000a\u0026"', False),
        (b'"' + rb"\\u0061" * 100 + b'"', True),
        (b'"' + b"\\" * 200 + rb'\u0061"', True),
        (b" " * (marks.STEP - 3) + rb"\u0061", True),
        (b" " * (marks.STEP + 1) + rb"\u0061", True),
    ],
)
def test_is_veiled_where_a_letter_is_escaped(body: bytes, expected: bool) -> None:
    """Nobody has to; text about escapes has them behind an escaped backslash, and what is too
    much to look at is taken for one."""
    assert expected is marks.is_veiled(body)
