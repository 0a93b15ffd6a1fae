"""Metrics into CloudWatch with the real SDK: outages, throttling, poison, and nobody waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s4fw.config.cloudwatch import CloudWatch
from s4fw.observe.cloudwatch import Datum
from s4fw.process.cloudwatch import WAITING_MAX, Client, NotSent, Publisher
from tests.harness.client import fetch
from tests.harness.cloud import REGION, Cloud, cloud
from tests.harness.firewall import Firewall, firewall_config
from tests.harness.simulator import Simulator
from tests.harness.wait import wait_until

PAUSES_S = (0.01,)


@pytest.fixture(scope="module")
def shared() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


@pytest.fixture
def aws(shared: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    for name, value in shared.env.items():
        monkeypatch.setenv(name, value)
    shared.faults.clear()
    shared.calls.clear()
    return shared


def datum(name: str = "Requests", **more: Any) -> Datum:
    given = {"Dimensions": [], "Timestamp": int(time.time()), "Value": 1, "Unit": "Count"}
    return {"MetricName": name, **given, **more}


class Told(list[str]):
    """What the thread said, by kind."""

    def __call__(self, kind: str, level: str, sentence: str) -> None:
        self.append(kind)


class Script:
    """A sink that raises what it is told to, then takes everything."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.batches: list[list[Datum]] = []

    def warm(self) -> None:
        """Nothing to prepare."""

    def put(self, batch: list[Datum]) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.batches.append(batch)


def client(namespace: str) -> Client:
    return Client(CloudWatch.model_validate({"namespace": namespace, "region": REGION}))


def run(sink: Any, told: Told, batches: list[list[Datum]]) -> Publisher:
    """Send all of it."""
    publisher = Publisher(sink, told, PAUSES_S)
    for batch in batches:
        publisher.offer(batch)
    publisher.start()
    wait_until(lambda: not publisher.waiting, "all of it is sent")
    publisher.close(2.0)
    return publisher


def test_batches_arrive_with_values_and_counts(aws: Cloud) -> None:
    """The form on the wire is the SDK's own; a large call is packed by it."""
    compressed = datum("OperationDuration", Values=[10, 20], Counts=[3, 2], Unit="Milliseconds")
    del compressed["Value"]
    many = [
        datum("SpendUSD", Value=0.5, Dimensions=[{"Name": "Tenant", "Value": f"t{n}"}])
        for n in range(999)
    ]
    run(client("S4/One"), Told(), [[compressed, *many]])
    assert 1000 == len(aws.metrics("S4/One"))
    assert 70 == aws.total("S4/One", "OperationDuration")
    assert 0.5 == aws.total("S4/One", "SpendUSD", tenant="t7")
    assert 1 == len(aws.calls)
    assert aws.calls[0] < 100_000


@pytest.mark.parametrize(
    "fault", [(400, "Throttling"), (429, "TooManyRequestsException"), (503, "ServiceUnavailable")]
)
def test_throttled_batch_is_sent_later_and_once(
    aws: Cloud, fault: tuple[int, str], request: pytest.FixtureRequest
) -> None:
    """Told once that it waits and once that it goes on, however often it was tried."""
    namespace = f"S4/{fault[1]}"
    aws.faults.extend([fault] * 3)
    told = Told()
    publisher = run(client(namespace), told, [[datum()], [datum()]])
    assert ["cloudwatch_waits", "cloudwatch_sent"] == told
    assert (2, 0) == (publisher.sent, publisher.dropped)
    assert 2 == aws.total(namespace, "Requests")


def test_outage_is_survived(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: that is an ordinary failure, and the next client is made anew."""
    sink = client("S4/Outage")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")
    with pytest.raises(NotSent, match="not reached") as failed:
        sink.put([datum()])
    assert not failed.value.is_hopeless
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", aws.env["AWS_ENDPOINT_URL_CLOUDWATCH"])
    sink.put([datum()])
    assert 1 == aws.total("S4/Outage", "Requests")


def test_batch_that_is_refused_for_its_content_is_dropped(aws: Cloud) -> None:
    """One bad datum must not stop all later ones."""
    aws.faults.append((400, "InvalidParameterValue"))
    told = Told()
    publisher = run(client("S4/Poison"), told, [[datum("Bad")], [datum("Good")]])
    assert ["cloudwatch_refused"] == told
    assert (1, 1) == (publisher.sent, publisher.dropped)
    assert {("Good",)} == aws.metrics("S4/Poison")


def test_queue_is_bounded_and_drops_the_oldest() -> None:
    """An outage of hours must not fill the memory; what is new says more."""
    sink = Script()
    publisher = Publisher(sink, Told(), PAUSES_S)
    for number in range(WAITING_MAX + 5):
        publisher.offer([datum(Value=number)])
    assert (WAITING_MAX, 5) == (publisher.waiting, publisher.dropped)
    publisher.start()
    wait_until(lambda: not publisher.waiting, "all of it is sent")
    publisher.close(1.0)
    assert 5 == sink.batches[0][0]["Value"]


def test_close_does_not_wait_for_an_outage() -> None:
    """A shutdown has better things to do."""
    sink = Script(*[NotSent("no") for _ in range(1000)])
    told = Told()
    publisher = Publisher(sink, told, (60.0,))
    publisher.offer([datum()])
    publisher.start()
    wait_until(lambda: bool(told), "it failed once")
    started_s = time.monotonic()
    publisher.close(3.0)
    assert time.monotonic() - started_s < 1.0
    assert ["cloudwatch_waits"] == told


def test_firewall_sends_spend_by_tenant_and_its_health(aws: Cloud, tmp_path: Path) -> None:
    """The whole way: a request, its row, the steward's sums, the SDK, the last flush at the end."""
    section = {"enabled": True, "region": REGION, "interval": "1h", "namespace": "S4/Firewall"}
    with Simulator(tmp_path) as simulator:
        config = firewall_config(simulator, cloudwatch=section, server={"workers": 1})
        with Firewall(tmp_path, config, env=aws.env) as firewall:
            wait_until(
                lambda: "cloudwatch" in {e["kind"] for e in firewall.admin("/v1/events")["events"]},
                "the first look, from where on growth is sent",
            )
            body = {
                "model": "mock-small",
                "max_tokens": 10,
                "messages": [{"role": "user", "content": "hello"}],
            }
            answer = fetch(
                firewall.base_url + "/chat/completions", "POST", body, {"x-s4fw-tenant": "acme"}
            )
            assert 200 == answer.status
            charged = wait_until(
                lambda: [c for c in firewall.admin("/v1/costs")["costs"] if c["charged_nusd"]],
                "the row is in the books",
            )
    sent = aws.total("S4/Firewall", "SpendUSD", tenant="acme")
    assert charged[0]["charged_nusd"] == round(sent * 1e9)
    assert {("Ready",), ("WorkersReady",)} <= aws.metrics("S4/Firewall")
