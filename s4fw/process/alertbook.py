"""What was told already, and what still has to be brought: `alerts.json` in the state directory.

It is written before anything is told.  So a steward that dies tells nothing twice, except a letter
that was just being brought: that has the same id again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import orjson

from s4fw.process.courier import WAITING_MAX, Letter
from s4fw.process.rundir import write_whole

log = logging.getLogger(__name__)

_VERSION = 1
MARKS_MAX = 50_000
HOUR_S = 3600


class AlertBook:
    """One steward's memory of it; `path` is read once, at the first use."""

    def __init__(self, state: Path) -> None:
        self._path = state / "alerts.json"
        self._marks: dict[str, int | None] = {}  # of a window, until when they count
        self._last: dict[str, int] = {}  # when a kind and subject was told
        self._hour: list[int] = []  # when any was told, within the last hour
        self._owed: dict[str, tuple[Letter, set[str]]] = {}  # by id: to which places
        self._can_write = True
        self._is_changed = False
        self.held_back = 0

    def open(self) -> None:
        """Go on where an earlier life ended; anew where nothing can be read."""
        try:
            self._take(orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
            log.warning("alerts.json is not used: %s", type(fault).__name__)

    def may_tell(
        self, key: str, once: Collection[str], now_s: int, repeat_s: float, most: int
    ) -> bool:
        """Whether an alert is new and there is room for it; `once` are its marks, first first."""
        if once:
            if next(iter(once)) in self._marks:
                return False
        elif 0 <= now_s - self._last.get(key, -(10**9)) < repeat_s:
            return False
        self._hour = [at_s for at_s in self._hour if 0 <= now_s - at_s < HOUR_S]
        if len(self._hour) >= most:
            self.held_back += 1
            return False
        return True

    def note(self, key: str, once: Collection[str], until_s: int | None, now_s: int) -> int:
        """It is told now; returns how many were held back before it."""
        for mark in once:
            self._marks[mark] = until_s
        self._last[key] = now_s
        self._hour.append(now_s)
        self._is_changed = True
        held_back, self.held_back = self.held_back, 0
        return held_back

    def owe(self, letter: Letter, places: Collection[str]) -> None:
        """It has to be brought to these places."""
        if not places:
            return
        self._owed[letter.id] = (letter, set(places))
        if len(self._owed) > WAITING_MAX:
            del self._owed[next(iter(self._owed))]

    def settle(self, place: str, letter_id: str) -> None:
        """A place has it, or never will."""
        owed = self._owed.get(letter_id)
        if owed is None:
            return
        owed[1].discard(place)
        if not owed[1]:
            del self._owed[letter_id]
        self._is_changed = True

    def owed_to(self, place: str) -> list[Letter]:
        """What a place has still to get, in order."""
        return [letter for letter, places in self._owed.values() if place in places]

    def keep(self, now_s: int, repeat_s: float) -> None:
        """Write the file if anything changed."""
        if not self._is_changed:
            return
        self._marks = {m: t for m, t in self._marks.items() if t is None or t > now_s}
        for mark in list(self._marks)[:-MARKS_MAX]:
            del self._marks[mark]
        self._last = {k: t for k, t in self._last.items() if 0 <= now_s - t < repeat_s}
        try:
            write_whole(self._path, orjson.dumps(self._document()))
        except OSError as fault:
            if self._can_write:
                log.error("alerts.json cannot be written: errno %d", fault.errno or 0)
            self._can_write = False
            return
        self._can_write = True
        self._is_changed = False

    def _document(self) -> dict[str, Any]:
        owed = [
            [w.id, w.at_s, w.kind, w.level, w.title, w.body.decode(), sorted(places)]
            for w, places in self._owed.values()
        ]
        return {
            "version": _VERSION, "marks": self._marks, "last": self._last, "hour": self._hour,
            "owed": owed,
        }  # fmt: skip

    def _take(self, document: Any) -> None:
        if document["version"] != _VERSION:
            raise ValueError("another version")
        marks = {str(m): None if t is None else int(t) for m, t in document["marks"].items()}
        last = {str(key): int(at_s) for key, at_s in document["last"].items()}
        hour = [int(at_s) for at_s in document["hour"]]
        for letter_id, at_s, kind, level, title, body, places in document["owed"]:
            letter = Letter(
                str(letter_id), int(at_s), str(kind), str(level), str(title), body.encode()
            )
            self._owed[letter.id] = (letter, {str(place) for place in places})
        self._marks, self._last, self._hour = marks, last, hour
