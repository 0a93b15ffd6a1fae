"""Ends what a test process has started, when that is killed itself: by a time-out, by Ctrl-C twice.

Such processes would go on for days and take the processor time of later runs.  One undertaker for
each test process hears their pids on a pipe, whose end is that of the test process, however it
ends.  A pid counts together with its start time (proc_pid_stat(5)), so nobody else is ever met.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE_S = 10.0  # between SIGTERM and SIGKILL

_pipe: dict[int, int] = {}  # of which test process: its end


def tell(pid: int) -> None:
    """From a test process: this one must not outlive us."""
    own = os.getpid()
    if own not in _pipe:
        _pipe[own] = _called()
    os.write(_pipe[own], f"{pid} {_start_time(pid)}\n".encode())


def _called() -> int:
    """Start the undertaker; it is nobody's child, so no wait of a test meets it."""
    read_end, write_end = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, read_end, 0)]
    actions += [(os.POSIX_SPAWN_DUP2, null, end) for end in (1, 2)]
    arguments = [sys.executable, "-I", "-S", __file__]
    first = os.posix_spawn(sys.executable, arguments, {}, file_actions=actions, setsid=True)
    os.waitpid(first, 0)
    os.close(read_end)
    os.close(null)
    return write_end


def _start_time(pid: int) -> str:
    """Empty where it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _kill(told: list[list[str]], number: int) -> int:
    """How many were still there."""
    count = 0
    for pid, start_time in told:
        if _start_time(int(pid)) == start_time:
            os.kill(int(pid), number)
            count += 1
    return count


def main() -> None:
    """Wait for the end of the test process, then for that of the others."""
    if os.fork():
        os._exit(0)
    told = [words for line in sys.stdin if len(words := line.split()) == 2]
    end_s = time.monotonic() + GRACE_S
    left = _kill(told, signal.SIGTERM)
    while left and time.monotonic() < end_s:
        time.sleep(0.1)
        left = _kill(told, 0)
    _kill(told, signal.SIGKILL)


if __name__ == "__main__":
    main()
