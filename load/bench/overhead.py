"""What seeing costs: scraped metrics, ledger, alerts and CloudWatch on, against all of it off.

Two firewalls on the same core, loaded in turn with the same chat request, and whatever their
steward does with it counts: after each load it gets the time to catch up, and to pack and send the
ledger's segments.  A round is longer than the interval of CloudWatch.

What cannot be switched off is on in both: counters of the shared table, and the sums and histograms
that the steward makes of journal rows (`in steward and master` tells what of a request is theirs).
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from load.bench import cpu
from load.bench.bed import Bed
from load.bench.rivals import Firewall
from load.bench.rounds import Comparison, Sample, check
from load.bench.shapes import CHAT, OVERHEAD, OVERHEAD_MARK
from load.bench.upstream import Upstream

ROUND_S, QUICK_ROUND_S = 11.0, 2.0
CATCH_UP_S = 1.5
SCRAPE_S = 1.0  # fifteen times as often as Prometheus does by itself
WARM_S = 3.0

OFF: dict[str, Any] = {
    "alerts": {
        "runs_out_within": "0s",
        "retries_per_minute": 0,
        "context_growth": 0,
        "tool_changes": 0,
        "cost_spike": 0,
        "prices_older_than_days": 0,
    }
}


def _on(sink: Upstream) -> dict[str, Any]:
    return {
        "ledger": {
            "enabled": True,
            "max_bytes": "256MiB",
            "s3": {"bucket": "s4fw-bench", "region": "us-east-1"},
        },
        "cloudwatch": {"enabled": True, "interval": "10s", "region": "us-east-1"},
        "alerts": {
            "webhook": {
                "url": f"http://127.0.0.1:{sink.port}/hook",
                "secret": "signs-what-nobody-reads",
            }
        },
    }


def _environment(sink: Upstream) -> dict[str, str]:
    """What sends boto3 to the sink."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{sink.port}",
        "AWS_ACCESS_KEY_ID": "AKIDBENCH",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def compare(bed: Bed, rounds: int, is_quick: bool) -> Comparison:
    """Measure with fresh firewalls.  Raises BadRun, TreeChanged."""
    sink = bed.sink
    on, off = _on(sink), OFF
    with (
        bed.firewall(bed.fixed, more=on, environment=_environment(sink)) as ours,
        bed.firewall(bed.fixed, more=off) as theirs,
    ):
        seconds = QUICK_ROUND_S if is_quick else ROUND_S
        for rival in (ours, theirs):
            check(bed.wrk.run(CHAT, rival.port, WARM_S), False)
        time.sleep(CATCH_UP_S)
        pairs = []
        for _ in range(rounds):
            with _scraped(ours):
                first = _sample(bed, ours, seconds)
            pairs.append((first, _sample(bed, theirs, seconds)))
    return of_pairs(pairs)


def _sample(bed: Bed, rival: Firewall, seconds: float) -> Sample:
    before = rival.ticks()
    report = bed.wrk.run(CHAT, rival.port, seconds)
    time.sleep(CATCH_UP_S)
    spent = cpu.spent(before, rival.ticks(), rival.workers)
    check(report, False)
    return Sample(
        spent.us / report.requests,
        spent.beside_us / report.requests,
        report.requests / report.seconds,
        report.p99_ms,
    )


@contextlib.contextmanager
def _scraped(rival: Firewall) -> Iterator[None]:
    """Read /metrics again and again meanwhile."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(SCRAPE_S):
            connection = http.client.HTTPConnection("127.0.0.1", rival.admin_port, timeout=20.0)
            with contextlib.closing(connection):
                connection.request("GET", "/metrics")
                connection.getresponse().read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def of_pairs(pairs: list[tuple[Sample, Sample]]) -> Comparison:
    """The median of the ratios, on over off."""
    ratios = [on.us_each / off.us_each for on, off in pairs]
    beside_us = [median(side[which].beside_us for side in pairs) for which in (0, 1)]
    return Comparison(
        OVERHEAD,
        "chat with scraped metrics, ledger, alerts and CloudWatch on, against all of it off",
        "request",
        median(on.us_each for on, _ in pairs),
        median(off.us_each for _, off in pairs),
        median(ratios),
        min(ratios),
        max(ratios),
        OVERHEAD_MARK,
        (f"in steward and master {beside_us[0]:.1f} us on, {beside_us[1]:.1f} us off",),
        {"on_beside_us": beside_us[0], "off_beside_us": beside_us[1]},
    )
