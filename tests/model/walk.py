"""Random operations on the compiled table and on its mirror: same calls, same answers, same sums.

`python -m tests.model.walk --operations 10000000 --seed 7` walks as long as you like; a failure
tells the seed and the number of the operation.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.model.driver import Driver
from tests.model.mirror import Mirror
from tests.model.mirrored import Place, Size

SIZE = Size(cells=12, leases=4, values=64, rows=8)
IS_STRICT = (False, True)
BUDGETS = (17, 18)  # the first two values interned
LOOK_EVERY = 200  # operations between two comparisons of everything
# name: how often, of 1,000; what is left over reserves and resolves
CHORES = {
    "claim": 60,
    "close": 40,
    "set_limit": 30,
    "correct": 30,
    "intern": 30,
    "drain": 60,
    "publish": 10,
    "freeze": 4,
    "release": 40,
    "sweep": 1,
    "crash": 4,
    "arrive": 60,
    "set_marked": 6,
    "set_mark": 60,
    "raise_charged": 10,
}


class Mismatch(AssertionError):
    """The table did not do what its mirror did."""


class Walk:
    """One walk: a seed makes the same operations again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.seed, self.done = seed, 0
        self.mirror = Mirror(SIZE, IS_STRICT)
        self.driver = Driver(folder / "table", SIZE, IS_STRICT)
        self.places: list[Place] = []
        self.handles: list[list[int]] = [[], []]  # of leases, some of them past
        self.counts: dict[str, int] = {}
        self.now_ns = 0
        for text in (b"budget", b"other budget"):
            self.both("intern", 8, text, 0)
        for _ in range(6):
            self.claim()

    def both(self, name: str, *arguments: Any) -> Any:
        """Call both and compare."""
        expected = getattr(self.mirror, name)(*arguments)
        actual = getattr(self.driver, name)(*arguments)
        if expected != actual:
            self.fail(f"{name}{arguments}: {expected} != {actual}")
        self.done += 1
        code = expected[0] if isinstance(expected, tuple) else expected
        outcome = f"{name} {code}" if isinstance(code, int) and code < 0 else name
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        return expected

    def fail(self, what: str) -> None:
        """Raises, with what repeats it."""
        raise Mismatch(f"seed {self.seed}, operation {self.done}: {what}")

    def run(self, operations: int) -> None:
        """Walk on.  Raises Mismatch."""
        names, weights = [*CHORES, "exchange"], [*CHORES.values(), 1000 - sum(CHORES.values())]
        until, look_at = self.done + operations, 0
        while self.done < until:
            for name in self.random.choices(names, weights, k=LOOK_EVERY):
                getattr(self, name)()
            look_at += 1
            self.compare()

    def compare(self) -> None:
        """Everything that can be seen of the table."""
        expected, actual = self.mirror.view(), self.driver.view()
        for name, value in expected.items():
            if value != actual[name]:
                self.fail(f"{name}: {value} != {actual[name]}")

    # -- operations with random arguments

    def place(self) -> Place:
        """An open cell; now and then one that was claimed once."""
        if self.random.random() < 0.05 or not self.mirror.cells:
            return self.random.choice(self.places)
        index = self.random.choice([*self.mirror.cells])
        return index, self.mirror.cells[index].generation

    def values(self) -> tuple[int, ...]:
        """Ids of an attribution, sometimes of a value that is gone."""
        known = [*self.mirror.values, 1, 2, 17]
        return tuple(self.random.choice(known) for _ in range(self.random.randrange(3)))

    def claim(self) -> None:
        """A key of few, so that many are met again."""
        ids = self.values() if self.random.random() < 0.5 else ()
        key = (self.random.choice(BUDGETS), 2, self.random.randrange(4), ids)
        limit, stated = self.random.randrange(200), self.random.randrange(200)
        place = self.both("claim", key, limit, stated)
        if isinstance(place, tuple):
            self.places.append(place)
            del self.places[:-64]

    def close(self) -> None:
        """Some are in use, some are others by now."""
        self.both("close", self.place())

    def set_limit(self) -> None:
        """Up and down."""
        self.both("set_limit", self.place(), self.random.randrange(900), self.random.randrange(900))

    def set_marked(self) -> None:
        """Seldom on, so that most reserves look at the limits only."""
        self.both("set_marked", self.worker(), self.random.random() < 0.3)

    def set_mark(self) -> None:
        """Mostly somewhere near what is used."""
        self.both("set_mark", self.place(), self.random.randrange(300))

    def raise_charged(self) -> None:
        """Often to no more than what is charged already."""
        is_accrued, has_row = self.random.random() < 0.5, self.random.random() < 0.5
        amount = self.random.randrange(60)
        self.both("raise_charged", self.worker(), self.place(), amount, is_accrued, has_row)

    def correct(self) -> None:
        """Mostly down, so that limits leave room again."""
        self.both("correct", self.worker(), self.place(), self.random.randrange(-300, 60))

    def intern(self) -> None:
        """Of few texts; a dimension of callers, or not."""
        text = b"%d" % self.random.randrange(60)
        self.both("intern", self.random.choice((0, 5, 9)), text, self.random.choice((0, 0, 9)))

    def drain(self) -> None:
        """Now and then, so that rings are full at times."""
        self.both("drain", self.worker(), self.random.randrange(1, 9))

    def publish(self) -> None:
        """A refusal."""
        self.both("publish", self.worker())

    def freeze(self) -> None:
        """One budget or everything."""
        self.both("freeze", self.random.choice((0, *BUDGETS)))

    def release(self) -> None:
        """More often than frozen."""
        self.both("release", self.random.choice((0, *BUDGETS)))

    def sweep(self) -> None:
        """Sets of cells are stale afterwards."""
        self.both("sweep")

    def crash(self) -> None:
        """A worker dies with what it holds."""
        worker = self.worker()
        self.both("crash", worker)
        self.prepare(worker)

    def worker(self) -> int:
        """One of the workers."""
        return self.random.randrange(len(IS_STRICT))

    def prepare(self, worker: int) -> None:
        """A set of one to four cells, sometimes with another that counts the leases."""
        places = {}
        for _ in range(self.random.randrange(1, 5)):
            place = self.place()
            places[place[0]] = place
        caller, most = self.place(), self.random.randrange(1, 5)
        if caller[0] in places or self.random.random() < 0.5:
            self.both("prepare", worker, tuple(places.values()), self.values())
        else:
            held_max = self.random.choice((0, 40, 90))
            self.both(
                "prepare", worker, tuple(places.values()), self.values(), caller, most, held_max
            )

    def arrive(self) -> None:
        """A request in one or two rates, not long after the last."""
        self.now_ns += self.random.randrange(60)
        places = dict(self.place() for _ in range(self.random.randrange(1, 3)))
        rates = tuple(
            (place, self.random.randrange(1, 100), self.random.randrange(1, 4))
            for place in places.items()
        )
        if self.both("arrive", rates, self.now_ns)[0] > 0:
            self.counts["arrive early"] = self.counts.get("arrive early", 0) + 1

    def exchange(self) -> None:
        """One step in the life of some lease."""
        worker, dice = self.worker(), self.random.random()
        handles = self.handles[worker]
        if dice < 0.3 or self.driver.sets[worker] is None:
            self.prepare(worker)
        if self.driver.sets[worker] is not None and (dice < 0.5 or not handles):
            lease = self.both("reserve", worker, self.random.randrange(60))[0]
            if lease >= 0:
                handles.append(lease)
                del handles[:-6]
            return
        if not handles:
            return
        lease = self.random.choice(handles)
        if lease not in self.mirror.slots[worker].leases and self.random.random() < 0.8:
            handles.remove(lease)
        elif dice < 0.65:
            self.both("sent", worker, lease)
        elif dice < 0.75:
            self.both("void", worker, lease)
        else:
            actual = self.random.randrange(-3, 70)
            self.both("settle", worker, lease, actual, self.random.random() < 0.2)


def walk(operations: int, seed: int) -> dict[str, int]:
    """How often each outcome was met.  Raises Mismatch."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        walk = Walk(Path(folder), seed)
        walk.run(operations)
        walk.driver.close_all()
    return walk.counts


def main() -> int:
    """Walk in the foreground; a seed of the clock unless one is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n")
    sys.stdout.flush()
    began = time.monotonic()
    counts = walk(given.operations, given.seed)
    seconds = time.monotonic() - began
    sys.stdout.write(f"{sum(counts.values())} operations in {seconds:.0f} s, all the same\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
