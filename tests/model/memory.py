"""Release and acquire as C11 has them, explored to the end for small programs.

Theory of operation.  A location is the list of all stores to it.  A thread's view says how far
along each list it must look at least: it may read any store from there on, so also old values.  A
store hands on a view, an acquire takes it:

    release store    hands on all that its thread knows
    relaxed store    hands on what its thread knew at its last release fence
    acquire load     takes the view of the store it reads
    relaxed load     puts it aside until the next acquire fence
    lock, unlock     take and hand on everything

Plain accesses must be ordered: one that is not is a race, which C11 leaves undefined.  A load never
reads a store that comes later in the search (no load buffering), so a load whose order only keeps
the thread's own later plain stores behind it shows as a race.  All locations start at 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

View = tuple[int, ...]
Registers = tuple[tuple[str, int], ...]
Value = int | Callable[[dict[str, int]], int]
Condition = Callable[[dict[str, int]], bool]


class Op(NamedTuple):
    """One instruction.  `order` is plain, relaxed, acquire or release; of a fence also none."""

    kind: str  # store load fence lock unlock stop_unless check
    place: str = ""
    order: str = "relaxed"
    value: Value = 0
    register: str = ""
    condition: Condition | None = None


def store(place: str, value: Value, order: str = "relaxed") -> Op:
    """`value` may be computed from registers."""
    return Op("store", place, order, value=value)


def load(register: str, place: str, order: str = "relaxed") -> Op:
    """Reads into a register of the thread."""
    return Op("load", place, order, register=register)


def fence(order: str) -> Op:
    """`none` is a fence left out."""
    return Op("fence", order=order)


def stop_unless(condition: Condition) -> Op:
    """The rest of the program runs only where this holds."""
    return Op("stop_unless", condition=condition)


def check(condition: Condition) -> Op:
    """What the scenario is about."""
    return Op("check", condition=condition)


LOCK, UNLOCK = Op("lock"), Op("unlock")
Programs = tuple[tuple[Op, ...], ...]


class Thread(NamedTuple):
    """`seen`: the view; `aside`: what relaxed loads met; `fenced`: the view at the last fence."""

    at: int
    registers: Registers
    seen: View
    aside: View
    fenced: View


class Message(NamedTuple):
    """One store: its value, the view it hands on, and who made it at which step."""

    value: int
    view: View
    thread: int
    step: int


class Memory(NamedTuple):
    """All stores by location, the last plain loads of each by thread, and the lock."""

    stores: tuple[tuple[Message, ...], ...]
    loads: tuple[View, ...]
    owner: int
    handed_on: View


class Violation(Exception):
    """A check failed, or plain accesses race."""


def joined(a: View, b: View) -> View:
    """The later of two views, place by place."""
    return tuple(map(max, a, b))


class Machine:
    """Runs a set of programs in every way."""

    def __init__(self, programs: Programs) -> None:
        self.programs = programs
        names = {op.place for program in programs for op in program if op.place}
        self.places = {name: i for i, name in enumerate(sorted(names))}
        self.threads = len(programs)

    def start(self) -> tuple[tuple[Thread, ...], Memory]:
        """Everything is 0 and known to all."""
        nothing = (0,) * (len(self.places) + self.threads)
        first = (Message(0, nothing, 0, 0),)
        thread = Thread(0, (), nothing, nothing, nothing)
        memory = Memory(
            (first,) * len(self.places), ((0,) * self.threads,) * len(self.places), -1, nothing
        )
        return (thread,) * self.threads, memory

    def explore(self) -> int:
        """How many states there are.  Raises Violation."""
        start = self.start()
        seen, waiting = {start}, deque([start])
        while waiting:
            threads, memory = waiting.popleft()
            for number, thread in enumerate(threads):
                if thread.at >= len(self.programs[number]):
                    continue
                for after, changed in self.step(number, thread, memory):
                    state = ((*threads[:number], after, *threads[number + 1 :]), changed)
                    if state not in seen:
                        seen.add(state)
                        waiting.append(state)
        return len(seen)

    def step(self, n: int, thread: Thread, memory: Memory) -> Iterator[tuple[Thread, Memory]]:
        """What one instruction of a thread may do."""
        op = self.programs[n][thread.at]
        clock = len(self.places) + n  # behind the places: how many steps of each thread are known
        seen = (*thread.seen[:clock], thread.at + 1, *thread.seen[clock + 1 :])
        thread = thread._replace(at=thread.at + 1, seen=seen, aside=joined(thread.aside, seen))
        if op.kind == "load":
            yield from self.load(op, n, thread, memory)
        elif op.kind == "store":
            yield self.store(op, n, thread, memory)
        elif op.kind == "fence":
            if op.order == "acquire":
                thread = thread._replace(seen=thread.aside)
            elif op.order == "release":
                thread = thread._replace(fenced=thread.seen)
            yield thread, memory
        elif op.kind == "lock":
            if memory.owner < 0:
                seen = joined(thread.seen, memory.handed_on)
                thread = thread._replace(seen=seen, aside=joined(thread.aside, seen))
                yield thread, memory._replace(owner=n)
        elif op.kind == "unlock":
            yield thread, memory._replace(owner=-1, handed_on=thread.seen)
        else:
            yield self.judge(op, n, thread, memory), self.release_if_stopped(op, n, thread, memory)

    def judge(self, op: Op, n: int, thread: Thread, memory: Memory) -> Thread:
        """A branch or a check."""
        assert op.condition is not None
        holds = op.condition(dict(thread.registers))
        if op.kind == "check" and not holds:
            raise Violation(f"thread {n} read {dict(thread.registers)}")
        return thread if holds else thread._replace(at=len(self.programs[n]))

    @staticmethod
    def release_if_stopped(op: Op, n: int, thread: Thread, memory: Memory) -> Memory:
        """Who stops under the lock gives it back."""
        assert op.condition is not None
        if op.condition(dict(thread.registers)) or memory.owner != n:
            return memory
        return memory._replace(owner=-1, handed_on=thread.seen)

    def load(self, op: Op, n: int, t: Thread, m: Memory) -> Iterator[tuple[Thread, Memory]]:
        """Any store that the thread does not know to be past."""
        place = self.places[op.place]
        messages = m.stores[place]
        registers = dict(t.registers)
        if op.order == "plain":
            self.forbid_race(op, n, t, messages[-1])
            last = (*m.loads[place][:n], t.at, *m.loads[place][n + 1 :])
            loads = (*m.loads[:place], last, *m.loads[place + 1 :])
            registers[op.register] = messages[-1].value
            yield t._replace(registers=tuple(sorted(registers.items()))), m._replace(loads=loads)
            return
        for number in range(t.seen[place], len(messages)):
            message = messages[number]
            seen = (*t.seen[:place], number, *t.seen[place + 1 :])
            aside = joined(joined(t.aside, seen), message.view)
            if op.order == "acquire":
                seen = joined(seen, message.view)
            registers[op.register] = message.value
            known = tuple(sorted(registers.items()))
            yield t._replace(registers=known, seen=seen, aside=aside), m

    def store(self, op: Op, n: int, t: Thread, m: Memory) -> tuple[Thread, Memory]:
        """Appended: in these programs no location has two writers at a time."""
        place = self.places[op.place]
        if op.order == "plain":
            self.forbid_race(op, n, t, m.stores[place][-1])
            for other, step in enumerate(m.loads[place]):
                if other != n and t.seen[len(self.places) + other] < step:
                    raise Violation(f"{op.place}: thread {n} writes what thread {other} reads")
        number = len(m.stores[place])
        seen = (*t.seen[:place], number, *t.seen[place + 1 :])
        own = (*t.fenced[:place], number, *t.fenced[place + 1 :])
        value = op.value(dict(t.registers)) if callable(op.value) else op.value
        message = Message(value, seen if op.order == "release" else own, n, t.at)
        stores = (*m.stores[:place], (*m.stores[place], message), *m.stores[place + 1 :])
        after = t._replace(seen=seen, aside=joined(t.aside, seen))
        return after, m._replace(stores=stores)

    def forbid_race(self, op: Op, n: int, thread: Thread, last: Message) -> None:
        """A plain access must know of the last store."""
        if last.thread != n and thread.seen[len(self.places) + last.thread] < last.step:
            raise Violation(f"{op.place}: thread {n} does not know what thread {last.thread} wrote")
