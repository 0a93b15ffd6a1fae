"""What is wrong with a configuration: one record for each problem, all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is and a sentence that says what to write instead.

    `path` is like `budgets[2].limit_usd`, empty for the document as a whole; `line` counts from 1
    and is None where there is no line (the file cannot be read).  Never holds a secret's text.
    """

    path: str
    line: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigErrors(Exception):
    """The configuration is refused; `problems` are all there are, in the order of the lines."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        super().__init__(name, tuple(problems))
        self.name = name
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(place(self.name, p) + f": {p}" for p in self.problems)


def place(name: str, problem: Problem) -> str:
    """Where a problem is, as editors and terminals understand it: `s4fw.yaml:14`."""
    return name if problem.line is None else f"{name}:{problem.line}"
