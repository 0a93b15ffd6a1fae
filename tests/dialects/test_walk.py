"""Walking values: all texts of what is not known, however deep, and what is asked for by name.

Through an heir of the package: a compiled class takes no interpreted one.
"""

from typing import Any

import pytest

from s4fw.dialects.bedrock.loose import OBJECT_TOKENS, LooseWalk
from s4fw.dialects.walk import has_member


def nested(value: Any, times: int) -> Any:
    """A value in so many lists and objects."""
    for _ in range(times):
        value = [{"a": value}]
    return value


def test_walk_finds_every_text_and_what_objects_add() -> None:
    """What is left out would be billed and not held."""
    texts, tokens = LooseWalk(None).walk({"a": ["x", {"b": None, "c": 1.5}, True], "d": "y"}, 3)
    assert (["1.5", "True", "a", "b", "c", "d", "x", "y"], 3 + 2 * OBJECT_TOKENS) == (
        sorted(texts),
        tokens,
    )


def test_walk_of_a_deep_value_needs_no_stack() -> None:
    """A caller chooses how deep a body is; a worker must not die of it."""
    texts, tokens = LooseWalk(None).walk(nested("x", 50_000), 0)
    assert (50_001, 50_000 * OBJECT_TOKENS) == (len(texts), tokens)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, False),
        ("uri", False),
        ({"a": "uri"}, False),
        (["uri", ["uri"]], False),
        ({"uri": None}, True),
        ([1, {"a": [{"uri": "x"}]}], True),
        (nested({"uri": "x"}, 50_000), True),
        (nested({"url": "x"}, 50_000), False),
    ],
)
def test_has_member_looks_at_names_only_and_everywhere(value: Any, *, expected: bool) -> None:
    """A reference hidden deep inside is still one; a text that looks like one is a text."""
    assert expected is has_member(value, frozenset({"uri", "s3Uri"}))
