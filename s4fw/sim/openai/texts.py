"""Inputs that are a text, tokens, or a list of either."""

from __future__ import annotations

from typing import Any

from s4fw.sim.form import ProviderError


def texts_of(given: Any) -> list[str | list[int]]:
    """Each text, or each list of token ids.  Raises ProviderError for anything else."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise ProviderError(400, "The input is empty or of the wrong type.", param="input")
    if all(isinstance(each, int) for each in given):
        return [given]
    if all(isinstance(each, str | list) for each in given):
        return given
    raise ProviderError(400, "The input is of the wrong type.", param="input")
