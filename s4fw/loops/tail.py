"""What is known of a transcript up to one of its items, and of a response that ended there."""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

from s4fw.core.transcript import Item
from s4fw.loops.turn import KEY, Turn

_SECRET: Final = KEY.hex()  # texts are hashed as they are, without a copy; this keys the whole

JOINTS: Final = 24  # identities of items that a tail keeps


@mypyc_attr(acyclic=True)  # thousands are kept
class Tail:
    """What is known of a transcript up to one of its items."""

    __slots__ = (
        "ends_assistant", "items", "joints", "start", "total", "turns",
    )  # fmt: skip

    def __init__(
        self,
        turns: tuple[Turn, ...],
        total: int,
        start: int,
        ends_assistant: bool,
        items: int = 0,
        joints: tuple[int, ...] = (0, 0),
    ) -> None:
        self.turns = turns  # the last WINDOW
        self.total = total  # turns in all
        self.start = start  # the item with which the last turn begins
        self.ends_assistant = ends_assistant
        self.items = items  # how many items it is of
        self.joints = joints  # identities of the last of them, those that were read at once

    def __repr__(self) -> str:
        return f"<Tail of {self.total} turns>"

    @property
    def last(self) -> int:
        """Identity of the last item."""
        return self.joints[-1]

    @property
    def last_but_one(self) -> int:
        """Identity of the one before it, 0 where there is none."""
        return self.joints[-2]

    def has_joint(self, items: int, last: int, last_but_one: int) -> bool:
        """Whether a transcript of so many items that ended with these two is a beginning of this
        one, as far as its last items are known."""
        joints = self.joints
        at = len(joints) - 1 - (self.items - items)
        if at < 1 or joints[at] != last:
            return False
        return joints[at - 1] == last_but_one


START: Final = Tail((), 0, 0, False)


class Chain:
    """What a response ended, for a request that names it instead of repeating what was before."""

    __slots__ = ("caller", "session", "tail", "turn")

    def __init__(self, tail: Tail, turn: Turn | None, session: int, caller: str) -> None:
        self.caller = caller
        self.tail = tail
        self.turn = turn  # the one that it began, whose result comes with the next request
        self.session = session


def skipping(turns: int) -> Tail:
    """The start of a reading that leaves out so many turns."""
    return Tail((), turns, 0, False)


def identity(item: Item) -> int:
    """Tells an item from all others, its ids included."""
    if item.calls:
        return hash((_SECRET, item.ids, item.text, *item.calls))
    return hash((_SECRET, item.ids, item.text))
