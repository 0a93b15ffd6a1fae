"""The steward: one child for all that is slow.  The data path never waits for it.

It empties the journal rings, keeps the sums and the last events, audits the table, opens and closes
cells, and serves the admin listener.  If it dies another one goes on from the file and the table.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import uvloop

from s4fw.admin.auth import Guard
from s4fw.admin.facts import Event
from s4fw.admin.server import AdminServer
from s4fw.config.listeners import Admin, is_loopback
from s4fw.config.schema import Config
from s4fw.core.counter import COUNTER_INDEX
from s4fw.ledger.table import TableBusy, TableFull
from s4fw.ledger.upkeep import Upkeep
from s4fw.ledger.window import Clock
from s4fw.process.alertdesk import AlertDesk
from s4fw.process.auditor import Auditor
from s4fw.process.bookkeeper import Bookkeeper
from s4fw.process.cellnames import CellNames
from s4fw.process.checkpoints import CheckpointFiles
from s4fw.process.cloudwatch import CloudWatchDesk
from s4fw.process.credentials import Keeper
from s4fw.process.durability import Durability
from s4fw.process.estate import rates_of
from s4fw.process.eventlog import EventLog
from s4fw.process.exitcode import FINE
from s4fw.process.facts import StewardFacts
from s4fw.process.lifeline import Lifeline
from s4fw.process.periods import Periods
from s4fw.process.seat import DRAINING, Seat, announce_up
from s4fw.process.spend import SpendFile
from s4fw.process.witness import LEVELS

if TYPE_CHECKING:
    from s4fw.process.ledgerdesk import LedgerDesk

log = logging.getLogger(__name__)

BOOKS_S = 0.05
CATCH_UP_S = 0.002  # while rows wait: 128 rows each 2 ms are more than a worker can publish
# A worker that wakes up on the same core goes first.  Not with a ledger: on a core that is full,
# whoever goes last gets a tenth of it, rings fill up, and workers refuse what cannot be recorded.
NICENESS = 10
# Rows come and go by the thousand and none is in a cycle: looking for cycles as often as is usual
# (700 objects) was a sixth of this process's time, more so with the models of an AWS client in it.
CYCLES_AT = 20_000
CHORES_S = 1.0
HINDSIGHT_S = 60.0


class Steward:
    """One life of it, on a loop that is given."""

    def __init__(self, seat: Seat, loop: asyncio.AbstractEventLoop) -> None:
        estate = seat.estate
        self._seat = seat
        self._loop = loop
        self._table = estate.table
        self._clock = Clock(self._table.clock()[0])
        events = EventLog()
        file = SpendFile(seat.config.paths.state)
        names = CellNames(self._table, lambda value_id: self.facts.budget_name(value_id))
        self._books = Bookkeeper(self._table, file, estate.table_id, events, names.of)
        self._auditor = Auditor(self._table, self._table.sizes.cells, events)
        self.facts = StewardFacts(
            self._table, self._clock, events, self._books, self._auditor, estate.started_s,
            estate.loops,
        )  # fmt: skip
        self._server = AdminServer(self.facts, _guard_of(seat.config.admin))
        self._durability = Durability(
            self._table, CheckpointFiles(seat.config.paths.state), estate.demands, self._tell_of
        )
        self._passed = self._marks_passed()
        self._ledger = self._opened_ledger()
        self._cloudwatch = CloudWatchDesk(
            seat.config.cloudwatch, loop, self.facts.snapshot, lambda: self._books.open_spend,
            self._tell_of,
        )  # fmt: skip
        self._alerts = AlertDesk(
            seat.config, loop, self.facts.budgets, self.facts.hear, self._tell_of
        )
        self._books.habits = self._alerts.rows
        self.facts.periods = self._periods = Periods(seat.config.paths.state)
        self._keeper = Keeper(estate.credentials.of_steward, loop, self._tell)
        self._adopt(seat.config, seat.generation, estate.rates.version)
        self._over = loop.create_future()

    async def live(self) -> int:
        """Until SIGTERM, or until the master is gone."""
        await self._server.start(self._seat.listener)
        Lifeline(self._seat, self._loop, self._hear, self._end, self._follow)
        self._keep_books()
        # Later: what was before this steward is heard by then, and is no news to CloudWatch.
        self._loop.call_later(CHORES_S, self._each, CHORES_S, self._chores)
        self._each(HINDSIGHT_S, self.facts.judge_loops)
        self._durability.start(self._loop)
        announce_up(self._seat)
        await self._over
        self._table.set_state(DRAINING)
        await self._server.close()
        self._books.close()
        await self._alerts.close()
        await self._cloudwatch.close()
        if self._ledger is not None:
            await self._ledger.close()
        await self._durability.stop(self._loop)
        self._table.leave()
        return FINE

    def _opened_ledger(self) -> LedgerDesk | None:
        """The ledger's desk, where one is kept; the books then write it before anything else."""
        config = self._seat.config
        if not config.ledger.enabled:
            return None
        # Only here: what signs takes time and memory that nobody else shall pay for.
        from s4fw.process.ledgerdesk import LedgerDesk

        name, text, key = self.facts.budget_name, self._books.text_of, self._seat.estate.hash_key
        desk = LedgerDesk(config, self._table, key, self._loop, name, text, self._tell_of)
        self._books.scribe = desk.scribe
        self.facts.ledger = desk.figures
        return desk

    def _adopt(self, config: Config, generation: int, prices_version: str) -> None:
        self._upkeep = Upkeep(self._table, config.share.budgets, self._clock)
        self.facts.adopt(config, generation, prices_version)
        self._server.guard = _guard_of(config.admin)
        self._keeper.adopt(config)
        self._cloudwatch.adopt(config.cloudwatch)
        self._alerts.adopt(config)
        if self._ledger is not None:
            self._ledger.adopt(config)

    def _tell(self, level: str, sentence: str) -> None:
        self._tell_of("credentials", level, sentence)

    def _tell_of(self, kind: str, level: str, sentence: str) -> None:
        """Something of this process's own, for the log and the last events."""
        log.log(LEVELS[level], sentence)
        self.facts.hear(Event(time.time_ns(), kind, level, sentence, {}))

    def _hear(self, message: tuple[Any, ...]) -> None:
        match message:
            case ("config", int(generation), Config() as config):
                self._adopt(config, generation, rates_of(config).version)
                self._table.set_generation(generation)
            case ("event", event):
                self.facts.hear(event)
            case ("past", int(exits), int(recovered), list(events)):
                self.facts.remember(exits, recovered, events)
            case ("draining",):
                self.facts.drain()

    def _end(self, _is_orphaned: bool) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _follow(self) -> None:
        self._clock.follow(*self._table.clock())

    def _each(self, period_s: float, chore: Callable[[], None]) -> None:
        """Do it now and then, measured from its end: a slow chore never queues behind itself.

        A fault ends this steward; the next one starts from what is written down.
        """
        if self._over.done():
            return
        try:
            chore()
        except Exception as fault:
            self._over.set_exception(fault)
            return
        self._loop.call_later(period_s, self._each, period_s, chore)

    def _keep_books(self) -> None:
        """Empty the rings, in small steps as long as there is more."""
        if self._over.done():
            return
        try:
            is_behind = self._books.turn()
        except Exception as fault:
            self._over.set_exception(fault)
            return
        self._loop.call_later(CATCH_UP_S if is_behind else BOOKS_S, self._keep_books)

    def _marks_passed(self) -> int:
        place = COUNTER_INDEX["marks_passed"]
        return sum(self._table.counters(slot)[place] for slot in range(self._table.sizes.slots))

    def _tell_of_marks(self) -> None:
        """Say so when requests went on although the disk had not answered."""
        passed, before = self._marks_passed(), self._passed
        self._passed = passed
        if passed > before:
            self._tell_of(
                "durability", "alarm", f"{passed - before} requests went on although the disk did"
                " not answer; a power loss may forget what they cost",
            )  # fmt: skip

    def _chores(self) -> None:
        self._durability.tick()
        self._tell_of_marks()
        self._cloudwatch.tick()
        spend = self._books.open_spend
        if spend is not None:
            self._alerts.tick()
            self._periods.look(spend, int(time.time()))
        self._auditor.look()
        try:
            self._upkeep.open_undivided()
            self._upkeep.open_next()
            if self._books.is_behind:
                return  # what the ids of rows that wait mean must stay known
            self._upkeep.close_over()
            self._books.turn()  # rows that wait are read while their ids still mean the same
            if self._table.sweep_values().emptied:
                self._books.forget_names()
                self._durability.forget_names()
        except (TableBusy, TableFull) as fault:
            # Workers open what they need themselves; the next second tries again.
            log.warning("upkeep of the cells was put off: %s", type(fault).__name__)


def run(seat: Seat) -> int:
    """The child's life; returns its exit code."""
    if not seat.config.ledger.enabled:
        with contextlib.suppress(OSError):  # a seccomp filter may forbid it: then it is as it was
            os.nice(NICENESS)
    gc.set_threshold(CYCLES_AT, 20, 20)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(Steward(seat, loop).live())


def _guard_of(admin: Admin) -> Guard:
    token, read_token = (
        None if secret is None else secret.get_secret_value()
        for secret in (admin.token, admin.read_token)
    )  # fmt: skip
    return Guard(token, read_token, is_loopback(admin.host))
