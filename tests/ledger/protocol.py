"""Every interleaving and every crash point of the table's protocol, in small configurations.

One lock, one redo record.  Each store to shared memory is one step; SIGKILL may strike any process
between any two steps; processes interleave freely; the repair by the next owner of the lock is made
of steps, too, and may be killed.  `explore` visits every reachable state and returns the first
that breaks an invariant.

I1  lock free, no valid record: used == charged + what open leases hold, in every open cell
I2  then also used <= limit, unless some lease cost more than it held
I3  in the end nothing is held, and the journal of a key is at least what the provider charged, as
    far as holds bound it; without a crash it is exactly that
I4  a look never refuses what fits by the exact sums, and never lets in what does not
I5  a charge is booked on the cell of its own key, also when cells are closed and used again
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

RESERVED, SENT = 1, 2
Redo = tuple[tuple[tuple[str, int], int], ...]


class Lease(NamedTuple):
    """What one worker wants: keys to hold on, how much, what it will really cost."""

    keys: tuple[int, ...]
    amount: int
    actual: int


@dataclass(frozen=True)
class Setup:
    """A configuration: the worker of lease i is process i; more processes recover and close."""

    limits: dict[int, int]  # by key
    leases: tuple[Lease, ...]
    cells: int
    deaths: int
    closes: int = 0
    mutant: str = ""


class Process(NamedTuple):
    """`step` is the place in its program, `at` the place within an operation."""

    program: tuple[tuple[str, int], ...]
    is_alive: bool = True
    step: int = 0
    at: str | int = "start"
    handles: tuple[tuple[int, int], ...] = ()  # (cell, control word) as claimed


class State(NamedTuple):
    """Shared memory, processes, and what only the checker knows."""

    memory: tuple[tuple[tuple[str, int], int], ...]
    owner: int | None
    redo: Redo
    valid: bool
    processes: tuple[Process, ...]
    truth: tuple[int, ...]  # by lease: what the provider charged
    deaths: int
    closes: int


class Broken(Exception):
    """An invariant does not hold."""


class Explorer:
    """Visits all states of one setup."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def start(self) -> State:
        """Nothing claimed, nothing held."""
        life = ("reserve", "send", "call", "settle")
        workers = tuple(
            Process((*(("claim", key) for key in lease.keys), *((name, i) for name in life)))
            for i, lease in enumerate(self.setup.leases)
        )
        truth = (0,) * len(workers)
        return State((), None, (), False, workers, truth, 0, 0)

    # -- what the operations mean: the new values of the words they change

    def claim(self, m: dict[tuple[str, int], int], key: int) -> tuple[Redo, tuple[int, int] | None]:
        """Find the cell of a key or open a free one; the handle that goes with it."""
        get = m.get
        for cell in range(self.setup.cells):
            if get(("control", cell), 0) & 1 and get(("key", cell)) == key:
                return (), (cell, m["control", cell])
        for cell in range(self.setup.cells):
            control = get(("control", cell), 0)
            if control & 1 == 0:
                opened = (control // 2 + 1) * 2 + 1
                words = {"key": key, "used": 0, "charged": 0, "open": 0}
                words |= {"base": get(("journal", key), 0), "control": opened}
                return tuple(((name, cell), v) for name, v in words.items()), (cell, opened)
        return (), None

    def reserve(self, m: dict[tuple[str, int], int], lease: int, handles: object) -> Redo | None:
        """Take the amount in all cells or say no; checks I4 on the way."""
        want = self.setup.leases[lease]
        assert isinstance(handles, tuple)
        redo: list[tuple[tuple[str, int], int]] = []
        for (cell, control), key in zip(handles, want.keys, strict=True):
            if m["control", cell] != control and self.setup.mutant != "stale-generation":
                return None
            limit = self.setup.limits[m["key", cell]]
            fits = want.amount <= limit - m["used", cell]
            if fits != (want.amount + m["charged", cell] + self.held(m, cell) <= limit):
                raise Broken("I4")
            if not fits:
                return None
            redo += [(("used", cell), m["used", cell] + want.amount)]
            redo += [(("open", cell), m["open", cell] + 1)]
            redo += [(("where", lease * 8 + key), cell + 1)]
        return (*redo, (("lease", lease), RESERVED))

    def resolve(self, m: dict[tuple[str, int], int], lease: int, cost: int) -> Redo:
        """The hold goes, the cost comes, the journal tells of it."""
        want = self.setup.leases[lease]
        redo: list[tuple[tuple[str, int], int]] = []
        for key in want.keys:
            cell = m["where", lease * 8 + key] - 1
            redo += [(("charged", cell), m["charged", cell] + cost)]
            redo += [(("used", cell), m["used", cell] - want.amount + cost)]
            redo += [(("open", cell), m["open", cell] - 1)]
            redo += [(("journal", key), m.get(("journal", key), 0) + cost)]
        return (*redo, (("lease", lease), 0))

    def recover(self, m: dict[tuple[str, int], int], lease: int) -> Redo:
        """Of a dead owner: reserved is given back, sent is charged in full."""
        state = m.get(("lease", lease), 0)
        if state == 0:
            return ()
        is_charged = state == SENT and self.setup.mutant != "sent-voided"
        return self.resolve(m, lease, self.setup.leases[lease].amount if is_charged else 0)

    def close(self, m: dict[tuple[str, int], int], cell: int) -> Redo:
        """Only when no lease names it."""
        control = m.get(("control", cell), 0)
        if control & 1 == 0 or (m["open", cell] and self.setup.mutant != "close-in-use"):
            return ()
        return ((("control", cell), control - 1),)

    # -- invariants

    def held(self, m: dict[tuple[str, int], int], cell: int) -> int:
        """What the open leases hold in a cell."""
        return sum(
            want.amount
            for i, want in enumerate(self.setup.leases)
            for key in want.keys
            if m.get(("lease", i), 0) and m["where", i * 8 + key] == cell + 1
        )

    def check(self, s: State) -> None:
        """I1, I2 and I5, whenever the lock is free and nothing is half done."""
        if s.owner is not None or s.valid:
            return
        m = dict(s.memory)
        may_overrun = any(lease.actual > lease.amount for lease in self.setup.leases)
        for cell in range(self.setup.cells):
            if m.get(("control", cell), 0) & 1 == 0:
                continue
            if m["used", cell] != m["charged", cell] + self.held(m, cell):
                raise Broken("I1")
            limit = self.setup.limits.get(m["key", cell])
            if limit is None:
                raise Broken("I5: a key that nobody claimed")
            if m["used", cell] > limit and not may_overrun:
                raise Broken("I2")
            journal = m.get(("journal", m["key", cell]), 0)
            if m["charged", cell] != journal - m["base", cell]:
                raise Broken("I5")

    def check_end(self, s: State) -> None:
        """I3, where no process can do anything any more."""
        m = dict(s.memory)
        if any(m.get(("lease", i), 0) for i in range(len(self.setup.leases))):
            raise Broken("I3: held")
        for key in self.setup.limits:
            wants = [(want, s.truth[i]) for i, want in enumerate(self.setup.leases)]
            spent = sum(truth for want, truth in wants if key in want.keys)
            bound = sum(min(truth, want.amount) for want, truth in wants if key in want.keys)
            journal = m.get(("journal", key), 0)
            if journal < bound or (s.deaths == 0 and journal != spent):
                raise Broken("I3: charged")

    # -- steps

    def successors(self, s: State) -> Iterator[State]:
        """Every state that one step, one death or one new chore leads to."""
        for pid, p in enumerate(s.processes):
            if not p.is_alive:
                continue
            if s.deaths < self.setup.deaths and p.step < len(p.program):
                yield self.put(s, pid, p._replace(is_alive=False))._replace(deaths=s.deaths + 1)
            if p.step < len(p.program):
                yield from self.step(s, pid, p)
        yield from self.chores(s)

    @staticmethod
    def put(s: State, pid: int, p: Process) -> State:
        """The state with one process changed."""
        return s._replace(processes=(*s.processes[:pid], p, *s.processes[pid + 1 :]))

    def chores(self, s: State) -> Iterator[State]:
        """A master recovers a dead worker's lease; a steward closes a cell.  One at a time."""
        workers = len(self.setup.leases)
        if any(p.is_alive and p.step < len(p.program) for p in s.processes[workers:]):
            return
        m = dict(s.memory)
        owner_is_dead = s.owner is not None and not s.processes[s.owner].is_alive
        for i in range(workers):
            is_dead = not s.processes[i].is_alive
            if is_dead and (m.get(("lease", i), 0) or owner_is_dead):
                yield s._replace(processes=(*s.processes, Process((("recover", i),))))
        if s.closes < self.setup.closes:
            for cell in range(self.setup.cells):
                chore = Process((("close", cell),))
                yield s._replace(processes=(*s.processes, chore), closes=s.closes + 1)

    def step(self, s: State, pid: int, p: Process) -> Iterator[State]:
        """The next store of a process, or nothing while another live one has the lock."""
        name, what = p.program[p.step]
        done = p._replace(step=p.step + 1, at="start")
        m = dict(s.memory)
        if name in ("send", "call"):
            yield self.unlocked(s, pid, done, name, what, m)
        elif p.at == "start":
            if s.owner is None or not s.processes[s.owner].is_alive:
                has_record = s.valid and self.setup.mutant != "ignore-record"
                locked = s._replace(owner=pid, valid=has_record)
                yield self.put(locked, pid, p._replace(at="repair0" if has_record else "in"))
        elif p.at == "in":
            yield self.decide(s, pid, p, done, m)
        elif p.at == "valid":
            yield self.put(s._replace(valid=True), pid, p._replace(at="apply0"))
        else:
            yield self.apply(s, pid, p, done, m)

    def unlocked(
        self,
        s: State,
        pid: int,
        done: Process,
        name: str,
        lease: int,
        m: dict[tuple[str, int], int],
    ) -> State:
        """`send` is one store by the lease's owner; `call` is the provider's doing."""
        if m.get(("lease", lease), 0) == 0:  # it was refused
            return self.put(s, pid, done)
        if name == "send":
            if self.setup.mutant != "sent-not-recorded":
                m["lease", lease] = SENT
            return self.put(s._replace(memory=tuple(sorted(m.items()))), pid, done)
        truth = [*s.truth]
        truth[lease] += self.setup.leases[lease].actual
        return self.put(s._replace(truth=tuple(truth)), pid, done)

    def decide(
        self, s: State, pid: int, p: Process, done: Process, m: dict[tuple[str, int], int]
    ) -> State:
        """Under the lock: look, and write the record; or unlock when there is nothing to do."""
        name, what = p.program[p.step]
        redo: Redo = ()
        if name == "claim":
            redo, handle = self.claim(m, what)
            if handle is None:
                done = p._replace(step=len(p.program))  # the table is full: give up
            else:
                p, done = (x._replace(handles=(*x.handles, handle)) for x in (p, done))
        elif name == "reserve":
            redo = self.reserve(m, what, p.handles) or ()
        elif name == "settle" and m.get(("lease", what), 0):
            redo = self.resolve(m, what, self.setup.leases[what].actual)
        elif name == "recover":
            redo = self.recover(m, what)
        elif name == "close":
            redo = self.close(m, what)
        if not redo:
            return self.put(s._replace(owner=None), pid, done)
        if self.setup.mutant == "deltas":
            redo = tuple((word, value - m.get(word, 0)) for word, value in redo)
        at = "apply0" if self.setup.mutant == "apply-before-valid" else "valid"
        return self.put(s._replace(redo=redo), pid, p._replace(at=at))

    def apply(
        self, s: State, pid: int, p: Process, done: Process, m: dict[tuple[str, int], int]
    ) -> State:
        """One word of the record, then `valid` off, then the lock free (or on with the work)."""
        assert isinstance(p.at, str)
        phase = p.at.rstrip("0123456789")
        at = int(p.at[len(phase) :])
        if at < len(s.redo):
            word, value = s.redo[at]
            m[word] = value + (m.get(word, 0) if self.setup.mutant == "deltas" else 0)
            cleared = self.setup.mutant == "clear-early" and at == 0
            applied = s._replace(memory=tuple(sorted(m.items())), valid=s.valid and not cleared)
            return self.put(applied, pid, p._replace(at=f"{phase}{at + 1}"))
        if s.valid:
            return self.put(s._replace(valid=False), pid, p)
        if phase == "repair":
            return self.put(s, pid, p._replace(at="in"))
        return self.put(s._replace(owner=None, redo=()), pid, done)


def explore(setup: Setup) -> tuple[str, int]:
    """The first broken invariant ("" when all hold) and how many states were visited."""
    explorer = Explorer(setup)
    start = explorer.start()
    seen, waiting = {start}, deque([start])
    try:
        while waiting:
            state = waiting.popleft()
            explorer.check(state)
            following = list(explorer.successors(state))
            if not following:
                explorer.check_end(state)
            for s in following:
                if s not in seen:
                    seen.add(s)
                    waiting.append(s)
    except Broken as broken:
        return str(broken), len(seen)
    return "", len(seen)


def with_mutant(setup: Setup, mutant: str) -> Setup:
    """The same configuration of a broken protocol."""
    return replace(setup, mutant=mutant)
