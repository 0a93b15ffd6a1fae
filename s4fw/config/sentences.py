"""What pydantic found, said for people: a path, a line and a sentence for each mistake."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from s4fw.config.document import Document, Path, Scalar, spoken_key
from s4fw.config.forms import EMPTY
from s4fw.config.section import Section


def note_errors(document: Document, error: ValidationError, model: type[Section]) -> None:
    """Add what a validation of the whole tree found to the document's problems."""
    for found in error.errors(include_url=False):
        path, at = _resolve(found["loc"], document.tree)
        sentence = _sentence(found, at, model)
        if found["type"] == "extra_forbidden":
            line = document.line(path)
            path = (*path[:-1], spoken_key(str(path[-1])))
            document.lines.setdefault(path, line or 1)
        document.add(path, sentence)


def _resolve(loc: tuple[int | str, ...], tree: Any) -> tuple[Path, Any]:
    """The path in the file of a place in the schema, and what stands there.

    The two differ where the schema reshapes what is written: names in parentheses stand for what
    is gathered there, and a mapping that is read as a list is counted through.
    """
    path: Path = ()
    at = tree
    for item in loc:
        if isinstance(item, str) and item[0] in "([":
            continue
        if isinstance(at, dict) and isinstance(item, int) and item < len(at):
            item = list(at)[item]
        if isinstance(at, Scalar):
            break
        path = (*path, item)
        try:
            at = at[item]
        except (LookupError, TypeError):
            at = None
            break
    return path, at


def _sentence(found: ErrorDetails, at: Any, model: type[Section]) -> str:
    kind = found["type"]
    if isinstance(at, Scalar) and at.is_null:
        return EMPTY
    if kind == "value_error":
        return str(found["ctx"]["error"])
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return _unknown(str(found["loc"][-1]), list(_keys_at(model, found["loc"][:-1])))
    if kind in ("tuple_type", "list_type", "frozen_set_type"):
        return "must be a list"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "must be a section of keys"
    return f"is not accepted ({kind})"


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"is not a known key; did you mean {near[0]}?"
    return f"is not a known key; known here are {', '.join(known)}"


def _keys_at(model: type[Section], loc: tuple[int | str, ...]) -> Iterator[str]:
    """The keys that may stand at a place in the schema."""
    here: Any = model
    for item in loc:
        section = section_of(here)
        by_key = {f.alias or n: f for n, f in section.model_fields.items()} if section else {}
        if item in by_key:
            here = by_key[str(item)].annotation
    section = section_of(here)
    for name, field in section.model_fields.items() if section else ():
        key = field.alias or name
        if not key.startswith("("):
            yield key


def section_of(annotation: Any) -> type[Section] | None:
    """The section inside an annotation such as `tuple[Budget, ...]` or `dict[str, Upstream]`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for inner in get_args(annotation):
        if (section := section_of(inner)) is not None:
            return section
    return None
