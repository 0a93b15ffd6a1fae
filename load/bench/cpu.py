"""Processor time of a whole process tree, from /proc.

The figure of this benchmark is processor time per request, not requests per second: on a shared
machine the wall clock measures the neighbours too.  The kernel hands it out in ticks of 10 ms, so
a round must cost a rival a second or so before a percent means something.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

US_PER_TICK = 1_000_000 // os.sysconf("SC_CLK_TCK")


class TreeChanged(Exception):
    """A process came or went while it was measured: what it used is lost to us."""


@dataclass(frozen=True, slots=True)
class Stat:
    """What is used here of a line of /proc/PID/stat (proc_pid_stat(5))."""

    parent: int
    state: str
    ticks: int  # user and system, of all its threads, also of those that ended


def parse_stat(line: str) -> Stat:
    """Read a line; the name of the program is in parentheses and may hold anything."""
    fields = line.rpartition(")")[2].split()
    return Stat(int(fields[1]), fields[0], int(fields[11]) + int(fields[12]))


def _stats() -> dict[int, Stat]:
    stats = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stats[int(name)] = parse_stat(Path(f"/proc/{name}/stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
    return stats


def descendants(root: int, parents: dict[int, int]) -> set[int]:
    """`root` and whatever descends from it; `parents` gives the parent of each process."""
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def ticks(root: int) -> dict[int, int]:
    """The ticks of each live process of a tree, by pid."""
    stats = {pid: stat for pid, stat in _stats().items() if stat.state not in "ZX"}
    pids = descendants(root, {pid: stat.parent for pid, stat in stats.items()})
    return {pid: stats[pid].ticks for pid in pids if pid in stats}


def tree(root: int) -> set[int]:
    """The live processes of a tree."""
    return set(ticks(root))


@dataclass(frozen=True, slots=True)
class Spent:
    """Microseconds that a tree used: all of it, and what of it its busiest processes did not."""

    us: int
    beside_us: int


def spent(before: dict[int, int], after: dict[int, int], busiest: int) -> Spent:
    """What a tree used between two looks at it; `busiest`: its workers.  Raises TreeChanged."""
    if before.keys() != after.keys():
        raise TreeChanged(f"{len(before)} processes before, {len(after)} after")
    used = sorted(((after[pid] - before[pid]) * US_PER_TICK for pid in before), reverse=True)
    return Spent(sum(used), sum(used[busiest:]))


def pin(root: int, cores: set[int]) -> None:
    """Let every thread of a tree run on these cores only."""
    for pid in tree(root):
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), cores)
