"""Sends metrics to CloudWatch, from a thread of the steward's that nobody waits for.

Batches wait in a bounded queue; while CloudWatch throttles or cannot be reached they are tried
again in order, with growing pauses, and when the queue is full the oldest are dropped and counted.
They carry their own times, so what is sent late still lands where it belongs.  A batch that is
refused for what is in it is dropped at once: it would be refused for ever.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from s4fw.config.cloudwatch import CloudWatch
from s4fw.observe.cloudwatch import Datum, Deltas, batches
from s4fw.observe.figures import Snapshot
from s4fw.process.spend import Spend
from s4fw.process.sums import sums_by

log = logging.getLogger(__name__)

THREAD = "s4fw-cloudwatch"
WAITING_MAX = 240  # batches; a quiet firewall sends one each minute
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
TIMEOUT_S = 10
LAST_SEND_S = 3.0  # how long an orderly end waits for what is left

Tell = Callable[[str, str, str], None]  # kind, level, sentence

# What is wrong with the data itself; everything else may pass.
_HOPELESS = frozenset({
    "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter", "ValidationError",
    "InvalidParameterValueException", "InvalidParameterCombinationException",
    "MissingRequiredParameterException", "RequestEntityTooLarge", "413",
})  # fmt: skip


class NotSent(Exception):
    """It was not taken; the message is safe to log.  `is_hopeless`: it never will be."""

    def __init__(self, message: str, is_hopeless: bool = False) -> None:
        super().__init__(message)
        self.is_hopeless = is_hopeless


class Sink(Protocol):
    """Where batches go."""

    def warm(self) -> None:
        """Take the time that the first batch would otherwise take."""

    def put(self, batch: list[Datum]) -> None:
        """Send one.  Raises NotSent."""


class Client:
    """PutMetricData through boto3.  Made and used in one thread."""

    def __init__(self, config: CloudWatch) -> None:
        self._config = config
        self._client: Any = None

    def warm(self) -> None:
        # Only here: they take time and memory that nobody else shall pay for.
        import boto3  # noqa: F401

    def put(self, batch: list[Datum]) -> None:
        import botocore.exceptions

        try:
            if self._client is None:
                self._client = self._connected()
            self._client.put_metric_data(Namespace=self._config.namespace, MetricData=batch)
        except botocore.exceptions.ClientError as fault:
            code = str(fault.response.get("Error", {}).get("Code", "unknown"))
            raise NotSent(f"CloudWatch answered {code}", code in _HOPELESS) from fault
        except botocore.exceptions.ParamValidationError as fault:
            raise NotSent("a batch was not valid", True) from fault
        except Exception as fault:  # its text may quote what a credential process wrote
            self._client = None
            raise NotSent(f"CloudWatch was not reached: {type(fault).__name__}") from fault

    def _connected(self) -> Any:
        import boto3
        import botocore.config

        return boto3.session.Session().client(
            "cloudwatch",
            region_name=self._config.region,
            config=botocore.config.Config(
                connect_timeout=5, read_timeout=TIMEOUT_S, retries={"max_attempts": 0}
            ),
        )


class Publisher:
    """The queue and the thread."""

    def __init__(
        self, sink: Sink, tell: Tell, pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:  # fmt: skip
        self._sink = sink
        self._tell = tell
        self._pauses_s = pauses_s
        self._waiting: deque[list[Datum]] = deque()
        self._lock = threading.Lock()
        self._has_work = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0
        self.sent = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._live, name=THREAD, daemon=True)

    def start(self) -> None:
        for name in ("botocore", "urllib3", "boto3"):  # below that they write whole requests
            logging.getLogger(name).setLevel(logging.WARNING)
        self._thread.start()

    def offer(self, batch: list[Datum]) -> None:
        """Queue one; never waits."""
        with self._lock:
            if len(self._waiting) >= WAITING_MAX:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(batch)
        self._has_work.set()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def close(self, timeout_s: float) -> None:
        """Send what waits, for a while, then stop."""
        end_s = time.monotonic() + timeout_s
        while self._waiting and not self._failures and time.monotonic() < end_s:
            time.sleep(0.02)
        self._stopping.set()
        self._has_work.set()
        if self._thread.is_alive():
            self._thread.join(max(0.0, end_s - time.monotonic()))

    def abandon(self) -> None:
        """Stop without waiting."""
        self._stopping.set()
        self._has_work.set()

    def _live(self) -> None:
        self._sink.warm()
        while not self._stopping.is_set():
            self._has_work.wait()
            self._has_work.clear()
            while self._waiting and not self._stopping.is_set():
                if not self._send(self._waiting[0]):
                    pause_s = self._pauses_s[min(self._failures, len(self._pauses_s)) - 1]
                    # Instances that were throttled together must not come back together.
                    self._stopping.wait(pause_s * random.uniform(0.8, 1.2))

    def _send(self, batch: list[Datum]) -> bool:
        """Try one; False where it has to wait."""
        try:
            self._sink.put(batch)
        except NotSent as fault:
            if not fault.is_hopeless:
                self._failed(fault)
                return False
            self.dropped += 1
            log.error("metrics were refused and dropped: %s", type(fault).__name__)
            self._tell("cloudwatch_refused", "alarm", f"metrics were dropped: {fault}")
        else:
            self.sent += 1
            if self._failures:
                self._failures = 0
                self._tell("cloudwatch_sent", "info", "metrics reach CloudWatch again")
        with self._lock:  # it may have been dropped meanwhile to make room
            if self._waiting and self._waiting[0] is batch:
                self._waiting.popleft()
        return True

    def _failed(self, fault: NotSent) -> None:
        self._failures += 1
        if self._failures == 1:
            self._tell("cloudwatch_waits", "warning", f"metrics wait, they are sent later: {fault}")


class CloudWatchDesk:
    """The steward's part of it: when is what sent.  `tick` each second."""

    def __init__(
        self,
        config: CloudWatch,
        loop: asyncio.AbstractEventLoop,
        snapshot: Callable[[], Snapshot],
        spend: Callable[[], Spend | None],
        tell: Tell,
    ) -> None:
        """`spend` gives the sums once they are complete."""
        self._loop = loop
        self._snapshot = snapshot
        self._spend = spend
        self._tell = tell
        self._config = config
        self._publisher: Publisher | None = None
        self._deltas: Deltas | None = None
        self._due_s = 0.0

    def adopt(self, config: CloudWatch) -> None:
        """Go on with another configuration."""
        if config == self._config:
            return
        self._config = config
        self._deltas = None
        if self._publisher is not None:
            self._publisher.abandon()
            self._publisher = None

    def tick(self) -> None:
        """Send what came since the last time, when it is time."""
        spend = self._spend()
        if not self._config.enabled or spend is None:
            return
        now_s = time.monotonic()
        if self._deltas is None:
            self._deltas = Deltas(self._config.max_values)
            self._deltas.begin(self._snapshot(), self._sums(spend))
            self._due_s = now_s + self._config.interval_s
            self._publisher = Publisher(Client(self._config), self._tell_later)
            self._publisher.start()
            self._tell("cloudwatch", "info", "metrics are sent to CloudWatch from now on")
        elif now_s >= self._due_s:
            self._due_s = now_s + self._config.interval_s
            self._offer(self._deltas, spend)

    def _sums(self, spend: Spend) -> dict[str, list[Any]]:
        return {name: sums_by(spend, name) for name in sorted(self._config.dimensions)}

    def _offer(self, deltas: Deltas, spend: Spend) -> None:
        assert self._publisher is not None
        for batch in batches(deltas.take(self._snapshot(), self._sums(spend), int(time.time()))):
            self._publisher.offer(batch)

    def _tell_later(self, kind: str, level: str, sentence: str) -> None:
        """From the thread."""
        try:
            self._loop.call_soon_threadsafe(self._tell, kind, level, sentence)
        except RuntimeError:  # the loop is closed: the steward has ended
            return

    async def close(self) -> None:
        """Send the last of it, for a while."""
        spend = self._spend()
        if not self._config.enabled or self._deltas is None or spend is None:
            return
        self._offer(self._deltas, spend)
        assert self._publisher is not None
        await self._loop.run_in_executor(None, self._publisher.close, LAST_SEND_S)
