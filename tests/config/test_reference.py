"""The documentation comes from the schema, so it cannot lie; here it is held to that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from s4fw.config import Config
from s4fw.config.reference import keys_of, markdown, schema
from s4fw.config.section import Section
from s4fw.config.sentences import section_of

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
HINT = "run `python -m s4fw.config.reference`"


def sections(section: type[Section]) -> Iterator[type[Section]]:
    yield section
    for _, field in keys_of(section):
        below = section_of(field.annotation)
        if below is not None:
            yield from sections(below)


def test_reference_page_is_up_to_date() -> None:
    """Whoever changes a key changes its page in the same commit."""
    assert markdown() == (REFERENCE / "configuration.md").read_text("utf-8"), HINT


def test_json_schema_is_up_to_date() -> None:
    """Editors complete from it."""
    text = (REFERENCE / "s4fw.schema.json").read_text("utf-8")
    assert schema() == json.loads(text), HINT


def test_every_key_has_a_sentence() -> None:
    """A key nobody explained is a key nobody sets right."""
    silent = [
        key
        for section in sections(Config)
        for key, field in keys_of(section)
        if not (field.description or "").endswith(".")
    ]
    assert [] == silent


def test_json_schema_knows_no_names_of_our_own_and_no_null() -> None:
    """Inner names and null cannot be written, so no editor may offer them."""
    text = json.dumps(schema())
    assert [] == [name for name in ('"(', "null") if name in text]
