"""Walks a parsed JSON value of any depth, without recursion: a caller chooses how deep it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Walk(ABC):
    """The base of what measures content whose shape is only known in part: every text in a value,
    and tokens for what is no text.  What is not known is counted as text."""

    __slots__ = ()

    @abstractmethod
    def open(self, value: dict[str, Any], texts: list[str], waiting: list[Any]) -> int:
        """Put the texts of one object on the list, and what of it is still to be looked at to what
        waits; returns the tokens beside them.  Raises Refusal."""

    def walk(self, whole: Any, tokens: int) -> tuple[list[str], int]:
        """Every text of a value, and its tokens beside them on top of `tokens`.  Raises Refusal."""
        texts: list[str] = []
        waiting: list[Any] = [whole]
        while waiting:
            value = waiting.pop()
            if type(value) is str:
                texts.append(value)
            elif type(value) is list:
                waiting.extend(value)
            elif type(value) is dict:
                tokens += self.open(value, texts, waiting)
            elif value is not None:
                texts.append(str(value))  # numbers where a text is expected: count their digits
        return texts, tokens


def has_member(whole: Any, names: frozenset[str]) -> bool:
    """Whether an object anywhere in a value has a member of one of these names."""
    waiting: list[Any] = [whole]
    while waiting:
        value = waiting.pop()
        if type(value) is list:
            waiting.extend(value)
        elif type(value) is dict:
            if not names.isdisjoint(value):
                return True
            waiting.extend(value.values())
    return False
