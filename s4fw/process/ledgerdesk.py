"""The steward's part of the ledger, put together: files, writer, and the thread that sends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from s4fw.config.schema import Config
from s4fw.ledger.rule import BudgetRule, rules_of
from s4fw.ledger.signing import KeySigner
from s4fw.ledger.table import Table
from s4fw.process.cellscopes import CellScopes
from s4fw.process.rundir import write_whole
from s4fw.process.scribe import Scribe
from s4fw.process.shipper import S3, Shipper
from s4fw.process.spool import Spool
from s4fw.process.tell import Tell, from_thread

LAST_SEND_S = 3.0  # how long an orderly end waits for the last segment to be stored


class LedgerDesk:
    """Made where the ledger is enabled, in the steward.  Raises OSError and ValueError for a key
    that cannot be used: the master has judged it before."""

    def __init__(
        self,
        config: Config,
        table: Table,
        hash_key: bytes,
        loop: asyncio.AbstractEventLoop,
        budget_name: Callable[[int], str],
        text_of: Callable[[int], str | None],
        tell: Tell,
    ) -> None:
        self._loop = loop
        self._table = table
        self._tell = tell
        self._rules: dict[int, BudgetRule] = {}
        directory = config.ledger.directory(config.paths.state)
        signer = KeySigner.kept(config.ledger.key_path(config.paths.state))
        self._spool = Spool(directory, signer)
        self._pem = signer.public_pem
        self._s3 = config.ledger.s3
        self._shipper: Shipper | None = None
        scopes = CellScopes(table, budget_name, self._rules.get)
        self.scribe = Scribe(self._spool, scopes, text_of, hash_key, tell, self._sealed)
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """What of the ledger may change while it runs."""
        self._rules.clear()
        self._rules.update((r.value_id, r) for r in rules_of(self._table, config.budgets))
        self.scribe.adopt(config.ledger)

    def figures(self) -> dict[str, int]:
        """For `observe.meters.GAUGES`.  What cannot be looked at now is left as it was, or out."""
        with contextlib.suppress(OSError):  # before it is opened there is no directory
            self._spool.measure()
        found = {
            "ledger_bytes": self._spool.bytes_to_keep,
            "ledger_bytes_max": self._spool.max_bytes,
            "ledger_rows_missing": self.scribe.missing,
        }
        if self._s3 is not None:
            with contextlib.suppress(OSError):
                found["ledger_segments_waiting"] = self._spool.waiting()
        return found

    def _sealed(self) -> None:
        """The ledger goes on; segments before the open one can be packed and sent."""
        if self._shipper is not None:
            self._shipper.wake()
            return
        write_whole(self._spool.directory / "public-key.pem", self._pem)
        store = S3(self._s3, self._spool.chain_id) if self._s3 is not None else None
        self._shipper = Shipper(
            self._spool.directory,
            lambda: self._spool.first_open,
            store,
            from_thread(self._loop, self._tell),
        )
        self._shipper.start()

    async def close(self) -> None:
        """Send what was sealed at the end, for a while; the books are closed already."""
        if self._shipper is not None:
            await self._loop.run_in_executor(None, self._finish, self._shipper)

    def _finish(self, shipper: Shipper) -> None:
        if self._s3 is not None:
            end_s = time.monotonic() + LAST_SEND_S
            shipper.wake()
            while not shipper.is_idle and time.monotonic() < end_s:
                time.sleep(0.02)
        shipper.close(1.0)
