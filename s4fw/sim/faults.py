"""The ways a provider can fail, declared once, and how a request asks for them.

A fault is asked for by the header `x-sim-fault: cut:3, drip:5`, by the model `mock-cut` or
`mock-cut-3`, by `[[fault cut:3]]` in the last message, or for everything through the control API.
The first of these that says something decides alone.
"""

from __future__ import annotations

import re

# mode -> (default argument, sentence)
MODES: dict[str, tuple[str, str]] = {
    # before the answer
    "latency": ("200", "waits this many milliseconds before it answers"),
    "hold": ("0", "holds the answer until it is released, or until this many are held"),
    "hang": ("", "reads the request and never answers; billed in full"),
    "drop": ("", "reads the request and closes the connection without an answer; billed in full"),
    "reset": ("", "reads the request and resets the connection; billed in full"),
    "garbage": ("", "answers bytes that are no HTTP; billed in full"),
    "raw": ("", "answers the bytes stored under this name through the control API, then closes"),
    "status": ("500", "answers this status with the provider's error envelope; unbilled"),
    "early_hints": ("", "sends 100 and 103 before the answer"),
    "header_bomb": ("300", "sends one header of this many kilobytes"),
    "header_flood": ("20000", "sends this many headers"),
    # what is generated and reported
    "full": ("", "generates as many tokens as the request allows"),
    "overrun": ("2", "generates and bills this many times as many tokens as the request allows"),
    "dearer_model": ("", "answers with, and bills, a dearer model (or the one named)"),
    "tier": ("priority", "runs and bills in this service tier, whatever was asked for"),
    "failed": ("", "ends an answer of the responses API as failed; billed in full"),
    "no_usage": ("", "never reports usage"),
    "huge_usage": ("1000000000000000", "reports this many completion tokens"),
    "negative_usage": ("", "reports negative tokens"),
    "string_usage": ("", "reports tokens as text"),
    "usage_mid": ("", "reports usage once, in a chunk with choices in the middle of the stream"),
    "usage_twice": ("", "reports a smaller usage first, then the true one"),
    "endless": ("", "never ends the stream; bills no more than the request allows"),
    "big": ("2", "puts this many megabytes into one message (one event when streamed)"),
    # how it is delivered
    "cut": ("2", "closes the connection after this many events, or in the middle of the body"),
    "reset_stream": ("2", "resets the connection after this many events"),
    "end_early": ("2", "ends the body properly after this many events, without the last one"),
    "hang_stream": ("2", "falls silent after this many events"),
    "error_event": ("2", "reports an error after this many events and ends the stream"),
    "drip": ("1", "sends the body byte by byte, this many milliseconds apart"),
    "chunk_split": ("", "sends the body byte by byte, each its own HTTP chunk"),
    "gzip": ("", "compresses a body that is not streamed, asked or not"),
    "crlf": ("", "ends lines of the stream with CRLF"),
    "cr": ("", "ends lines of the stream with CR"),
    "comments": ("", "sends a comment line before each event"),
    "two_answers": ("", "sends a second answer nobody asked for"),
    "close_after": ("", "closes the kept-alive connection right after the answer"),
}

_MODEL = re.compile(r"mock-([a-z_]+?)(?:-(\d+))?")


class Faults(dict[str, str]):
    """The faults of one answer: mode -> argument."""

    @classmethod
    def parse(cls, text: str) -> Faults:
        """Read `mode[:argument]` items separated by commas.  Raises ValueError for unknown ones."""
        return cls(_item(item) for item in text.split(",") if item.strip())

    @classmethod
    def of_model(cls, model: str) -> Faults:
        """The fault a model's name asks for; none for a name that names no mode."""
        match = _MODEL.fullmatch(model)
        if match is None or match[1] not in MODES:
            return cls()
        return cls({match[1]: match[2] or MODES[match[1]][0]})

    def without(self, mode: str) -> Faults:
        """The same faults but for one."""
        return Faults({other: argument for other, argument in self.items() if other != mode})

    def number(self, mode: str) -> int | None:
        """The argument of a mode as a number; None when the mode was not asked for."""
        text = self.get(mode)
        if text is None:
            return None
        return int(text) if text else 0


def _item(item: str) -> tuple[str, str]:
    mode, _, argument = item.strip().partition(":")
    if mode not in MODES:
        raise ValueError(f"no such fault: {mode!r}; there are {', '.join(MODES)}")
    argument = argument or MODES[mode][0]
    if MODES[mode][0].isdigit() and not argument.isdigit():
        raise ValueError(f"fault {mode} takes a number, not {argument!r}")
    return mode, argument
