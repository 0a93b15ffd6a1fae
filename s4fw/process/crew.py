"""The living children and what is decided about them: spawn, reap, murder.

A dead child's slot is recovered before its replacement is forked: what it had sent is charged at
worst case, what it had only reserved is given back.  A living child is never recovered, so one
that is stuck is killed first.  SIGKILL works on stopped processes too.

A child that ends by itself before it is ready is an installation that is broken: that, again and
again, ends the service.  One that somebody outside kills is not, once the service was complete: it
only waits longer each time, and says so, because the kernel kills for memory with the same signal.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from dataclasses import dataclass, field

from s4fw.config.schema import Config
from s4fw.ledger.table import SlotInfo, SlotTaken, TableBusy
from s4fw.process import vitals
from s4fw.process.backoff import Backoff, BootFailures
from s4fw.process.child import KINDS, Child, Kind, fork
from s4fw.process.estate import Estate
from s4fw.process.exitcode import CANNOT_BOOT, FAILED, FINE, Stop
from s4fw.process.seat import READY
from s4fw.process.witness import Witness

log = logging.getLogger(__name__)

_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM)  # no fault of ours ends a process so
_KILLS_TOLD = 5  # so many in a row before ready are an event of their own


@dataclass(slots=True)
class Place:
    """Where one child of a kind belongs, whether it is there or not."""

    kind: Kind
    index: int
    child: Child | None = None
    spawn_at_s: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


class Crew:
    """All places.  `generation` and `config` are what the next child is born with."""

    def __init__(self, estate: Estate, config: Config, witness: Witness) -> None:
        self.config = config
        self.generation = 1
        self.is_draining = False
        self._estate = estate
        self._table = estate.table
        self._witness = witness
        self._places = [Place(k, i) for k in KINDS for i in range(k.count(config))]
        self._unrecovered: list[Child] = []
        self._attention = vitals.Attention(time.monotonic())
        self._boot_failures = BootFailures()
        self._was_complete = False

    def __repr__(self) -> str:
        return f"<Crew generation={self.generation} {self.children()}>"

    def children(self, kind: str | None = None) -> list[Child]:
        """The living children, of one kind or all."""
        here = [place.child for place in self._places if place.child is not None]
        return [child for child in here if kind in (None, child.kind.name)]

    def turn(self) -> list[SlotInfo]:
        """One round of everything; returns the slots as they were seen.  Raises Stop."""
        now_s = time.monotonic()
        self._reap(now_s)
        self._recover()
        infos = self._table.slots()
        self._murder(infos, now_s)
        self._notice_ready(infos)
        self._spawn(infos, now_s)
        for child in self.children():
            child.sender.flush()
        return infos

    def is_complete(self) -> bool:
        """Whether every place has a child that has been ready."""
        return all(p.child is not None and p.child.was_ready for p in self._places)

    def has_orphans(self, infos: list[SlotInfo]) -> bool:
        """Whether children of a former master still live and finish what they began."""
        return bool(vitals.orphans(infos, [child.pid for child in self.children()]))

    def next_spawn_s(self) -> float | None:
        """When (monotonic) the next delayed child is due, None when nobody is waited for."""
        due = [p.spawn_at_s for p in self._places if p.child is None]
        return min(due) if due and not self.is_draining else None

    def writers(self) -> list[socket.socket]:
        """The control channels with something still to be written."""
        return [c.sender.socket for c in self.children() if c.sender.has_waiting]

    def signal(self, number: int, kind: str) -> None:
        """Send a signal to all living children of a kind."""
        for child in self.children(kind):
            child.signal(number)

    # -- reap ---------------------------------------------------------------------------------

    def _reap(self, now_s: float) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            place = next((p for p in self._places if p.child and p.child.pid == pid), None)
            if place is not None and place.child is not None:
                self._bury(place, place.child, os.waitstatus_to_exitcode(status), now_s)

    def _bury(self, place: Place, child: Child, code: int, now_s: float) -> None:
        place.child = None
        child.sender.close()
        self._witness.unseat(child)
        self._unrecovered.append(child)
        self._recover()  # before anything below may stop the service
        if self.is_draining and code in (FINE, -signal.SIGTERM):  # SIGTERM: while still booting
            return
        lived_s = now_s - child.started_s
        is_killed = code in _FROM_OUTSIDE and child.aborted_s is None and self._was_complete
        if is_killed:
            delay_s = place.backoff.after_kill_s(lived_s, child.was_ready)
        else:
            delay_s = place.backoff.delay_s(lived_s)
        place.spawn_at_s = now_s + delay_s
        how = _how_it_ended(code)
        self._witness.say(
            f"{child.kind.name}_exit", "alarm", f"the {child.name} {how}",
            worker=child.index, pid=child.pid, slot=child.slot,
        )  # fmt: skip
        if is_killed:
            self._tell_kills(child, place.backoff.killed_unready, how, delay_s)
        elif not child.was_ready and not self.is_draining:
            self._judge_boot(child, code, how, now_s)

    def _tell_kills(self, child: Child, times: int, how: str, delay_s: float) -> None:
        if times >= _KILLS_TOLD:
            sentence = (
                f"the {child.name} {how} {times} times in a row before it was ready; is memory"
                f" short?  The next try is in {delay_s:.0f} s"
            )
            self._witness.say(f"{child.kind.name}_killed", "alarm", sentence, worker=child.index)

    def _judge_boot(self, child: Child, code: int, how: str, now_s: float) -> None:
        """A death before ready is no crash: the service stops visibly rather than fork for ever."""
        if code == CANNOT_BOOT and not self._was_complete:
            raise Stop(FAILED, f"the {child.name} cannot boot; its own message is above")
        if child.kind.is_vital and self._boot_failures.is_hopeless(now_s):
            raise Stop(
                FAILED, f"workers die while booting, last: the {child.name} {how}; giving up"
            )

    def _recover(self) -> None:
        """Settle what the dead held.  Tried again next round while the table's lock is not had."""
        for child in list(self._unrecovered):
            try:
                if not self.recover(child.slot):
                    return
            except SlotTaken:
                log.info("slot %d was recovered and taken by a successor", child.slot)
            self._unrecovered.remove(child)

    def recover(self, slot: int) -> bool:
        """Settle what a dead slot held; False while the lock is not had.  Raises SlotTaken."""
        try:
            self._witness.recovered(slot, self._table.recover(slot, time.time_ns()))
        except TableBusy:
            log.error("the table is busy; slot %d is recovered later", slot)
            return False
        return True

    # -- murder -------------------------------------------------------------------------------

    def _murder(self, infos: list[SlotInfo], now_s: float) -> None:
        """SIGABRT to the stuck (they write where), SIGKILL a second later."""
        attention_s = self._attention.look(now_s)
        for child in self.children():
            if child.aborted_s is not None:
                if now_s - child.aborted_s > vitals.ABORT_S:
                    child.signal(signal.SIGKILL)
            elif vitals.has_left(infos[child.slot], child.pid, child.was_ready):
                continue  # it is exiting; its end is reaped in a moment
            elif vitals.is_stuck(
                infos[child.slot], child.pid, now_s - child.started_s, attention_s
            ):
                log.error("the %s (pid %d) is stuck and is killed", child.name, child.pid)
                child.signal(signal.SIGABRT)
                child.aborted_s = now_s

    # -- spawn --------------------------------------------------------------------------------

    def _notice_ready(self, infos: list[SlotInfo]) -> None:
        for child in self.children():
            info = infos[child.slot]
            if info.pid == child.pid and info.is_live and info.state == READY:
                child.was_ready = True
        self._was_complete = self._was_complete or self.is_complete()

    def _spawn(self, infos: list[SlotInfo], now_s: float) -> None:
        if self.is_draining:
            return
        for place in self._places:
            if place.child is None and place.spawn_at_s <= now_s:
                place.child = self._fork(place, infos, now_s)
                self._witness.seat(place.child)

    def _fork(self, place: Place, infos: list[SlotInfo], now_s: float) -> Child:
        taken = {c.slot for c in (*self.children(), *self._unrecovered)}
        slot = vitals.free_slot(infos, taken)
        if slot is None:
            raise Stop(FAILED, "no slot of the table is free: too many workers for its size")
        others = [child.sender.socket for child in self.children()]
        return fork(
            place.kind, place.index, slot, self.config, self.generation, self._estate, others, now_s
        )


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"
