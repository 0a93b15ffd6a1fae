"""Sends metrics to CloudWatch, from a thread of the steward's that nobody waits for.

Batches wait in a bounded queue; while CloudWatch throttles or cannot be reached they are tried
again in order, with growing pauses, and when the queue is full the oldest are dropped and counted.
They carry their own times, so what is sent late still lands where it belongs.  A batch that is
refused for what is in it is dropped at once: it would be refused for ever.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from s4fw.config.cloudwatch import CloudWatch
from s4fw.observe.cloudwatch import Datum, Deltas, batches
from s4fw.observe.figures import Snapshot
from s4fw.process import aws
from s4fw.process.carrier import Carrier, Refused
from s4fw.process.spend import Spend
from s4fw.process.sums import sums_by
from s4fw.process.tell import Tell, from_thread

log = logging.getLogger(__name__)

THREAD = "s4fw-cloudwatch"
WAITING_MAX = 240  # batches; a quiet firewall sends one each minute
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
TIMEOUT_S = 10
LAST_SEND_S = 3.0  # how long an orderly end waits for what is left

# What is wrong with the data itself; everything else may pass.
_HOPELESS = frozenset({
    "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter", "ValidationError",
    "InvalidParameterValueException", "InvalidParameterCombinationException",
    "MissingRequiredParameterException", "RequestEntityTooLarge", "413",
})  # fmt: skip


class NotSent(Refused):
    """A batch was not taken."""


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
                self._client = aws.client("cloudwatch", self._config.region, TIMEOUT_S, 0)
            self._client.put_metric_data(Namespace=self._config.namespace, MetricData=batch)
        except botocore.exceptions.ClientError as fault:
            code = aws.code_of(fault)
            raise NotSent(f"CloudWatch answered {code}", code in _HOPELESS) from fault
        except botocore.exceptions.ParamValidationError as fault:
            raise NotSent("a batch was not valid", True) from fault
        except Exception as fault:  # its text may quote what a credential process wrote
            self._client = None
            raise NotSent(f"CloudWatch was not reached: {type(fault).__name__}") from fault


class Publisher(Carrier[list[Datum]]):
    """The way to CloudWatch."""

    def __init__(
        self, sink: Sink, tell: Tell, pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:  # fmt: skip
        super().__init__(THREAD, WAITING_MAX, pauses_s)
        self._sink = sink
        self._tell = tell
        self.sent = 0
        self.dropped = 0

    def _begin(self) -> None:
        self._sink.warm()

    def _gave_way(self, item: list[Datum]) -> None:
        self.dropped += 1

    def _carry(self, item: list[Datum]) -> bool:
        try:
            self._sink.put(item)
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
        self._over(item)
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
            self._publisher = Publisher(Client(self._config), from_thread(self._loop, self._tell))
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

    async def close(self) -> None:
        """Send the last of it, for a while."""
        spend = self._spend()
        if not self._config.enabled or self._deltas is None or spend is None:
            return
        self._offer(self._deltas, spend)
        assert self._publisher is not None
        await self._loop.run_in_executor(None, self._publisher.close, LAST_SEND_S)
