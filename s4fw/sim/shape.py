"""What a body must look like before anything in it is read: a provider answers 400 otherwise."""

from __future__ import annotations

from typing import Any

from s4fw.sim.form import ProviderError


def check_object(value: Any, where: str) -> None:
    """Raises ProviderError for what is neither an object nor missing."""
    if value is not None and not isinstance(value, dict):
        raise ProviderError(400, f"{where}: Input should be an object", param=where)


def check_objects(value: Any, where: str) -> None:
    """Raises ProviderError for what is neither a list of objects nor missing."""
    if value is None:
        return
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ProviderError(400, f"{where}: Input should be a list of objects", param=where)


def check_content(value: Any, where: str) -> None:
    """Raises ProviderError for what is neither a text, nor a list of parts, nor missing."""
    if not isinstance(value, str):
        check_objects(value, where)
