"""An alert: one sentence, and the numbers that led to it."""

from __future__ import annotations

from dataclasses import dataclass, field

MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody should know now.

    `subject` is what it is about: two of one kind and subject are one alert told twice.
    `message` may name tenants and other values of callers, `log_text` never does.  `once` are marks
    of a window, until `until_s` (wall clock; None: for good): where the first of them is set, this
    was told already.
    """

    kind: str
    level: str  # warning or alarm
    subject: str
    message: str
    log_text: str
    fields: dict[str, str | int] = field(default_factory=dict)
    once: tuple[str, ...] = ()
    until_s: int | None = None


def span(seconds: int) -> str:
    """A length of time for a sentence, in its largest unit that says enough, rounded up."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (name == "minute" and seconds >= 60):
            count = -(-seconds // size)
            return f"{count} {name}" + ("s" if count > 1 else "")
    return "less than a minute"
