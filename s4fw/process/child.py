"""The kinds of children, as one list, and one living child of the master.

A further kind of child is a further line here, not a further master.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from s4fw.config.schema import Config
from s4fw.process import steward, worker
from s4fw.process.control import Sender
from s4fw.process.estate import Estate
from s4fw.process.exitcode import CANNOT_BOOT, FAILED
from s4fw.process.seat import Seat, settle_in

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind.  `is_vital`: that it cannot boot, again and again, ends the service."""

    name: str
    run: Callable[[Seat], int]  # in the child; returns its exit code
    count: Callable[[Config], int]
    listener: Callable[[Estate, int], socket.socket]  # of the child with this index
    is_vital: bool


KINDS = (
    Kind("worker", worker.run, lambda c: c.server.workers, lambda e, i: e.workers[i], True),
    # Without a steward requests still pass and the cap holds; the journal waits in its rings.
    Kind("steward", steward.run, lambda c: 1, lambda e, i: e.admin, False),
)


@dataclass(slots=True)
class Child:
    """One living child, as its master sees it.  Times are monotonic seconds."""

    kind: Kind
    index: int
    slot: int
    pid: int
    sender: Sender
    started_s: float
    was_ready: bool = False
    aborted_s: float | None = None  # when it got SIGABRT for being stuck

    @property
    def name(self) -> str:
        return f"{self.kind.name} {self.index}" if self.kind.name == "worker" else self.kind.name

    def __repr__(self) -> str:
        state = "aborted" if self.aborted_s else "ready" if self.was_ready else "starting"
        return f"<Child {self.name} pid={self.pid} slot={self.slot} {state}>"

    def signal(self, number: int) -> None:
        """Send a signal; the child is ours and not yet waited for, so its pid is still its own."""
        os.kill(self.pid, number)


def fork(
    kind: Kind,
    index: int,
    slot: int,
    config: Config,
    generation: int,
    estate: Estate,
    others: Iterable[socket.socket],
    now_s: float,
) -> Child:
    """Make a child.  `others` are the master's ends of the other control channels.

    Signals are blocked over the fork: one that came before the child put its own handlers would
    be written into the master's queue.
    """
    ours, theirs = socket.socketpair()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        for end in (ours, *others):
            end.close()  # a copy would hide the master's death from its owner
        code = FAILED
        try:
            listener = kind.listener(estate, index)
            code = _live(
                kind, Seat(kind.name, index, slot, theirs, listener, config, generation, estate)
            )
        finally:
            os._exit(code)  # whatever happens, no child returns into the master's code
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    theirs.close()
    return Child(kind, index, slot, pid, Sender(ours), now_s)


def _live(kind: Kind, seat: Seat) -> int:
    """The child's whole life; returns its exit code."""
    try:
        settle_in(seat)
        return kind.run(seat)
    except Exception as fault:
        # Frames by file and line, never the text: it may quote a request, or a key.
        why = f"{type(fault).__name__} {getattr(fault, 'strerror', None) or ''}".strip()
        log.critical(
            f"the {seat.name} ended by a fault{'' if seat.is_booted else ' while booting'}: {why}",
            exc_info=True,
        )
        return FAILED if seat.is_booted else CANNOT_BOOT
