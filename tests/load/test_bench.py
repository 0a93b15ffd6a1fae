"""The benchmark's own arithmetic: a figure that is read or judged wrongly is worse than none."""

from __future__ import annotations

import os
import time
from pathlib import Path

import orjson
import pytest

from load.bench import cpu, figures, overhead, payloads, rounds, shapes, upstream, wrk
from load.bench.cpu import Stat, TreeChanged
from load.bench.machine import Machine
from load.bench.report import Report, ratio_row, verdict
from load.bench.rounds import Comparison, Sample
from load.bench.streams import percentile
from load.bench.wrk import BadRun, Load
from s4fw.process import aws

STAT = "4242 (s4fw: worker) 0) S 17 4242 4242 0 -1 4194560 100 0 0 0 730 41 5 6 20 0 3 0 99 1 2 3\n"


def test_parse_stat_name_with_parenthesis_reads_the_fields_behind_it() -> None:
    """A process may call itself anything; its processor time stands behind the last parenthesis."""
    assert Stat(parent=17, state="S", ticks=771) == cpu.parse_stat(STAT)


def test_descendants_of_a_master_are_its_children_and_theirs_only() -> None:
    """Processor time of a neighbour must not count, that of a grandchild must."""
    parents = {10: 1, 11: 10, 12: 11, 20: 1, 21: 20}
    assert {10, 11, 12} == cpu.descendants(10, parents)


def test_ticks_of_this_process_grow_with_what_it_computes() -> None:
    """What is compared is really processor time."""
    before = cpu.ticks(os.getpid())[os.getpid()]
    end_s = time.process_time() + 0.05
    while time.process_time() < end_s:
        pass
    assert cpu.ticks(os.getpid())[os.getpid()] >= before + 0.03 * 1e6 // cpu.US_PER_TICK


def test_spent_by_a_tree_tells_apart_what_its_workers_did_not_use() -> None:
    """The steward's share is part of the price of a request, and is told."""
    spent = cpu.spent({1: 5, 2: 100, 3: 7}, {1: 6, 2: 300, 3: 17}, busiest=1)
    assert (211 * cpu.US_PER_TICK, 11 * cpu.US_PER_TICK) == (spent.us, spent.beside_us)


def test_spent_by_a_tree_that_lost_a_process_is_no_figure() -> None:
    """A worker that died took its processor time along; the request would look cheap."""
    with pytest.raises(TreeChanged):
        cpu.spent({1: 5, 2: 100}, {1: 6}, busiest=1)


WRK = """Running 2s test @ http://127.0.0.1:8080
  1 threads and 64 connections
  Non-2xx or 3xx responses: 12

@{"requests":24000,"us":2001000,"refused":12,"broken":3,"p50_us":1500,"p99_us":4250}
"""


def test_parse_wrk_output_gives_requests_and_delays() -> None:
    """The report comes from wrk's own figures, exact, not from its rounded table."""
    report = wrk.parse(WRK)
    assert (24000, 12, 3) == (report.requests, report.refused, report.broken)
    assert (2.001, 1.5, 4.25) == (report.seconds, report.p50_ms, report.p99_ms)


def test_parse_wrk_output_without_report_is_a_bad_run() -> None:
    """wrk that cannot connect prints a sentence; that must not look like zero requests."""
    with pytest.raises(BadRun, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused\n")


@pytest.mark.parametrize(
    ("refused", "broken", "is_refused"),
    [(0, 100, False), (100, 0, False), (0, 0, True), (900, 0, True)],
)
def test_check_answers_of_another_kind_stop_the_round(
    refused: int, broken: int, is_refused: bool
) -> None:
    """A refusal is cheap: a shape whose requests are refused by mistake would look fast."""
    with pytest.raises(BadRun):
        rounds.check(wrk.Report(1000, 1.0, refused, broken, 1.0, 2.0), is_refused)


def test_check_answers_as_they_should_be_pass() -> None:
    """All refused where that is the shape, none elsewhere; a stray one in a thousand is noise."""
    rounds.check(wrk.Report(1000, 1.0, 1000, 0, 1.0, 2.0), is_refused=True)
    rounds.check(wrk.Report(1000, 1.0, 1, 0, 1.0, 2.0), is_refused=False)


def test_script_of_new_text_keeps_the_prefix_and_changes_the_end() -> None:
    """The transcript's prefix must be found in the memory, its last turn must not."""
    load = Load(payloads.transcript())
    before, _, after = load.body.partition(payloads.NEW)
    assert '"turn "' not in before
    assert len(before) > 0.98 * len(load.body)
    for turn in ("turn 1", "turn 2"):
        messages = orjson.loads(before + turn + after)["messages"]
        assert messages[-1]["content"].startswith(turn)
    assert 'before .. "turn " .. count .. after' in wrk.script(load, Path("a"), Path("b"))


def test_script_of_a_constant_request_makes_it_once() -> None:
    """A request made anew each time would cost the load generator, and differ between shapes."""
    assert "function request()" not in wrk.script(shapes.CHAT, Path("a"), Path("b"))


def test_payload_sizes_are_what_the_shapes_say() -> None:
    """The marks are promised for these sizes."""
    assert 650 <= len(payloads.chat()) <= 750
    assert 600 <= len(payloads.COMPLETION) + 20 <= 650
    assert 99_000 <= len(payloads.transcript()) <= 101_000
    assert 31 * 2**20 < len(payloads.big(32 * 2**20, "n")) < 32 * 2**20


@pytest.mark.parametrize(
    ("value", "mark", "is_least", "said"),
    [
        (2.0, 2.0, False, "ok"),
        (2.01, 2.0, False, "missed"),
        (1.0, 1.0, True, "ok"),
        (0.99, 1.0, True, "missed"),
        (9.0, None, False, "-"),
    ],
)
def test_verdict_at_the_mark_is_kept_and_past_it_missed(
    value: float, mark: float | None, is_least: bool, said: str
) -> None:
    """Nobody should have to compare two columns."""
    assert said == verdict(value, mark, is_least)


def test_percentile_of_hundred_values_leaves_one_above() -> None:
    """p99 is the one that only one of a hundred exceeds."""
    values = [float(n) for n in range(100, 0, -1)]
    assert 100.0 == percentile(values, 0.99)
    assert 51.0 == percentile(values, 0.5)
    assert 7.0 == percentile([7.0], 0.99)


def test_parse_pairs_takes_the_asked_number_of_cells() -> None:
    """The table's benchmark reports several; only 4 cells have a mark."""
    output = "1 cells, process 0:    500 ns a pair\n4 cells, process 0:    913 ns a pair\n"
    assert [913.0] == figures.parse_pairs(output, 4)


def test_parse_pss_reads_the_whole_and_not_a_part() -> None:
    """Pss_Anon and others stand below the line that counts."""
    text = "00400000-7ffe rollup\nRss:  9000 kB\nPss:   4300 kB\nPss_Anon:   4000 kB\n"
    assert 4300 * 1024 == figures.parse_pss(text)


def test_report_of_a_missed_mark_says_so_in_both_files(tmp_path: Path) -> None:
    """What is kept of a run holds the verdicts, with date, machine and commit."""
    machine = Machine("2026-01-02 03:04 UTC", "abc1234", "compiled", "cpu", 2, "6.1", "3.11", 0.1)
    report = Report(machine, 5)
    report.ratios.append(
        Comparison("chat", "says", "request", 50.0, 20.0, 2.5, 2.4, 2.6, 2.0, ("a note",))
    )
    path = report.write(tmp_path)
    assert "202601020304-abc1234.md" == path.name
    assert "| chat | says; a note | 50.0 us/request | 20.0 us | 2.50x | 2.40-2.60 |" in (
        path.read_text()
    )
    document = orjson.loads(path.with_suffix(".json").read_bytes())
    assert "missed" == document["ratios"][0]["verdict"]
    assert "abc1234" == document["machine"]["commit"]


def test_names_of_what_can_be_measured_are_unique() -> None:
    """`--only` must mean one thing."""
    assert len(set(shapes.NAMES)) == len(shapes.NAMES)
    assert set(shapes.FIGURES) == figures.FIGURES.keys()


def test_overhead_is_the_median_of_paired_ratios_with_its_mark() -> None:
    """One disturbed round must not decide; what the steward did is told for both sides."""

    def side(us: float, beside: float) -> Sample:
        return Sample(us, beside, 9000.0, 3.0)

    pairs = [
        (side(52.0, 7.0), side(50.0, 5.0)),
        (side(90.0, 9.0), side(51.0, 5.0)),
        (side(51.5, 6.0), side(50.0, 4.0)),
    ]
    found = overhead.of_pairs(pairs)
    assert (1.04, 1.05) == (round(found.value, 2), found.mark)
    row = ratio_row(found)
    assert ("52.0 us/request", "(50.0 us)", "1.04x", "<= 1.05x", "ok") == (
        row[2], row[3], row[4], row[6], row[7],
    )  # fmt: skip
    assert "in steward and master 7.0 us on, 5.0 us off" in row[1]


def test_sink_takes_metrics_objects_and_letters_as_aws_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused is tried again and again: then the row would measure that."""
    there = upstream.sink(tmp_path, os.sched_getaffinity(0))
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{there.port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDBENCH")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "bench")
        for service in ("cloudwatch", "s3", "sns"):
            monkeypatch.delenv(f"AWS_ENDPOINT_URL_{service.upper()}", raising=False)
        metrics = aws.client("cloudwatch", "us-east-1", 5, 0)
        metrics.put_metric_data(Namespace="S4/Firewall", MetricData=[{"MetricName": "a"}])
        bucket = aws.client("s3", "us-east-1", 5, 0)
        bucket.put_object(Bucket="s4fw-bench", Key="a", Body=b"x" * 100_000, IfNoneMatch="*")
        bucket.close()
        metrics.close()
    finally:
        there.child.end()
