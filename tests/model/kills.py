"""Kills the compiled table at every point of every operation, and asks the mirror what is left.

Theory of operation.  The table is compiled once more with its fault points and loaded in place of
the product's.  A child builds a table, arms a point and dies in the operation; this process then
takes the lock, which repairs, and compares everything with a mirror on which the operation never
happened (the point lies before its commit) or did (behind it).  Then the dead are recovered, and
everything is compared again.  Operations that commit more than once may stop in between.

`python -m tests.model.kills FOLDER [SOURCES]` compiles into a folder and prints what was done.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cffi import FFI

import s4fw.ledger.table as binding
from s4fw.ledger.table import Table
from tests.model.driver import Driver
from tests.model.mirror import Mirror
from tests.model.mirrored import Place, Size
from tests.native.programs import FLAGS, NATIVE

SIZE = Size(cells=8, leases=6, values=64, rows=8)
IS_STRICT = (False, False)
HEADER = (NATIVE / "s4_table.h").read_text()
POINTS = re.findall(r"^    S4_AT_(\w+)", HEADER.partition("#ifdef S4_FAULTS")[2], re.MULTILINE)[:-1]
# Where an operation may die; the rest are points of the repair.
OF_OPERATION = ("LOCKED", "WRITTEN", "VALID", "WORD", "APPLIED", "CLEARED", "UNLOCK")
OF_REPAIR = ("REPAIRING", "WORD", "APPLIED", "CLEARED", "REPAIRED")
WITHOUT_COMMIT = ("LOCKED", "UNLOCK")
Target = Any  # a Mirror or a Driver: the same calls


class World(NamedTuple):
    """What the beginning leaves to name: cells, a closed one, leases of both workers."""

    budget: int
    cells: tuple[Place, ...]
    own: Place  # of a caller: its rate, and how many leases it has open
    everyone: Place
    reserved: int
    sent: int


def begin(x: Target) -> World:
    """A table in use: free lists in disorder, leases of both workers, values to sweep."""
    x.intern(5, b"to be emptied", 0)
    budget, tenant = x.intern(8, b"budget", 0), x.intern(0, b"tenant", 0)
    x.sweep()
    own, everyone = x.claim((budget, 5, 0, ()), 0, 0), x.claim((budget, 5, 1, ()), 0, 0)
    cells = [x.claim((budget, 2, i, (tenant,) if i == 1 else ()), 100, 90) for i in range(4)]
    x.sweep()
    x.intern(5, b"to be retired", 0)
    x.sweep()
    x.close(cells[3])
    x.close(cells[0])
    cells[0] = x.claim((budget, 2, 9, ()), 100, 90)
    handles = []
    for w in (0, 1):
        x.prepare(w, tuple(cells[:3]), (tenant,), own, 50)
        handles += [x.reserve(w, amount)[0] for amount in (10, 11, 12)]
        x.sent(w, handles[-1])
        x.settle(w, handles[-2], 7, False)
    return World(budget, tuple(cells), own, everyone, handles[0], handles[2])


def fill_ring(x: Target, world: World) -> None:
    """No room for another row."""
    for _ in range(SIZE.rows):
        x.publish(0)


def leave_gap(x: Target, world: World) -> None:
    """Rows were dropped, then there was room again."""
    fill_ring(x, world)
    x.drain(0, 4)


def freeze_all(x: Target, world: World) -> None:
    """Something to release."""
    x.freeze(0)
    x.freeze(world.budget)


def prepare_late(x: Target, world: World) -> None:
    """A set of cells that is not stale."""
    x.prepare(0, world.cells[:3], (), world.own, 50)


def prepare_marked(x: Target, world: World) -> None:
    """The second cell has a mark that is too low."""
    prepare_late(x, world)
    x.set_marked(0, True)
    x.set_mark(world.cells[0], 100)
    x.set_mark(world.cells[1], 30)


def arrive(x: Target, world: World) -> None:
    """Both rates let two come at once."""
    x.arrive(((world.own, 100, 2), (world.everyone, 70, 2)), 1000)


def arrive_twice(x: Target, world: World) -> None:
    """The third has to wait."""
    arrive(x, world)
    arrive(x, world)


def lose_worker(x: Target, world: World) -> None:
    """Worker 1 is dead, not recovered yet; in the mirror that is nothing."""
    if isinstance(x, Driver):
        x.workers[1].close()


def nothing(x: Target, world: World) -> None:
    """Needs no more than the beginning."""


class Operation(NamedTuple):
    """What is killed.  `function`: of the C; `commits`: records, one after the other."""

    function: str
    run: Callable[[Target, World], object]
    commits: int = 1
    before: Callable[[Target, World], None] = nothing
    upto: Callable[[Mirror, World, int], object] | None = None


def _recover(x: Target, world: World) -> object:
    return x.steward.recover(1, 1) if isinstance(x, Driver) else x.crash(1)


OPERATIONS = {
    "reserve": Operation("s4_table_reserve", lambda x, w: x.reserve(0, 20), before=prepare_late),
    "reserve that is denied": Operation(
        "s4_table_reserve", lambda x, w: x.reserve(0, 99), 0, prepare_late
    ),
    "reserve of a crowded caller": Operation(
        "s4_table_reserve",
        lambda x, w: x.reserve(0, 20),
        0,
        lambda x, w: x.prepare(0, w.cells[:3], (), w.own, 1),
    ),
    "reserve of a caller that holds its share": Operation(
        "s4_table_reserve",
        lambda x, w: x.reserve(0, 20),
        0,
        lambda x, w: x.prepare(0, w.cells[:3], (), w.own, 50, 40),
    ),
    "reserve that is unmarked": Operation(
        "s4_table_reserve", lambda x, w: x.reserve(0, 20), 0, prepare_marked
    ),
    "arrive": Operation("s4_table_arrive", arrive),
    "arrive again": Operation("s4_table_arrive", arrive, before=arrive),
    "arrive too early": Operation("s4_table_arrive", arrive, 0, arrive_twice),
    "settle": Operation("resolve_own", lambda x, w: x.settle(0, w.sent, 5, False)),
    "settle above the hold": Operation("resolve_own", lambda x, w: x.settle(0, w.sent, 99, True)),
    "settle with a full ring": Operation(
        "resolve_own", lambda x, w: x.settle(0, w.sent, 5, False), before=fill_ring
    ),
    "settle behind a gap": Operation(
        "resolve_own", lambda x, w: x.settle(0, w.sent, 5, False), before=leave_gap
    ),
    "void": Operation("resolve_own", lambda x, w: x.void(0, w.reserved)),
    "correct": Operation("s4_table_correct", lambda x, w: x.correct(0, w.cells[1], -3)),
    "raise": Operation(
        "s4_table_raise", lambda x, w: x.raise_charged(0, w.cells[1], 40, True, True)
    ),
    "set_mark": Operation("s4_table_set_mark", lambda x, w: x.set_mark(w.cells[1], 70), 0),
    "claim": Operation("s4_table_claim", lambda x, w: x.claim((w.budget, 3, 0, ()), 7, 7)),
    "close": Operation(
        "s4_table_close_cell",
        lambda x, w: x.close((w.cells[3][0], w.cells[3][1] + 1)),  # opened once more
        before=lambda x, w: x.claim((w.budget, 2, 3, ()), 1, 1),
    ),
    "set_limit": Operation("s4_table_set_limit", lambda x, w: x.set_limit(w.cells[1], 5, 6)),
    "freeze": Operation("s4_table_freeze", lambda x, w: x.freeze(w.budget)),
    "freeze all": Operation("s4_table_freeze", lambda x, w: x.freeze(0)),
    "release": Operation("s4_table_release", lambda x, w: x.release(w.budget), before=freeze_all),
    "release all": Operation("s4_table_release", lambda x, w: x.release(0), before=freeze_all),
    "intern": Operation("s4_table_intern", lambda x, w: x.intern(1, b"acme", 0)),
    "sweep": Operation(
        "sweep_value", lambda x, w: x.sweep(), 2, upto=lambda m, w, most: m.sweep(most)
    ),
    "recover": Operation(
        "recover_lease", _recover, 2, lose_worker, upto=lambda m, w, most: m.crash(1, most)
    ),
}
# Functions that take the lock and write nothing, or are part of one above.
NOT_KILLED = {
    "s4_table_recover": "takes the lock once for the repair; its leases are recover_lease",
    "s4_table_sweep_values": "its last record is killed with those of sweep_value",
    "s4_table_audit": "reads; it is what repairs after each death here",
    "read_cell": "reads",
    "s4_table_frozen": "reads",
    "s4_table_check": "reads",
    "s4_table_recount": "mends a table that was damaged, on order, alone: run again after a death",
}


def load_faulty_table(folder: Path, native: Path = NATIVE) -> Any:
    """Compile the table with its fault points and put it in place of the product's."""
    library = folder / "faulty.so"
    sources = [*sorted(native.glob("s4_table_*.c")), native / "tests/harness.c"]
    command = [
        "gcc",
        *FLAGS,
        "-shared",
        "-fPIC",
        *map(str, sources),
        "-o",
        str(library),
        "-lpthread",
    ]
    subprocess.run(command, check=True)
    ffi = FFI()
    ffi.cdef((NATIVE / "s4_table_api.h").read_text() + "\nvoid arm(int point, int nth);")
    lib = ffi.dlopen(str(library))
    for place, prefix in ((binding, ""), (Table, "_")):
        setattr(place, f"{prefix}ffi", ffi)
        setattr(place, f"{prefix}lib", lib)
    return lib


class Mistake(AssertionError):
    """A table was neither the one before nor the one behind; or a point never fired."""


class Kills:
    """All deaths of all operations over tables in one folder."""

    def __init__(self, folder: Path, lib: Any) -> None:
        self.folder, self.lib = folder, lib
        self.fired: dict[tuple[str, str], int] = {}
        self.context = ""

    def mirrors(self, operation: Operation) -> list[Mirror]:
        """What is expected behind each number of commits."""
        made = []
        for commits in range(operation.commits + 1):
            mirror = Mirror(SIZE, IS_STRICT)
            world = begin(mirror)
            operation.before(mirror, world)
            if operation.upto:
                operation.upto(mirror, world, commits)
            elif commits:
                operation.run(mirror, world)
            made.append(mirror)
        return made

    def possible(self, operation: Operation, point: str, nth: int) -> range:
        """How many commits may be done when it died there."""
        n = operation.commits
        if point == "WRITTEN":
            return range(nth - 1, nth)
        if point in ("VALID", "APPLIED", "CLEARED"):
            return range(nth, nth + 1)
        if n == 1:
            return range(point != "LOCKED", (point != "LOCKED") + 1)
        return range(point == "WORD", n + 1)

    def die(self, point: str, nth: int, work: Callable[[], object]) -> bool:
        """Whether a child that does this work is killed at the nth passing of a point."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work()
                code = 0
            finally:
                os._exit(code)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            self.fired[self.context.partition(",")[0], point] = 1
            return True
        self.expect(status == 0, f"the child ended with {status}")
        return False

    def expect(self, is_right: bool, what: str) -> None:
        """Raises Mistake with the place."""
        if not is_right:
            raise Mistake(f"{self.context}: {what}")

    def kill(self, name: str, point: str, nth: int, repair: tuple[str, int] | None = None) -> bool:
        """One death, perhaps one more in the repair.  False: the point is not passed so often."""
        operation = OPERATIONS[name]
        self.context = f"{name}, killed at {point} {nth}, repair killed at {repair}"
        path = self.folder / "table"

        def work() -> None:
            driver = Driver(path, SIZE, IS_STRICT)
            world = begin(driver)
            operation.before(driver, world)
            self.lib.arm(POINTS.index(point), nth)
            operation.run(driver, world)

        def mend() -> None:
            steward = Table.attach(path)
            self.lib.arm(POINTS.index(repair[0]) if repair else -1, repair[1] if repair else 0)
            steward.audit(0, 1)

        try:
            if not self.die(point, nth, work):
                return False
            if repair and not self.die(*repair, mend):
                return False
            self.compare(operation, point, nth, path)
        finally:
            path.unlink(missing_ok=True)
        return True

    def compare(self, operation: Operation, point: str, nth: int, path: Path) -> None:
        """The table with what the mirror says, repaired and then recovered."""
        driver = Driver.after_death(path, IS_STRICT)
        mirrors = self.mirrors(operation)
        if not operation.commits and point == "UNLOCK":  # a denial is counted by one store
            operation.run(mirrors[0], begin(Mirror(SIZE, IS_STRICT)))
        found = driver.view()
        driver.tails = [slot.tail for slot in driver.steward.slots()]
        alike = [mirrors[n] for n in self.possible(operation, point, nth) if n < len(mirrors)]
        matching = [mirror for mirror in alike if mirror.view() == found]
        self.expect(bool(matching), f"{found} is none of {[mirror.view() for mirror in alike]}")
        mirror = matching[0]
        for w in range(len(IS_STRICT)):
            recovered = driver.steward.recover(w, 1)
            self.expect(mirror.crash(w) == tuple(recovered), f"recovered {recovered}")
            self.expect(mirror.drain(w, 9) == driver.drain(w, 9), "the journal")
        self.expect(mirror.view() == driver.view(), "after the recovery")
        self.expect(driver.steward.reset_lock_if_alone(), "alone")
        driver.close_all()

    def walk(self, name: str) -> int:
        """Every point of one operation, every point of its repair; how many deaths."""
        commits = OPERATIONS[name].commits
        deaths = 0
        for point in OF_OPERATION if commits else WITHOUT_COMMIT:
            nth = 1
            while self.kill(name, point, nth):
                nth += 1
            self.expect(nth > 1, "never fired")
            deaths += nth - 1
        for point in OF_REPAIR if commits else ():
            self.expect(self.kill(name, "WORD", 1, (point, 1)), "never fired")
            deaths += 2
        return deaths


def main() -> int:
    """All operations; prints one line for each."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        kills = Kills(Path(folder), load_faulty_table(*map(Path, sys.argv[1:])))
        deaths = {name: kills.walk(name) for name in OPERATIONS}
    points = {point for _, point in kills.fired}
    assert points == {*POINTS}, f"never fired: { ({*POINTS} - points) }"
    for name, count in deaths.items():
        sys.stdout.write(f"{name}: {count} deaths\n")
    sys.stdout.write(
        f"{len(deaths)} operations, {len(points)} points, {sum(deaths.values())} deaths: "
        "all as the mirror says\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
