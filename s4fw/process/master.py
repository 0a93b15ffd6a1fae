"""The master: validates, forks, supervises, reloads, drains.  It carries no traffic.

Theory of operation.  One process, no threads, no event loop, nothing that can hang: signal
handlers only enqueue, waits are `select` with a timeout, writes to children never wait, children
are waited for with WNOHANG.  The loop is the whole of it: take the queued signals, let the crew
turn once (reap, recover, murder, spawn), then look whether something that was begun (start,
reload, drain) is done.  Whatever the master knows of its children it reads from exit codes and
from the table; they send it nothing.  If it dies, workers see the end of their control channel and
drain; the next master finds their leases in the table.
"""

from __future__ import annotations

import gc
import logging
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from s4fw.config.changes import changes
from s4fw.config.schema import Config
from s4fw.ledger.table import SlotInfo
from s4fw.ledger.upkeep import Upkeep
from s4fw.ledger.window import Clock
from s4fw.observe.log import Told
from s4fw.process import vitals
from s4fw.process.checkpoints import CheckpointFiles
from s4fw.process.crew import Crew
from s4fw.process.drain import Drain, Step
from s4fw.process.durability import write_now
from s4fw.process.estate import Estate
from s4fw.process.exitcode import FAILED, FINE, Stop
from s4fw.process.reload import Acknowledgement, Refused, read_again
from s4fw.process.rundir import state_risk
from s4fw.process.sdnotify import Systemd
from s4fw.process.signals import SignalQueue
from s4fw.process.stdio import announce
from s4fw.process.timekeeper import Timekeeper
from s4fw.process.witness import Witness

log = logging.getLogger(__name__)

TURN_S = 0.5  # the longest pause of the loop; a heartbeat is late by at most this much
STARTING_TURN_S = 0.01  # readiness shows in the table, which wakes nobody
SECOND_S = 1.0


class Master:
    """One life of the firewall.  `run` returns the exit code or raises Stop with a sentence."""

    def __init__(self, config: Config, path: Path, env: Mapping[str, str]) -> None:
        self._config = config
        self._path = path
        self._env = env
        self._systemd = Systemd()
        self._estate = Estate(config)
        self._table = self._estate.table
        self._witness = Witness()
        self._timekeeper = Timekeeper(self._table, self._witness, self._estate.opened.is_same_boot)
        self._crew = Crew(self._estate, config, self._witness)
        self._is_announced = False
        self._acknowledgement: Acknowledgement | None = None
        self._drain: Drain | None = None
        self._stop: Stop | None = None
        self._has_orphans = False
        self._second_s = 0.0
        self._watchdog_s = 0.0

    def run(self) -> int:
        """Until the end.  Raises Stop when the service gave up; everything is closed by then."""
        self._signals = SignalQueue()
        handlers = {
            signal.SIGTERM: self._begin_drain,
            signal.SIGINT: self._begin_drain,
            signal.SIGHUP: self._reload,
        }
        self._begin()
        while self._drain is None or self._drain.step is not Step.OVER:
            for number in self._signals.wait(self._pause_s(), self._crew.writers()):
                if number in handlers:  # SIGCHLD only wakes: the crew reaps in each turn
                    handlers[signal.Signals(number)]()
            self._turn()
        self._end()
        if self._stop is not None:
            raise self._stop
        return FINE

    def _begin(self) -> None:
        """Before the first fork: the table knows the time, and the limits of this configuration."""
        self._table.set_clean(False)
        self._timekeeper.publish()
        self._table.publish_generation(self._crew.generation)
        self._apply_limits()
        self._write_checkpoint(is_clean=False)  # else the last one would still say: left in order
        gc.collect()
        gc.freeze()  # what is loaded by now stays in pages that all children share
        self._witness.say("start", "info", "the firewall starts")
        opened = self._estate.opened
        if opened.sentence is not None:
            kind, level = ("power_loss", "alarm") if opened.is_lossy else ("restore", "info")
            self._witness.say(kind, level, opened.sentence)
        if (risk := state_risk(self._config.paths.runtime, self._config.paths.state)) is not None:
            self._witness.say("state_risk", "warning", risk)

    def _write_checkpoint(self, is_clean: bool) -> None:
        """Before the first fork, and after the last child.  Raises Stop where it matters."""
        files = CheckpointFiles(self._config.paths.state)
        try:
            if files.take():  # else the steward of a draining master writes them
                write_now(self._table, files, is_clean)
        except OSError as fault:
            sentence = f"cannot write a checkpoint in {self._config.paths.state}: {fault.strerror}"
            if not is_clean:
                raise Stop(FAILED, sentence) from fault
            log.error("%s", Told(sentence))  # the one before still counts, up to its marks
        finally:
            files.release()

    def _turn(self) -> None:
        try:
            infos = self._crew.turn()
        except Stop as stop:
            self._give_up(stop)
            infos = self._table.slots()
        now_s = time.monotonic()
        if self._drain is not None:
            self._continue_drain(self._drain, now_s)
        elif not self._is_announced and self._crew.is_complete():
            self._announce()
        acknowledgement = self._acknowledgement
        if acknowledgement and acknowledgement.is_complete(infos, self._crew.children()):
            self._finish_reload(acknowledgement)
        if now_s - self._second_s >= SECOND_S:
            self._second_s = now_s
            self._each_second(infos)
        if self._systemd.watchdog_s and now_s - self._watchdog_s >= self._systemd.watchdog_s:
            self._watchdog_s = now_s
            self._systemd.watchdog()

    def _each_second(self, infos: list[SlotInfo]) -> None:
        if not self._estate.lock.is_held:
            return  # what follows belongs to the master that holds the lock
        self._timekeeper.publish()
        had_orphans = self._has_orphans
        self._has_orphans = self._crew.has_orphans(infos)
        if had_orphans and not self._has_orphans:
            self._apply_limits()  # the last of them may have opened cells at its own limits
        for slot in vitals.to_recover(infos, {c.slot for c in self._crew.children()}):
            self._crew.recover(slot)

    def _pause_s(self) -> float:
        """Until the next thing that no signal announces."""
        if not self._is_announced or self._acknowledgement is not None:
            return STARTING_TURN_S
        due_s = self._crew.next_spawn_s()
        return TURN_S if due_s is None else min(TURN_S, max(0.0, due_s - time.monotonic()))

    def _announce(self) -> None:
        """Everybody beats: say so, to people, to scripts and to systemd."""
        self._is_announced = True
        data, admin = self._estate.urls
        announce(f"s4fw ready {data} admin {admin}")
        self._systemd.ready(f"{len(self._crew.children('worker'))} workers on {data}")
        self._witness.say("ready", "info", f"ready on {data}, admin on {admin}")

    # -- reload -------------------------------------------------------------------------------

    def _reload(self) -> None:
        if self._drain is not None:
            return
        self._systemd.reloading()
        try:
            config = read_again(self._path, self._env, self._config)
            self._estate.load_prices(config)
        except Refused as refused:
            for reason in refused.reasons:
                log.error(f"not reloaded: {reason}")  # sentences of ours, with file and line
            self._witness.say(
                "reload_refused", "alarm", f"the old configuration stays: {refused.reasons[0]}"
            )
            self._systemd.ready("the last reload was refused")
            return
        for sentence in (*changes(self._config, config), *config.warnings):
            log.warning(sentence)
        self._config = self._crew.config = config
        self._crew.generation += 1
        generation = self._crew.generation
        self._table.publish_generation(generation)
        children = self._crew.children()
        for child in children:
            child.sender.send(("config", generation, config))
        self._acknowledgement = Acknowledgement(generation, children)

    def _finish_reload(self, acknowledgement: Acknowledgement) -> None:
        self._acknowledgement = None
        self._apply_limits()
        generation = acknowledgement.generation
        self._witness.say(
            "reload", "info", f"configuration {generation} is in force", generation=generation
        )
        self._systemd.ready(f"configuration {generation}")

    def _apply_limits(self) -> None:
        """Give existing cells the limits of the configuration: the file is what is promised."""
        clock = Clock(self._table.clock()[0])
        Upkeep(self._table, self._config.share.budgets, clock).apply_limits()

    # -- drain --------------------------------------------------------------------------------

    def _give_up(self, stop: Stop) -> None:
        """Stop for a reason: what runs still finishes, and the exit code says that it failed."""
        if self._stop is None:
            self._stop = stop
            log.critical("%s", Told(stop.sentence))
        if self._drain is None:
            self._begin_drain()

    def _begin_drain(self) -> None:
        now_s = time.monotonic()
        if self._drain is not None:
            self._drain.hurry(now_s)
        else:
            self._drain = Drain(now_s, self._config.server.timeouts.drain_s)
            self._crew.is_draining = True
            self._systemd.stopping()
            self._witness.say("stop", "info", "the firewall drains")
            self._witness.say_draining()
            self._estate.close_workers_listeners()
            self._estate.lock.release()
        self._crew.signal(signal.SIGTERM, "worker")

    def _continue_drain(self, drain: Drain, now_s: float) -> None:
        before = drain.step
        workers, stewards = self._crew.children("worker"), self._crew.children("steward")
        step = drain.look(now_s, len(workers), len(stewards))
        if not drain.has_successor and self._estate.lock.has_successor():
            drain.has_successor = True
            self._estate.admin.close()
            self._crew.signal(signal.SIGTERM, "steward")
        elif step is Step.EMPTYING and step is not before:
            self._crew.signal(signal.SIGTERM, "steward")
        if drain.is_nudge_due(now_s):
            self._crew.signal(signal.SIGTERM, "worker")
        if drain.is_late(now_s):
            self._crew.signal(signal.SIGKILL, "worker" if step is Step.WORKING else "steward")

    def _end(self) -> None:
        """Nobody is left.  The table is marked clean only while it is still ours."""
        self._signals.close()
        if self._estate.lock.take_again():
            self._write_checkpoint(is_clean=True)
            self._table.set_clean(True)
        self._table.close()
        self._estate.lock.release()
