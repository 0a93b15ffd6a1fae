"""What a death leaves behind, whatever order the compiler chose for the stores before it.

Theory of operation.  SIGKILL cuts a thread between two instructions, and the kernel's hand-over of
the lock publishes all it did until then.  What is left to prove is the order of the instructions: a
compiler may move a store behind an earlier one of another place, unless

    the later one is a release store or an unlock, the earlier one is a lock,
    or either of them is a call into the kernel

So what a death leaves is a set of stores closed under what must come earlier.  `remains` gives all
of them; `after_repair` what the next owner of the lock makes of one.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.accesses import Orders
from tests.model.memory import LOCK, UNLOCK, Op, store

CALL = Op("call")
Memory = dict[str, int]


def is_kept(earlier: Op, later: Op) -> bool:
    """Whether two instructions, in this order in the source, stay in it."""
    if "call" in (earlier.kind, later.kind) or earlier.kind == "lock":
        return True
    if later.kind == "unlock" or later.order == "release":
        return True
    return (earlier.kind, later.kind) == ("unlock", "lock") or earlier.place == later.place != ""


def remains(program: tuple[Op, ...]) -> Iterator[tuple[Op, ...]]:
    """Every set of instructions that may be done when the rest is not."""
    before = [
        sum(1 << i for i in range(j) if is_kept(program[i], program[j]))
        for j in range(len(program))
    ]
    seen, waiting = {0}, [0]
    while waiting:
        done = waiting.pop()
        yield tuple(op for i, op in enumerate(program) if done >> i & 1)
        for i in range(len(program)):
            more = done | 1 << i
            if more != done and before[i] & done == before[i] and more not in seen:
                seen.add(more)
                waiting.append(more)


def memory_of(done: tuple[Op, ...]) -> Memory:
    """The words that these stores leave; 0 where there was none."""
    memory: Memory = {}
    for op in done:
        if op.kind == "store":
            assert isinstance(op.value, int)
            memory[op.place] = op.value
    return memory


def operation(o: Orders, words: dict[str, int]) -> tuple[Op, ...]:
    """One operation of the table: scratch, record, commit point, words, done."""
    record = [store(f"record {i}", value) for i, value in enumerate(words.values())]
    names = [store(f"word {i}", 1 + PLACES.index(name)) for i, name in enumerate(words)]
    return (
        LOCK,
        store("n", 0),
        store("row", 1, "plain"),
        *(op for pair in zip(names, record, strict=True) for op in pair),
        store("n", len(words)),
        store("valid", 1, o.release("valid on")),
        store("seq", 1),
        *(store(name, value, o.release("apply word")) for name, value in words.items()),
        store("seq", 2, o.release("seq even")),
        store("valid", 0, o.release("valid off")),
        UNLOCK,
    )


PLACES = ["used", "head", "lease"]
FIRST, SECOND = {"used": 5, "head": 1}, {"used": 7, "lease": 9}


def two_operations(o: Orders) -> tuple[Op, ...]:
    """The record is used again, so the first must be over when the second is written."""
    return (*operation(o, FIRST), *operation(o, SECOND))


def after_repair(memory: Memory) -> Memory:
    """What the next owner of the lock finds, or makes of a valid record."""
    repaired = dict(memory)
    if memory.get("valid"):
        for i in range(memory.get("n", 0)):
            place = memory.get(f"word {i}", 0)
            if place:
                repaired[PLACES[place - 1]] = memory.get(f"record {i}", 0)
    return repaired


def is_whole(memory: Memory) -> bool:
    """Nothing happened, the first did, or both; and a published row has its bytes."""
    words = tuple(memory.get(name, 0) for name in PLACES)
    return words in ((0, 0, 0), (5, 1, 0), (7, 1, 9)) and memory.get("row", 0) >= words[1]


def row_without_money(o: Orders) -> tuple[Op, ...]:
    """s4_table_publish."""
    return store("row", 1, "plain"), store("head", 1, o.release("publish head"))


def lease_that_is_sent(o: Orders) -> tuple[Op, ...]:
    """The mark, then the first byte."""
    return store("lease", 2, o.release("sent")), CALL


def lease_that_is_sent_too_late(o: Orders) -> tuple[Op, ...]:
    """A mutant: the byte first."""
    return CALL, store("lease", 2, o.release("sent"))


def is_table_whole(o: Orders) -> bool:
    """After any death in two operations and the repair of the next owner."""
    return all(is_whole(after_repair(memory_of(done))) for done in remains(two_operations(o)))


def is_row_whole(o: Orders) -> bool:
    """After any death in the publishing of a row."""
    left = map(memory_of, remains(row_without_money(o)))
    return all(memory.get("row", 0) >= memory.get("head", 0) for memory in left)


def is_sent_known(program: tuple[Op, ...]) -> bool:
    """After any death: when a byte went out, the lease says so."""
    return all(memory_of(done).get("lease") == 2 for done in remains(program) if CALL in done)
