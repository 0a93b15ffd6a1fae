"""What the master owns and its children inherit: lock, table, listeners, prices, vocabulary.

Everything that can refuse a start refuses here, in the order of what is cheapest to check, and
before the first fork.
"""

from __future__ import annotations

import logging
import socket
import time

from s4fw.config.schema import Config
from s4fw.ledger.table import is_on_tmpfs
from s4fw.loops.memory import Memory
from s4fw.pricing import RateCard
from s4fw.process import rundir
from s4fw.process.credentials import Channels
from s4fw.process.demands import Demands
from s4fw.process.exitcode import CONFIGURATION, Stop
from s4fw.process.masterlock import MasterLock
from s4fw.process.opening import opened
from s4fw.process.sockets import listeners, place_of
from s4fw.stages.check import problems
from s4fw.tokens import TokenCounter

log = logging.getLogger(__name__)


class Estate:
    """All of it, taken at construction.  Raises Stop with the sentence and the exit code.

    A respawned worker takes the listener of its index, so what waits in its queue is not lost.
    """

    def __init__(self, config: Config) -> None:
        self.rates = _judged(config, rates_of(config))
        runtime = rundir.made(config.paths.runtime)
        state = rundir.made(config.paths.state)
        self.hash_key = rundir.kept_key(state / "labels.key")
        _judge_ledger(config)
        self.lock = MasterLock(runtime / "master.lock")
        self.started_s = time.time_ns() // 10**9
        self.opened = opened(runtime, state)
        rundir.note_boot(runtime)
        self.table, self.table_id = self.opened.table, self.opened.identity
        self.loops = Memory(config.loops.memory, runtime / "loops")
        self._is_plain = config.server.tls is None
        self.workers = listeners(
            config.server.host, config.server.port, config.server.workers, "server"
        )
        self.credentials = Channels(config.server.workers)
        self.admin = listeners(config.admin.host, config.admin.port, 1, "admin")[0]
        rundir.write_ports(runtime, _port(self.workers[0]), _port(self.admin))
        self.demands = Demands()
        self.tokens = TokenCounter()
        if not is_on_tmpfs(runtime):
            log.warning(
                "the runtime directory is on a disk: write-back can stall requests;"
                " a tmpfs (/run, $XDG_RUNTIME_DIR) is better"
            )

    @property
    def urls(self) -> tuple[str, str]:
        """Where callers and where admins connect."""
        scheme = "http" if self._is_plain else "https"
        return f"{scheme}://{place_of(self.workers[0])}", f"http://{place_of(self.admin)}"

    def load_prices(self, config: Config) -> None:
        """Take the price table of a new configuration; children born from now on inherit it."""
        self.rates = rates_of(config)

    def close_workers_listeners(self) -> None:
        """Accept nothing any more: the workers close their own copies when they drain."""
        for listener in self.workers:
            listener.close()

    def keep_only(self, kept: socket.socket) -> None:
        """In a child: close what belongs to the others, so that their ports end with them."""
        for listener in (*self.workers, self.admin):
            if listener is not kept:
                listener.close()
        self.lock.release()


def rates_of(config: Config) -> RateCard:
    """The price table of a configuration."""
    return RateCard.load(
        config.pricing.overrides,
        of_upstreams=config.prices_of_upstreams,
        regions=config.regions_of_upstreams,
        residencies=config.residencies_of_upstreams,
        inference_geo="us" if config.pricing.inference_geo == "us" else "",
    )


def _judge_ledger(config: Config) -> None:
    """Make or read the key that signs the ledger, where one is kept.  Raises Stop."""
    if not config.ledger.enabled:
        return
    # Only here: it takes time and memory that nobody else shall pay for.
    from s4fw.ledger.signing import KeySigner

    path = config.ledger.key_path(config.paths.state)
    try:
        if config.ledger.key is None:
            KeySigner.kept(path)
        else:
            KeySigner.load(path)
    except OSError as fault:
        raise Stop(CONFIGURATION, f"ledger.key: cannot read {path}: {fault.strerror}") from fault
    except ValueError as fault:
        raise Stop(CONFIGURATION, f"ledger.key: {path} {fault}") from fault


def _judged(config: Config, rates: RateCard) -> RateCard:
    """The same prices, where the configuration can be used with them.  Raises Stop."""
    found = problems(config, rates)
    if found:
        raise Stop(CONFIGURATION, "; ".join(map(str, found)))
    return rates


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port
