"""What all sections of the configuration have in common: frozen, strict, and fully described."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """One mapping of the file.  Attributes are the YAML keys, with the unit last where one is.

    Defaults are written as they would stand in the file and read by the field's own form.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True
    )


def setting(sentence: str, default: Any = ..., *, key: str | None = None) -> Any:
    """Declare a field: what it does, its default as text, and its key where that differs."""
    return Field(default, alias=key, description=sentence)
