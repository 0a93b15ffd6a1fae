"""The last turns of a transcript, of which only what is new is decoded and hashed.

A request repeats all items of the one before and adds some.  What was made of a prefix is
remembered under its digest, so the next request continues there.  Where nothing is remembered
(another worker took the last request, or the history was edited) the items of the last turns are
read again, once.  Either way the same turns come out: they are a function of the body alone.

Nearly always little is new.  More is read in a thread, by who calls; there `_breathe` lets others
in, because compiled code does not give the interpreter away by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import sleep
from typing import Final

from s4fw.core.transcript import Item, Transcript
from s4fw.loops.tail import JOINTS, START, Chain, Tail, identity, skipping
from s4fw.loops.thresholds import WINDOW
from s4fw.loops.turn import Turn, answered, fingerprint

LOOK_BACK: Final = 16  # items in which a remembered prefix is looked for: some 8 turns

# Between two breaths some 0.5 ms of work: bytes that are decoded, items that are only looked at.
BREATH_BYTES: Final = 65_536
BREATH_ITEMS: Final = 2_048

# Which lists of tools that may repeat hold all of these tools, as bits.
Lists = Callable[[Sequence[str]], int]

_ANY: Final = 1 << 62  # bytes

CHAINS_MAX: Final = 4_096  # of each worker; a response that another one relayed is not known here


class Tails:
    """Remembers tails by the digest of their prefix; for one process and one configuration.  About
    1 kB each.

    Several threads may read at once: single entries of dictionaries are all they share, and two
    that forget the old half at the same instant forget more than they had to, nothing else."""

    def __init__(self, lists: Lists, remember: int = 8_192) -> None:
        self._lists = lists
        self._half = max(remember // 2, 1)
        self._young: dict[bytes, Tail] = {}
        self._old: dict[bytes, Tail] = {}
        self._chains: dict[str, Chain] = {}
        self._old_chains: dict[str, Chain] = {}
        self.items_read = 0

    def chain(self, t: Transcript, caller: str) -> Chain | None:
        """What is known of the response of the same caller that a transcript goes on from."""
        name = t.chain
        if name is None:
            return None
        found = self._chains.get(name) or self._old_chains.get(name)
        return found if found is not None and found.caller == caller else None

    def begin_turn(self, t: Transcript, tail: Tail | None, session: int, caller: str) -> None:
        """Note the answer to a transcript: its turn begins with what the assistant said."""
        assert t.answer is not None
        name, said = t.answer
        before = tail or START
        turn = self._turn(said, [], ()) if said else None
        if len(self._chains) >= CHAINS_MAX // 2:
            self._old_chains, self._chains = self._chains, {}
        self._chains[name] = Chain(before, turn, session, caller)

    def of_chain(self, t: Transcript, chain: Chain) -> Tail:
        """The tail of a chain with the items that came with this request."""
        items: list[Item] = []
        breath = BREATH_BYTES
        for at in range(len(t.spans)):
            if t.spans[at][1] > breath:
                _breathe()
                breath = t.spans[at][1] + BREATH_BYTES
            items.append(self._item(t, at))
        before, turn = chain.tail, chain.turn
        identities = (0, *(identity(item) for item in items))
        turns, total = before.turns, before.total
        if turn is not None:
            result = "\x1f".join([item.text for item in items if not item.is_assistant])
            turns = (*turns[1 - WINDOW :], answered(turn, result, turns))
            total += 1
        return Tail(turns, total, 0, False, len(items), identities[-JOINTS:])

    def of(self, t: Transcript) -> Tail:
        """The tail of a whole transcript."""
        tail = self.of_short(t, _ANY)
        assert tail is not None
        return tail

    def of_short(self, t: Transcript, bytes_max: int) -> Tail | None:
        """The same; None where more than so many bytes of the body may have to be read."""
        spans = t.spans
        count = len(spans)
        if count == 0:
            return START
        tail, at = self._seek(t)
        if at == count:
            return tail
        end = spans[count - 1][1]
        if end > bytes_max and end - spans[0 if tail is None else tail.start][0] > bytes_max:
            return None
        if tail is not None:
            return self._continued(t, tail, at)
        begin, skipped = self._begin(t)
        return self._read(t, START if not skipped else skipping(skipped), begin)

    def _seek(self, t: Transcript) -> tuple[Tail | None, int]:
        """The longest prefix that is remembered, and how many items it has."""
        digests, kind = t.digests, t.kind
        count = len(digests)
        for at in range(count, max(count - LOOK_BACK, 0), -1):
            tail = self._get(digests[at - 1] + kind)
            if tail is not None:
                return tail, at
        return None, 0

    def _get(self, key: bytes) -> Tail | None:
        tail = self._young.get(key)
        if tail is None:
            tail = self._old.get(key)
            if tail is not None:
                self._put(key, tail)
        return tail

    def _put(self, key: bytes, tail: Tail) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = tail

    def _continued(self, t: Transcript, tail: Tail, at: int) -> Tail:
        """Read on from item `at`; what belongs to the last turn makes that turn anew."""
        first = self._item(t, at)
        is_same_turn = not first.is_assistant or (t.is_joined and tail.ends_assistant)
        if not (is_same_turn and tail.total):
            return self._read(t, tail, at, first)
        # Identities of items that are read again are dropped first.
        joints = tail.joints[: max(len(tail.joints) - (at - tail.start), 0)] or (0, 0)
        known = Tail(tail.turns[:-1], tail.total - 1, tail.start, False, tail.start, joints)
        return self._read(t, known, tail.start)

    def _begin(self, t: Transcript) -> tuple[int, int]:
        """The item from which on the last WINDOW turns are read, and how many turns are before.

        Ahead of the first turn items only have an identity, and no more than JOINTS of them."""
        turns = 0
        at = first = len(t.spans)
        was_assistant = False
        while at > 0:
            if at % BREATH_ITEMS == 0:
                _breathe()
            is_assistant = t.is_of_assistant(at - 1)
            if t.is_joined and was_assistant and not is_assistant:
                turns += 1
                if turns == WINDOW:
                    return at, self._turns_before(t, at)
            at -= 1
            if is_assistant:
                first = at
                if not t.is_joined:
                    turns += 1
                    if turns == WINDOW:
                        return at, self._turns_before(t, at)
            was_assistant = is_assistant
        return max(first - JOINTS, 0), 0

    @staticmethod
    def _turns_before(t: Transcript, end: int) -> int:
        turns = 0
        was_assistant = False
        for at in range(end):
            if at % BREATH_ITEMS == BREATH_ITEMS - 1:
                _breathe()
            is_assistant = t.is_of_assistant(at)
            if is_assistant and not (t.is_joined and was_assistant):
                turns += 1
            was_assistant = is_assistant
        return turns

    def _item(self, t: Transcript, at: int) -> Item:
        self.items_read += 1
        return t.item(at)

    def _read(self, t: Transcript, tail: Tail, at: int, first: Item | None = None) -> Tail:
        """Read the items from `at` on and add their turns; remembers the tail after each turn."""
        count = len(t.spans)
        identities = [*tail.joints[-JOINTS:]] or [0, 0]
        said: list[Item] = []
        back: list[str] = []
        start = at
        breath = t.spans[at][0] + BREATH_BYTES
        is_long = t.spans[count - 1][1] > breath
        for index in range(at, count):
            if is_long and t.spans[index][1] > breath:
                _breathe()
                breath = t.spans[index][1] + BREATH_BYTES
            item = first if first is not None and index == at else self._item(t, index)
            if item.is_assistant and said and (back or not t.is_joined):
                tail = self._closed(t, tail, said, back, start, index, identities)
                said, back = [], []
            if item.is_assistant:
                if not said:
                    start = index
                said.append(item)
            elif said:
                back.append(item.text)
            identities.append(identity(item))
        return self._closed(t, tail, said, back, start, count, identities)

    def _closed(
        self,
        t: Transcript,
        tail: Tail,
        said: list[Item],
        back: list[str],
        start: int,
        end: int,
        identities: list[int],
    ) -> Tail:
        """The tail with one more turn, of the items from `start` to before `end`."""
        turns, total = tail.turns, tail.total
        if said:
            turns = (*turns[1 - WINDOW :], self._turn(said, back, turns))
            total += 1
        joints = tuple(identities[-JOINTS:])
        ends_assistant = bool(said) and not back
        made = Tail(turns, total, start, ends_assistant, end, joints)
        self._put(t.digests[end - 1] + t.kind, made)
        return made

    def _turn(self, said: list[Item], back: list[str], before: Sequence[Turn]) -> Turn:
        first = said[0]
        text = first.text
        calls = first.calls
        if len(said) > 1:
            text = "\x1f".join([item.text for item in said if item.text])
            calls = [call for item in said for call in item.calls]
        lists = self._lists([name for name, _ in calls]) if calls else 0
        result = back[0] if len(back) == 1 else "\x1f".join(back)
        return fingerprint(text, calls, result, before, lists)


def _breathe() -> None:
    """Let another thread have the interpreter if one waits for it."""
    sleep(0)
