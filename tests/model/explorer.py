"""Visits every state that a setup can reach, and names the first invariant that one breaks.

Theory of operation.  Each store to shared memory is one step; SIGKILL may strike any process
between any two; processes interleave freely.  To lock, look and write the record is one step:
nobody reads the record before it is valid, so a death in between is a death before or behind it.  A
dead owner's lock goes to whoever wants it next, who applies the record where it is valid, in steps
that may be cut short as well.  The master recovers the leases of dead workers, one operation each,
the steward closes cells and drains the rings; a new one takes their place when they die.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tests.model import invariants
from tests.model.invariants import Books, held_in
from tests.model.meaning import Decision, Meaning
from tests.model.setup import Setup
from tests.model.state import (
    CHARGED,
    HEAD,
    KEY,
    NOBODY,
    SOMEONE_DEAD,
    TAIL,
    UNWRITTEN,
    Layout,
    Process,
    State,
    beginning,
)


class Broken(Exception):
    """An invariant does not hold; the text is its name."""


class Explorer:
    """The steps of one setup."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.layout = Layout(setup)
        self.meaning = Meaning(setup, self.layout)
        self.master = len(setup.workers)
        self.steward = self.master + 1

    # -- what may happen next

    def successors(self, s: State) -> Iterator[State]:
        """One step of any process, or one death."""
        for pid in range(self.master):
            process = s.processes[pid]
            if process.is_alive and process.step < len(self.setup.programs[pid]):
                yield from self.step(s, pid, self.setup.programs[pid][process.step])
                if s.deaths < self.setup.deaths:
                    yield (
                        self.forget(s, pid)
                        ._replace(deaths=s.deaths + 1)
                        .put(pid, Process(is_alive=False))
                    )
        yield from self.work_of_the_master(s)
        yield from self.work_of_the_steward(s)
        for pid in (self.master, self.steward):
            job = s.processes[pid].job
            if job is not None:
                yield from self.step(s, pid, job)
                if s.master_deaths < self.setup.master_deaths:
                    owner = SOMEONE_DEAD if s.owner == pid else s.owner
                    died = self.forget(s, pid)._replace(owner=owner)
                    yield died.put(pid, Process())._replace(master_deaths=s.master_deaths + 1)

    @staticmethod
    def forget(s: State, pid: int) -> State:
        """The record of a process that dies before it is valid is nothing."""
        return s._replace(record=()) if s.owner == pid and not s.is_valid else s

    def work_of_the_master(self, s: State) -> Iterator[State]:
        """The next lease of a dead worker; or only the lock, when a dead one has it."""
        if s.processes[self.master].job is not None:
            return
        for lease, owner in enumerate(self.setup.owners):
            word = s.words[self.layout.lease(lease)]
            is_dead = not s.processes[owner].is_alive or self.setup.mutant == "recover-the-living"
            if is_dead and word and word.is_open:
                yield s.put(self.master, Process(job=("recover", lease)))
                return
        if self.is_owner_dead(s):
            yield s.put(self.master, Process(job=("repair", 0)))

    def work_of_the_steward(self, s: State) -> Iterator[State]:
        """One row drained, or one cell closed."""
        if s.closes < self.setup.closes and s.processes[self.steward].job is None:
            for cell in range(self.setup.cells):
                chore = s.put(self.steward, Process(job=("close", cell)))
                yield chore._replace(closes=s.closes + 1)
        for w in range(self.master):
            tail_at = self.layout.ring(w, TAIL)
            tail = s.words[tail_at]
            if tail < s.words[self.layout.ring(w, HEAD)]:
                row = s.words[self.layout.row(w, tail)] or UNWRITTEN
                drained = tuple(sorted((*s.drained, row)))
                yield s._replace(drained=drained).store(tail_at, tail + 1)

    def is_owner_dead(self, s: State) -> bool:
        """Whether the lock was left by a dead process."""
        if s.owner == NOBODY:
            return False
        return s.owner == SOMEONE_DEAD or not s.processes[s.owner].is_alive

    # -- one step of one process

    def step(self, s: State, pid: int, todo: tuple[str, int]) -> Iterator[State]:
        """The next store, or nothing while another living one has the lock."""
        process = s.processes[pid]
        if todo[0] in ("send", "call"):
            yield self.unlocked(s, pid, *todo)
        elif process.phase == "start":
            if s.owner == NOBODY or self.is_owner_dead(s):
                has_record = s.is_valid and self.setup.mutant != "ignore-record"
                locked = s._replace(owner=pid, is_valid=has_record)
                if has_record:
                    yield locked.put(pid, process._replace(phase="repair", at=0))
                else:
                    yield self.decide(locked, pid, *todo)
            elif self.setup.mutant == "look-outside" and todo[0] == "reserve":
                yield self.look_outside(s, pid, todo[1])
        elif process.phase == "written":
            yield s._replace(is_valid=True).put(pid, process._replace(phase="apply"))
        else:
            yield self.apply(s, pid, *todo)

    def done(self, s: State, pid: int) -> Process:
        """The process behind its operation."""
        process = s.processes[pid]
        if pid >= self.master:
            return Process()
        keeps = self.setup.programs[pid][process.step][0] == "claim"
        return Process(step=process.step + 1, handles=process.handles if keeps else ())

    def unlocked(self, s: State, pid: int, name: str, lease: int) -> State:
        """`send` is one store by the lease's owner; `call` is the provider's doing."""
        at = self.layout.lease(lease)
        word = s.words[at]
        after = s.put(pid, self.done(s, pid))
        if not word:  # it was refused
            return after
        if name == "call":
            truth = [*s.truth]
            truth[lease] += self.setup.wishes[lease].actual
            return after._replace(truth=tuple(truth))
        is_recorded = self.setup.mutant != "sent-not-recorded"
        return after.store(at, word._replace(state="SENT")) if is_recorded else after

    def decide(self, s: State, pid: int, name: str, what: int) -> State:
        """Under the lock: look, then write scratch and record, or unlock where nothing is to do."""
        process, done = s.processes[pid], self.done(s, pid)
        decision = Decision()
        if name == "claim":
            decision = self.meaning.claim(s.words, what)
            if decision.is_refused:  # the table is full: give up
                done = done._replace(step=len(self.setup.programs[pid]))
            elif decision.handle is not None:
                handles = (*process.handles, decision.handle)
                process, done = process._replace(handles=handles), done._replace(handles=handles)
        elif name == "reserve":
            if self.look(s, what, process):
                decision = self.meaning.reserve(s.words, what, process.handles)
        elif name in ("settle", "recover", "close"):
            decision = getattr(self.meaning, name)(s.words, what)
        if not decision.record:
            return s._replace(owner=NOBODY, record=()).put(pid, done)
        wish = self.setup.wishes[what] if name == "settle" else None
        if wish is not None and wish.actual > wish.amount:
            s = s._replace(has_overrun=True)
        return self.write(s, pid, process, decision)

    def look(self, s: State, lease: int, process: Process) -> bool:
        """Whether it fits; checks on the way that the sums in the cells decide as exact ones do."""
        if process.at:  # the mutant that looked before it had the lock
            return True
        fits = self.meaning.fits(s.words, lease, process.handles)
        words, cell_at = s.words, self.layout.cell
        is_current = all(words[cell_at(cell, 1)] == control for cell, control in process.handles)
        if is_current:
            exact = all(
                words[cell_at(cell, CHARGED)]
                + held_in(self.setup, self.layout, words, cell)
                + self.setup.wishes[lease].amount
                <= self.setup.limits[words[cell_at(cell, KEY)]]
                for cell, _ in process.handles
            )
            if fits != exact:
                raise Broken(invariants.I5)
        return fits

    def look_outside(self, s: State, pid: int, lease: int) -> State:
        """A mutant: looks while another has the lock, and believes it later."""
        process = s.processes[pid]
        fits = self.meaning.fits(s.words, lease, process.handles)
        return s.put(pid, process._replace(at=1) if fits else self.done(s, pid))

    def write(self, s: State, pid: int, process: Process, decision: Decision) -> State:
        """Scratch and record are there; the commit point comes next."""
        record = decision.record
        for at, word in decision.scratch:
            s = s.store(at, word)
        if self.setup.mutant == "row-outside-record":
            heads = {self.layout.ring(w, HEAD) for w in range(self.master)}
            for at, word in record:
                s = s.store(at, word) if at in heads else s
            record = tuple(word for word in record if word[0] not in heads)
        if self.setup.mutant == "deltas":
            record = tuple((at, self.delta(s, at, word)) for at, word in record)
        phase = "apply" if self.setup.mutant == "apply-before-valid" else "written"
        return s._replace(record=record).put(pid, process._replace(phase=phase, at=0))

    @staticmethod
    def delta(s: State, at: int, word: object) -> object:
        """A mutant: the record holds differences of numbers."""
        return word - s.words[at] if isinstance(word, int) else word

    def apply(self, s: State, pid: int, name: str, what: int) -> State:
        """One word, then `valid` off, then the lock free; behind a repair, the own work."""
        process = s.processes[pid]
        if process.at < len(s.record):
            at, word = s.record[process.at]
            if self.setup.mutant == "deltas" and isinstance(word, int):
                word += s.words[at]
            is_cleared = self.setup.mutant == "clear-early" and process.at == 0
            applied = s.store(at, word)._replace(is_valid=s.is_valid and not is_cleared)
            return applied.put(pid, process._replace(at=process.at + 1))
        if s.is_valid:
            return s._replace(is_valid=False)
        if process.phase == "repair":
            start = process._replace(phase="start", at=0)
            return self.decide(s._replace(record=()).put(pid, start), pid, name, what)
        return s._replace(owner=NOBODY, record=()).put(pid, self.done(s, pid))


def check(explorer: Explorer, s: State, is_end: bool) -> None:
    """Raises Broken with the name of the first invariant that does not hold."""
    books = Books(explorer.setup, explorer.layout, s)
    if s.owner == NOBODY and not s.is_valid:
        for invariant in invariants.WHEN_FREE:
            if not invariant(books):
                raise Broken(invariant.__name__)
    if is_end:
        for invariant in invariants.AT_THE_END:
            if not invariant(books):
                raise Broken(invariant.__name__)


def explore(setup: Setup) -> tuple[str, int]:
    """The first broken invariant ("" when all hold) and how many states were visited."""
    explorer = Explorer(setup)
    start = beginning(setup)
    seen, waiting = {start}, deque([start])
    checked: set[tuple[object, ...]] = set()  # invariants look at words and books only
    try:
        while waiting:
            state = waiting.popleft()
            following = [*explorer.successors(state)]
            books = (state.words, state.drained, state.has_overrun, state.owner, state.is_valid)
            if not following or books not in checked:
                checked.add(books)
                check(explorer, state, is_end=not following)
            fresh = [s for s in following if s not in seen]
            seen.update(fresh)
            waiting.extend(dict.fromkeys(fresh))
    except Broken as broken:
        return str(broken), len(seen)
    return "", len(seen)
