"""`s4fw serve` in which one process kills itself at a named place, once.

The product has no hooks for this: the process watches its own calls (`sys.setprofile`) and dies
when it comes to the place, so the code under test is the code that ships and costs nothing.  The
file FIRED is made right before the death; a play that does not find it has shown nothing.

    python -m tests.chaos.faultpoints POINT FIRED serve -c FILE

Compiled modules make no such events: there the order of calls is the same, and the fault points of
the C are compiled in (native/tests/test_faults.c).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any


@dataclass(frozen=True, slots=True)
class Point:
    """A place: of which process, which function of which file, at its begin or end.

    `outcome` is of the exchange that was on its way there: `void`, `worst` or `exact`.
    """

    name: str
    process: str
    file: str
    function: str
    event: str
    outcome: str
    why: str


POINTS = (
    Point("reserving", "worker", "ledger/budgets.py", "Budgets.reserve", "call", "void",
          "the body is read and priced, no money is taken"),
    Point("reserved", "worker", "ledger/budgets.py", "Budgets.reserve", "return", "void",
          "the money is held, nothing is sent"),
    Point("sent", "worker", "ledger/reservation.py", "HeldReservation.sent", "return", "worst",
          "the lease says SENT, no byte has left"),
    Point("written", "worker", "proxy/upstream.py", "Upstream.send", "return", "worst",
          "the request is in the kernel"),
    Point("answered", "worker", "proxy/forward.py", "Forward._begin", "call", "worst",
          "the head of the answer is there"),
    Point("settling", "worker", "ledger/reservation.py", "HeldReservation.settle", "call", "worst",
          "the usage is known, the lease is open"),
    Point("settled", "worker", "ledger/reservation.py", "HeldReservation.settle", "return", "exact",
          "money and journal row are in the table, the caller has no answer"),
    Point("finished", "worker", "core/pipeline.py", "Pipeline.finish", "return", "exact",
          "everything is done but the answer"),
    Point("beating", "worker", "process/worker.py", "Worker._follow", "return", "exact",
          "between exchanges"),
    Point("rows read", "steward", "process/bookkeeper.py", "Bookkeeper._drain", "return", "exact",
          "rows are copied out of a ring, not yet kept"),
    Point("writing sums", "steward", "process/bookkeeper.py", "Bookkeeper._write", "call", "exact",
          "the sums are in memory only"),
    Point("sums written", "steward", "process/bookkeeper.py", "Bookkeeper._write", "return",
          "exact", "the sums are on disk and the room of the rows is given back"),
)  # fmt: skip


class Trap:
    """Kills this process at a point, if nobody was killed there before."""

    def __init__(self, point: Point, fired: Path) -> None:
        self._point = point
        self._fired = fired
        self._suffix = os.sep + point.file

    def set(self) -> None:
        """Watch the calls of this thread from now on."""
        sys.setprofile(self._look)

    def _look(self, frame: FrameType, event: str, arg: Any) -> None:
        point = self._point
        code = frame.f_code
        if event != point.event or code.co_qualname != point.function:
            return
        if not code.co_filename.endswith(self._suffix) or not self._is_worth_it(arg):
            return
        try:
            os.close(os.open(self._fired, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            sys.setprofile(None)
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def _is_worth_it(self, arg: Any) -> bool:
        """Whether there is anything to lose: a ring without rows is read all the time."""
        return self._point.name != "rows read" or bool(arg)


def arm(point: Point, fired: Path) -> None:
    """Let the children of a master that starts in this process be watched."""
    from s4fw.process import child, crew

    def watched(run: Callable[[Any], int]) -> Callable[[Any], int]:
        def in_child(seat: Any) -> int:
            Trap(point, fired).set()
            return run(seat)

        return in_child

    crew.KINDS = tuple(
        replace(kind, run=watched(kind.run)) if kind.name == point.process else kind
        for kind in child.KINDS
    )


def main(arguments: list[str]) -> None:
    """Arm and serve."""
    from s4fw.cli import main as command

    name, fired, *rest = arguments
    arm(next(point for point in POINTS if point.name == name), Path(fired))
    command(rest)


if __name__ == "__main__":
    main(sys.argv[1:])
