"""Alerts as a steward tells them: once, over restarts, to every place that is configured."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from s4fw.admin.facts import Event
from s4fw.config.alerts import Alerts, Sns
from s4fw.config.load import parse
from s4fw.config.schema import Config
from s4fw.observe.figures import BudgetFigures
from s4fw.pricing import age
from s4fw.process.alertbook import AlertBook
from s4fw.process.alertdesk import AlertDesk
from s4fw.process.courier import Letter, NotBrought
from s4fw.process.eventlog import EVENTS_MAX, EventLog
from s4fw.process.sns import Topic
from tests.admin.scripted import NOON_S, USD, budget
from tests.harness.client import fetch
from tests.harness.firewall import Firewall, firewall_config
from tests.harness.receiver import receiver
from tests.harness.simulator import Simulator

REGION = "eu-west-1"
USED_UP = budget(charged_nusd=9 * USD, used_nusd=9 * USD, denials=0, resets_at_s=2**33)
BODY = {"model": "mock-small", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi."}]}


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def config(state: Path, **alerts: Any) -> Config:
    text = {
        "upstreams": {"openai": {"base_url": "https://api.openai.com"}},
        "budgets": [
            {"id": "tenant-day", "per": ["tenant"], "window": "day", "limit_usd": 10,
             "warn_at": [0.5, 0.8]}
        ],
        "paths": {"state": str(state), "runtime": str(state)},
        "alerts": {"runs_out_within": "0s", "prices_older_than_days": 0} | alerts,
    }  # fmt: skip
    return parse(json.dumps(text), "s4fw.yaml", {}, state)


class Life:
    """One steward's desk, with the cells it sees and what it told."""

    def __init__(self, made: Config, loop: asyncio.AbstractEventLoop) -> None:
        self.rows: list[BudgetFigures] = [USED_UP]
        self.events: list[Event] = []
        self.said: list[str] = []
        self.loop = loop
        self.desk = AlertDesk(
            made,
            loop,
            lambda: self.rows,
            self.events.append,
            lambda kind, *_: self.said.append(kind),
        )

    def look(self) -> list[str]:
        """What alerts there are by now."""
        self.desk._look_at_s = 0.0
        self.desk.tick()
        self.loop.run_until_complete(asyncio.sleep(0))
        return [str(event.fields["alert"]) for event in self.events]

    def wait(self, is_so: Callable[[], bool]) -> None:
        end_s = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < end_s
            self.loop.run_until_complete(asyncio.sleep(0.01))

    def end(self) -> None:
        self.loop.run_until_complete(self.desk.close())


def test_part_of_a_limit_is_told_once_in_its_window_over_restarts(
    tmp_path: Path, loop: asyncio.AbstractEventLoop
) -> None:
    """A steward that dies each hour must not wake somebody each hour."""
    first = Life(config(tmp_path), loop)
    assert ["budget_warning"] == first.look()
    assert ["budget_warning"] == first.look()
    second = Life(config(tmp_path), loop)  # the first was killed: it wrote nothing at its end
    assert [] == second.look()
    second.rows = [budget(charged_nusd=6 * USD, denials=0, starts_at_s=NOON_S, resets_at_s=2**33)]
    assert ["budget_warning"] == second.look()
    assert 500 == second.events[0].fields["part_permille"]


def test_log_line_holds_the_numbers_and_no_value_of_a_caller(
    tmp_path: Path, loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """Names of customers belong to those who may ask the admin listener, not to the log."""
    with caplog.at_level(logging.INFO):
        Life(config(tmp_path), loop).look()
    (line,) = [r for r in caplog.records if r.name.endswith("alertdesk")]
    assert ("budget_warning", 10 * USD, "tenant-day") == (
        line.__dict__["event"], line.__dict__["limit_nusd"], line.__dict__["budget_id"],
    )  # fmt: skip
    assert "acme" not in str(line.__dict__)


def test_storm_is_cut_and_counted(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """Five hundred tenants at their limit are one bad hour, not five hundred calls at night."""
    life = Life(config(tmp_path, max_per_hour=3), loop)
    life.rows = [
        budget(scope={"tenant": f"t{n}"}, charged_nusd=9 * USD, denials=0, resets_at_s=2**33)
        for n in range(500)
    ]
    assert 3 == len(life.look())
    assert 497 == life.desk._book.held_back


def test_same_thing_is_told_again_after_the_pause_only(tmp_path: Path) -> None:
    """The clock of the pause goes on over a restart."""
    book = AlertBook(tmp_path)
    assert book.may_tell("retry_storm acme", (), 1000, 60, 9)
    book.note("retry_storm acme", (), None, 1000)
    book.keep(1000, 60)
    again = AlertBook(tmp_path)
    again.open()
    assert not again.may_tell("retry_storm acme", (), 1059, 60, 9)
    assert again.may_tell("retry_storm globex", (), 1059, 60, 9)
    assert again.may_tell("retry_storm acme", (), 1060, 60, 9)


def test_book_that_makes_no_sense_starts_anew(tmp_path: Path) -> None:
    """A damaged file may cost an alert told twice, never the steward."""
    for text in (b"", b"[]", b'{"version": 1}', b'{"version": 9}', b"\xff"):
        (tmp_path / "alerts.json").write_bytes(text)
        book = AlertBook(tmp_path)
        book.open()
        assert book.may_tell("k", (), 0, 60, 1)


def test_prices_that_are_old_are_told_once_a_week(
    tmp_path: Path, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget in last year's prices is no budget."""
    monkeypatch.setattr(age, "TAKEN_ON", age.TAKEN_ON.replace(year=2020))
    life = Life(config(tmp_path, prices_older_than_days=120, repeat="10s"), loop)
    life.rows = []
    assert ["prices_old"] == life.look() == life.look()
    assert int(life.events[0].fields["days"]) > 300


def test_webhook_that_was_down_gets_it_from_the_next_steward(
    tmp_path: Path, loop: asyncio.AbstractEventLoop
) -> None:
    """What was found before a crash is still brought, and only once."""
    with receiver() as there:
        there.answers.extend([503] * 50)
        first = Life(config(tmp_path, webhook={"url": there.url}), loop)
        first.look()
        first.wait(lambda: first.said == ["alert_waits"])
        for courier in first.desk._couriers.values():
            courier.abandon()  # killed
        there.answers.clear()
        second = Life(config(tmp_path, webhook={"url": there.url}), loop)
        assert [] == second.look()
        second.wait(lambda: not second.desk._book.owed_to("webhook"))
        second.end()
        assert there.got[0].headers["webhook-id"] == there.got[-1].headers["webhook-id"]
        third = Life(config(tmp_path, webhook={"url": there.url}), loop)
        count = len(there.got)
        third.look()
        third.end()
        assert count == len(there.got)
    document = there.got[-1].document
    assert ("budget_warning", 9 * USD) == (document["kind"], document["fields"]["charged_nusd"])
    assert "tenant acme used 80 % of its daily limit" in document["message"]


def test_sns_topic_gets_the_numbers_and_what_to_filter_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A subscription filters by attributes; a program reads the body."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    try:
        sns, sqs = boto3.client("sns", REGION), boto3.client("sqs", REGION)
        arn = sns.create_topic(Name="alerts")["TopicArn"]
        queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
        inbox = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=inbox["Attributes"]["QueueArn"])
        letter = Letter("al_1", 0, "overrun", "alarm", "S4 Firewall: overrun", b'{"id":"al_1"}')
        Topic(Sns.model_validate({"topic_arn": arn})).bring(letter)
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        told = json.loads(message["Body"])
        assert ('{"id":"al_1"}', "S4 Firewall: overrun") == (told["Message"], told["Subject"])
        assert "alarm" == told["MessageAttributes"]["level"]["Value"]
        gone = Sns.model_validate({"topic_arn": arn + "-gone"})
        with pytest.raises(NotBrought, match="SNS answered NotFound") as fault:
            Topic(gone).bring(letter)
        assert not fault.value.is_hopeless
        sns.close()
        sqs.close()
    finally:
        server.stop()


def test_alerts_outlive_a_storm_of_blocks_in_the_events() -> None:
    """What was told at night is there in the morning, whatever was refused since."""
    log = EventLog()
    log.note(Event(1, "alert", "alarm", "tenant acme"))
    for at in range(2 * EVENTS_MAX):
        log.note(Event(at + 2, "block", "info", "refused"))
    assert ["alert"] == [event.kind for event in log.newest(1000, "alert")]
    assert 2 * EVENTS_MAX + 1 == log.newest(1)[0].at_ns


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/x", "ftp://a/b", "https://u:p@a/b", "https://a/b#c", "https://a/ b"],
)
def test_url_that_could_leak_or_mislead_is_refused(url: str) -> None:
    """Https unless it is this machine; no credential in a place that is shown."""
    with pytest.raises(ValueError, match="webhook"):
        Alerts.model_validate({"webhook": {"url": url}})


def spend(firewall: Firewall) -> None:
    for _ in range(3):
        answer = fetch(firewall.url + "/v1/chat/completions", "POST", BODY)
        assert 200 == answer.status, answer.body


def test_firewall_tells_a_webhook_once_although_all_of_it_is_killed(
    tmp_path: Path,
) -> None:
    """The whole way: a request is charged, somebody is told, with the numbers, signed, once."""
    limits = [{"id": "all", "per": [], "window": "month", "limit_usd": 0.005, "warn_at": [0.001]}]
    with receiver() as there, Simulator(tmp_path) as simulator:
        hook = {"url": there.url, "secret": "a-secret-of-twenty-characters"}
        made = firewall_config(simulator, limits, alerts={"webhook": hook})
        with Firewall(tmp_path, made) as firewall:
            spend(firewall)
            (got,) = there.wait_for(1)
            assert "budget_warning" == got.document["kind"]
            assert got.headers["webhook-signature"].startswith("v1,")
            (alert,) = firewall.admin("/v1/events?kind=alert")["events"]
            assert got.document["message"] == alert["message"]
            firewall.kill_everything()
        with Firewall(tmp_path, made) as firewall:
            spend(firewall)
            time.sleep(2.5)  # longer than a look: nothing may come
            assert [] == firewall.admin("/v1/events?kind=alert")["events"]
        # Killed between the answer and the note of it, it comes again, under the same id.
        assert 1 == len({got.headers["webhook-id"] for got in there.got})
