"""What a child is given at birth, and the first things it does with it."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
from dataclasses import dataclass

from s4fw.config.schema import Config
from s4fw.process.estate import Estate
from s4fw.process.privacy import set_process_name

# Slot states in the shared table, as `Table.set_state` takes them.
STARTING, READY, DRAINING = 0, 1, 2

# What a slot's `kind` word says.
KIND_NAMES = ("worker", "steward")

BEAT_S = 0.5  # a tenth of what the master tolerates


@dataclass(slots=True)
class Seat:
    """One child's place.  `control` is its end of the channel to the master."""

    kind: str
    index: int
    slot: int
    control: socket.socket
    listener: socket.socket
    config: Config
    generation: int
    estate: Estate
    is_booted: bool = False  # from here on a fault is a crash, not an installation that is broken

    @property
    def name(self) -> str:
        return f"{self.kind} {self.index}" if self.kind == "worker" else self.kind


def settle_in(seat: Seat) -> None:
    """In the new process, before anything else: forget the master's hands, take the slot.

    Raises whatever makes the seat unusable; the caller then exits with CANNOT_BOOT.
    """
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    # Ctrl-C and a closing terminal reach the whole group; only the master decides what they mean.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # SIGABRT from the master writes where the child was stuck: files and lines, no values.
    faulthandler.enable(all_threads=True)
    os.environ.pop("NOTIFY_SOCKET", None)
    set_process_name(f"s4fw {seat.name}")
    seat.estate.keep_only(seat.listener)
    seat.estate.credentials.keep_only(seat.index if seat.kind == "worker" else None)
    seat.estate.table.join(seat.slot, KIND_NAMES.index(seat.kind))
    seat.estate.table.set_state(STARTING)
    seat.estate.table.set_generation(seat.generation)


def announce_up(seat: Seat) -> None:
    """The child does its work from now on: say so to the master and to health checks."""
    seat.is_booted = True
    seat.estate.table.set_state(READY)
