"""What all adapters have in common."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from tests.sdk.ask import Ask, Door, HttpAnswer, Problem, Seen


class Client(ABC):
    """One way for an application to call: an SDK and one of its calls.

    `classes` says which class the SDK raises for a status, `cut_class` for a stream that breaks,
    `timeout_class` where the application has no more patience.
    `cannot` names the situations that its API does not have.
    """

    name: ClassVar[str]
    dialect: ClassVar[str]
    model: ClassVar[str]
    classes: ClassVar[dict[int, str]]
    cut_class: ClassVar[str]
    timeout_class: ClassVar[str]
    cannot: ClassVar[frozenset[str]] = frozenset()
    over_tls: ClassVar[bool] = False

    def call(self, door: Door, ask: Ask) -> Seen:
        """Call once, as an application would; what is raised is part of what was seen."""
        seen = Seen()
        try:
            self.run(door, ask, seen)
        except Exception as problem:
            # Where an event told of the failure, what is raised after it only ends the stream.
            seen.problem = seen.problem or self.problem(problem)
        return seen

    @abstractmethod
    def run(self, door: Door, ask: Ask, seen: Seen) -> None:
        """Call and write down what comes, piece by piece."""

    @abstractmethod
    def problem(self, raised: Exception) -> Problem:
        """What the SDK tells about a failure.  Raises what is none of the SDK's own errors."""

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Give back what was kept between calls."""


def note(seen: Seen, status: int, headers: Any) -> None:
    """Write one HTTP answer down, when its head is there."""
    lower = {str(name).lower(): str(value) for name, value in headers.items()}
    seen.answers.append(HttpAnswer(status, lower, time.monotonic() * 1000))
