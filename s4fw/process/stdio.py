"""The three standard streams, whatever the parent made of them.

A descriptor that is closed when we start would be given to the first file that we open, which may
be the counter table; a line written to standard error would then be written into it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def fill_standard_streams() -> None:
    """Give closed ones to /dev/null.  Call before anything is opened."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
            os.set_inheritable(fd, True)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def announce(line: str) -> None:
    """Write a line to standard output for whoever reads it; nobody has to."""
    with suppress(OSError):  # a full disk, a reader that left: no reason to stop
        os.write(1, line.encode() + b"\n")
