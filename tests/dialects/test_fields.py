"""Reading single fields: one reading only, in every wire shape."""

import json
from typing import Any

import pytest

from s4fw.dialects import fields
from s4fw.dialects.strictjson import Document, scan
from s4fw.errors import Refusal


def document(**members: Any) -> Document:
    """A scanned body."""
    return scan(json.dumps(members).encode())


def code(call: Any, *arguments: Any) -> str:
    """The code of the refusal that a call must end in."""
    with pytest.raises(Refusal) as refused:
        call(*arguments)
    return refused.value.code.name


@pytest.mark.parametrize(
    "name",
    ["MAX_TOKENS", "maxTokens", "max-tokens", "\uff4dax_tokens", "max tokens", "max_token\u017f"],
)
def test_guard_other_spelling_of_a_metered_name_is_refused(name: str) -> None:
    """Some server takes it for the field, another ignores it."""
    guard = fields.Guard(["max_tokens"], [])
    assert "ambiguous_field" == code(guard.check, name)
    guard.check("max_tokens")
    guard.check("max_tokens_of_another_kind")


def test_guard_foreign_name_is_refused_unless_the_shape_reads_it() -> None:
    """A name that bounds the output elsewhere bounds nothing here."""
    assert "ambiguous_field" == code(fields.Guard(["a"], ["b"]).check, "b")
    fields.Guard(["a", "b"], ["b"]).check("b")


@pytest.mark.parametrize("value", [True, 1.0, "1", [1], -1, 11, 2**63])
def test_integer_that_is_none_is_refused(value: Any) -> None:
    """`true` is an integer to a naive check, and 1.0 to another."""
    assert "invalid_request_error" == code(fields.integer, document(n=value), "n", 0, 10)


@pytest.mark.parametrize(("value", "expected"), [(None, None), (0, 0), (10, 10)])
def test_integer_within_its_bounds_is_read(value: int | None, expected: int | None) -> None:
    """Null is the same as absent."""
    assert expected == fields.integer(document(n=value), "n", 0, 10)
    assert fields.integer(document(), "n", 0, 10) is None


@pytest.mark.parametrize("value", [0, 1, "true", []])
def test_boolean_that_is_none_is_refused(value: Any) -> None:
    """A truthy value is a stream to one server and none to another."""
    assert "invalid_request_error" == code(fields.boolean, document(b=value), "b")


@pytest.mark.parametrize("value", ["", "a b", "m\u043eck", "a" * 257, "a\n", None, ["a"]])
def test_model_that_is_no_name_is_refused(value: Any) -> None:
    """Homoglyphs and line ends end in a log, or in another model."""
    assert "invalid_request_error" == code(fields.model, document(model=value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("u", "u"), ("", None), (7, None), ("a" * 1025, None), ("a" * 9000, None)],
)
def test_label_is_a_short_text_or_nothing(value: Any, expected: str | None) -> None:
    """Nobody is billed by what is no label; it is no reason to refuse either."""
    assert expected == fields.label(document(user=value), "user")


def test_label_map_takes_the_texts_of_an_object() -> None:
    """Under the names of the field and of its members."""
    given = document(metadata={"tenant": "acme", "n": 1, "x": "y"})
    assert {"metadata.tenant": "acme"} == fields.label_map(given, "metadata", frozenset({"tenant"}))
    assert 2 == len(fields.label_map(given, "metadata", None))
    assert {} == fields.label_map(document(metadata=[1]), "metadata", None)
