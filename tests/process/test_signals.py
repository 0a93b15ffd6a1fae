"""Signals reach the loop in order, and storms of them neither pile up nor kill at the end."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, signal
from s4fw.process.signals import SignalQueue
queue = SignalQueue()
{body}
"""


def played(body: str) -> tuple[int, str]:
    """Run a program with a queue, in a process of its own; returns its exit code and output."""
    arguments = [sys.executable, "-c", PROGRAM.format(body=body)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=20)
    return done.returncode, done.stdout.strip() or done.stderr


def test_wait_many_reloads_at_once_are_one() -> None:
    """Each would read the same file; SIGTERM, and the care for children, would wait for all."""
    code, said = played(
        "names = 'HUP HUP TERM HUP HUP TERM'.split()\n"
        "for name in names: signal.raise_signal(signal.Signals['SIG' + name])\n"
        "print([signal.Signals(n).name for n in queue.wait(5)], queue.wait(0))"
    )
    assert (0, "['SIGTERM', 'SIGHUP', 'SIGTERM'] []") == (code, said)


def test_close_signals_of_the_impatient_no_longer_matter() -> None:
    """One more Ctrl-C while the table is being marked clean must not leave it marked dirty."""
    code, said = played(
        "queue.close()\n"
        "for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.raise_signal(n)\n"
        "print('ended well')"
    )
    assert (0, "ended well") == (code, said)
