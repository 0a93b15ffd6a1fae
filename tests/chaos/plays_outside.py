"""RES-02, RES-03: what the steward sends outside is down, refuses, is slow, or loses its answer."""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from moto.server import ThreadedMotoServer

from s4fw.cli import main as command
from tests.chaos.scene import Crowd, Scene, usd
from tests.harness import Firewall, wait_until
from tests.harness.bucket import REGION, Bucket
from tests.harness.cloud import Cloud

PASS, DROP, LOSE = "pass", "drop", "lose"  # or the code of an error, or seconds


class Door:
    """Stands before AWS; `mode` is what becomes of each call.

    `drop`: no answer at all.  `lose`: it is done, the answer does not come.  A code of an error is
    the answer; so many seconds is how long it takes.  `done` counts what was answered with 200, by
    path.
    """

    def __init__(self, behind: tuple[str, int]) -> None:
        self.mode: str | float = PASS
        self.behind = behind
        self.done: Counter[str] = Counter()
        self.failed = 0
        self.running = 0  # calls that have no answer yet
        self._lock = threading.Lock()
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                door.answer(self)

            do_PUT = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, call: BaseHTTPRequestHandler) -> None:
        """One call.  Connections are not kept, so that a change of mode counts at once."""
        with self._lock:
            self.running += 1
        try:
            self._answer(call)
        finally:
            with self._lock:
                self.running -= 1

    def _answer(self, call: BaseHTTPRequestHandler) -> None:
        body = call.rfile.read(int(call.headers.get("content-length", "0")))
        call.close_connection = True
        mode = self.mode
        if isinstance(mode, float):
            time.sleep(mode)
        if mode == DROP:
            self.failed += 1
            return
        if isinstance(mode, str) and mode not in (PASS, LOSE):
            self.failed += 1
            self._refuse(call, mode)
            return
        status, fields, data = self._passed_on(call, body)
        if status == 200:
            self.done[call.path] += 1
        if mode == LOSE:
            self.failed += 1
            return
        kept = [(n, v) for n, v in fields if n.lower() not in ("connection", "content-length")]
        self._say(call, status, kept, data)

    def _passed_on(self, call: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection(*self.behind)
        try:
            connection.request(call.command, call.path, body, dict(call.headers))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _refuse(self, call: BaseHTTPRequestHandler, code: str) -> None:
        status = 403 if code == "AccessDenied" else 400
        if call.command == "PUT":
            xml = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
        else:
            xml = f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"
        fields = [("content-type", "text/xml"), ("x-amzn-errortype", code)]
        self._say(call, status, [*fields, ("x-amzn-query-error", f"{code};Sender")], xml.encode())

    def _say(
        self, call: BaseHTTPRequestHandler, status: int, fields: list[tuple[str, str]], data: bytes
    ) -> None:
        call.send_response(status)
        for name, value in fields:
            call.send_header(name, value)
        call.send_header("content-length", str(len(data)))
        call.send_header("connection", "close")
        call.end_headers()
        call.wfile.write(data)


@contextmanager
def aws() -> Iterator[Door]:
    """moto behind a door."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    door = Door(server.get_host_and_port())
    door.start()
    try:
        yield door
    finally:
        door.close()
        server.stop()


def bucket_away(scene: Scene) -> str:
    """RES-02: every way in which a bucket can be away, one after the other, under load."""
    door: Door = scene.keep(aws())
    bucket = Bucket("http://{}:{}".format(*door.behind))
    place = {"bucket": bucket.name, "prefix": "audit", "region": REGION}
    proxy = scene.firewall(
        ledger={"enabled": True, "rotate": "1s", "s3": place},
        env=bucket.env | {"AWS_ENDPOINT_URL_S3": door.url},
    )
    faults: list[str | float] = [DROP, "AccessDenied", "SlowDown", 8.0, LOSE]
    with Crowd(proxy, 3, pause_s=0.02) as crowd:
        wait_until(lambda: door.done, "the first segment is stored", timeout_s=15.0)
        for mode in faults if scene.is_whole else [LOSE]:
            before = door.failed
            door.mode = mode
            time.sleep(4.0 if scene.is_whole else 1.5)
            if isinstance(mode, str):
                wait_until(lambda seen=before: door.failed > seen, f"{mode} was met", timeout_s=40)
        steward = next(row["pid"] for row in proxy.workers() if row["kind"] == "steward")
        os.kill(steward, signal.SIGKILL)  # and its successor goes on with what lies here
        door.mode = PASS
        statuses = crowd.stop()
    assert {200} == set(statuses), statuses
    wait_until(lambda: _has_all(proxy, bucket), "all that is sealed is stored", timeout_s=40.0)
    entry = scene.end(proxy, accrued_nusd=0)
    proxy.stop()
    count, rows = _proven(proxy, bucket)
    assert sum(statuses.values()) == rows
    assert {1} == set(door.done.values()), door.done
    bucket.close()
    return (
        f"{door.failed} calls failed; {count} segments, each stored once, {rows} rows for "
        f"{sum(statuses.values())} requests; spent {usd(entry['spent_nusd'])}"
    )


def _has_all(proxy: Firewall, bucket: Bucket) -> bool:
    """Whether the bucket has every segment but the one that is being written."""
    folder = proxy.folder / "state" / "ledger"
    waiting = {path.name[:12] for path in folder.glob("0*")}
    return len(waiting) <= 1 and bool(bucket.names())


def _proven(proxy: Firewall, bucket: Bucket) -> tuple[int, int]:
    """The bucket alone proves the whole ledger: how many segments, how many rows."""
    copy = proxy.folder / "copy"
    copy.mkdir()
    names = bucket.names()
    for name in names:
        (copy / Path(name).name).write_bytes(bucket.read(name))
    numbers = [int(Path(name).name[:12]) for name in names]
    assert list(range(1, len(names) + 1)) == numbers, "a segment is missing, or there twice"
    key = str(proxy.folder / "state" / "ledger" / "public-key.pem")
    said = _audit("verify", "--json", "--dir", str(copy), "--key", key)
    (chain,) = json.loads(said)["chains"]
    assert 0 == chain["gaps"], said
    exported = _audit("export", "--format", "json", "--dir", str(copy))
    lines = [json.loads(line) for line in exported.splitlines()]
    rows = [row for row in lines if row["kind"] != "event"]
    assert len(rows) == len({row["id"] for row in rows}), "a row is there twice"
    return len(names), len(rows)


def _audit(*arguments: str) -> str:
    env = {name: None for name in ("S4FW_ADMIN_URL", "S4FW_ADMIN_TOKEN", "S4FW_CONFIG")}
    result = CliRunner().invoke(command, ["audit", *arguments], env=env)
    assert 0 == result.exit_code, result.output
    return result.stdout


def metrics_throttled(scene: Scene) -> str:
    """RES-03: CloudWatch throttles and then says nothing; the steward goes on with all it does."""
    door: Door = scene.keep(aws())
    cloud = Cloud(door.url, door.behind)
    section = {"enabled": True, "region": REGION, "interval": "10s", "namespace": "S4/Chaos"}
    proxy = scene.firewall(cloudwatch=section, env=cloud.env)
    wait_until(lambda: "cloudwatch" in _told(proxy), "the first look", timeout_s=15.0)
    slowest_s = 0.0
    with Crowd(proxy, 3, pause_s=0.02) as crowd:
        door.mode = "Throttling"
        wait_until(lambda: door.failed > 2, "it was throttled three times", timeout_s=30.0)
        assert "cloudwatch_waits" in _told(proxy)
        door.mode = 8.0
        end_s = time.monotonic() + 12
        while time.monotonic() < end_s:
            asked_s = time.monotonic()
            proxy.admin("/v1/budgets")  # by the very process that is sending
            slowest_s = max(slowest_s, time.monotonic() - asked_s)
            time.sleep(0.05)
        door.mode = PASS
        statuses = crowd.stop()
    assert {200} == set(statuses), statuses
    assert slowest_s < 2.0, f"the steward stood still for {slowest_s:.1f} s"
    wait_until(lambda: "cloudwatch_sent" in _told(proxy), "it is sent again", timeout_s=60.0)
    wait_until(lambda: door.running == 0, "nobody waits for CloudWatch", timeout_s=15.0)
    entry = scene.end(proxy, accrued_nusd=0)
    proxy.stop()  # the last of it is sent at the end
    sent = cloud.total("S4/Chaos", "SpendUSD", tenant="unattributed")
    assert entry["spent_nusd"] == round(sent * 1e9), sent
    cloud.close()
    return (
        f"{door.failed} calls throttled, others took 8 s; {statuses[200]} requests passed, the "
        f"steward answered in {1000 * slowest_s:.0f} ms at most; in the end "
        f"{usd(entry['spent_nusd'])} in the metrics"
    )


def _told(proxy: Firewall) -> set[str]:
    return {event["kind"] for event in proxy.admin("/v1/events")["events"]}
