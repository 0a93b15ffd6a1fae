"""Nanoseconds for a reserve and its settle from Python, over 1, 4 and 8 cells, with journal row.

    .venv/bin/python native/tests/bench_table.py [processes]

With several processes all of them work on the same cells, as the workers of a firewall do.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from s4fw.ledger.table import CellSet, Table

REQUEST = b"0123456789abcdef"
PAIRS = 100_000
ROUNDS = 7
KEPT = 2000  # rows before the tail moves, as with a steward that drains in time


def pairs(table: Table, cells: CellSet, count: int) -> None:
    """Reserve and settle; the ring is drained by moving its tail now and then."""
    reserve, settle = table.reserve, table.settle
    for _ in range(count // KEPT):
        for _ in range(KEPT):
            settle(reserve(cells, 100, REQUEST, 1), 0, False)
        info = table.slots()[table.slot]
        table.advance_tail(table.slot, info.tail + info.ring_lag)


def nanoseconds(table: Table, cells: CellSet) -> float:
    """Of one pair, best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        pairs(table, cells, PAIRS)
        best = min(best, (time.perf_counter_ns() - start) / PAIRS)
    return best


def main(processes: int) -> None:
    """Print one line for each number of cells."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        table = Table.create(Path(folder) / "table")
        budget = table.intern(8, b"budget")
        places = [table.claim(budget, 2, i, (), 2**60, 2**60) for i in range(8)]
        for count in (1, 4, 8):
            cells = table.cell_set(places[:count], (1, 2, 3))
            children = []
            for slot in range(processes):
                child = os.fork()
                if child == 0:
                    table.join(slot)
                    spent = nanoseconds(table, cells)
                    print(f"{count} cells, process {slot}: {spent:6.0f} ns a pair")
                    sys.stdout.flush()
                    os._exit(0)
                children.append(child)
            for child in children:
                os.waitpid(child, 0)
        table.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
