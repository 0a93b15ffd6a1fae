"""The catalogue: every case, one row, in its order.

A row that names pytest nodes is shown (also) by them: they stand with what they test.  `why_not`
is in the report for what cannot be run on one machine.
"""

from __future__ import annotations

from tests.chaos import hurt
from tests.chaos import plays_client as c
from tests.chaos import plays_clock as k
from tests.chaos import plays_outside as o
from tests.chaos import plays_process as p
from tests.chaos import plays_resource as r
from tests.chaos import plays_upstream as u
from tests.chaos.case import Case, Play

_CLIENT = "tests/proxy/test_client_chaos.py::test_"
_LIFE = "tests/proxy/test_life.py::test_"
_MODEL = "tests/model/test_kills.py::test_every_operation_killed_at_every_point"
_NATIVE = "tests/native/test_native.py::test_"
_TREE = "tests/process/test_tree.py::test_"
_UPSTREAM = "tests/proxy/test_upstream_chaos.py::test_"
_NO_FLEET = "there is no shared engine of a fleet yet"


def _where(is_possible: bool, play: Play, why_not: str) -> tuple[Play | None, str]:
    """A play, or why it cannot run on this machine."""
    return (play, "") if is_possible else (None, why_not)


_KILLED, _NO_GROUP = _where(r.has_cgroups(), r.out_of_memory, "no right to make cgroups (v1) here")
_SLOWED, _ = _where(r.has_cgroups(), r.little_processor, "")
_WITHOUT_PORTS, _NO_NETWORK = _where(
    r.can_enter_networks(), r.ports_exhausted, "no right to make a network here"
)
_FILLED, _NO_MOUNT = _where(r.can_mount(), r.state_full, "no right to mount a small disk here")

CASES = (
    # Processes.
    Case("CHA-01", "kill -9 a worker with 50 live streams, then the other",
         "50 × worst case accrued, nothing given back", p.worker_killed, is_short=True),
    Case("CHA-02", "kill -9 the master while streams run, start another",
         "the same numbers; no lease recovered twice", p.master_killed,
         (_TREE + "kill_of_the_master_lets_streams_finish_and_a_successor_take_over",),
         is_short=True),
    Case("CHA-03", "kill -9 the master, then a worker, then start another",
         "each lease recovered once, at worst case", p.master_then_worker_killed,
         (_TREE + "kill_of_master_and_then_of_its_orphan_is_recovered_once",), is_short=True),
    Case("CHA-04", "kill -9 everything, start again",
         "numbers as before; what was sent at worst case", p.everything_killed, is_short=True),
    Case("CHA-05", "wipe the runtime directory",
         "charged up to the durable mark: at least the truth, accrued as power_loss",
         nodes=("tests/durability", "tests/plays/test_f40_power_loss.py")),
    Case("CHA-06", "kill -9 a worker every 200 ms, 300 times, under load",
         "used <= limit and used == charged + held at every sample", p.killed_in_a_loop,
         is_short=True),
    Case("CHA-07", "SIGSTOP a worker for 3 s, SIGCONT", "streams go on and settle exactly",
         p.stopped_for_a_while, is_short=True),
    Case("CHA-08", "SIGSTOP a worker for ever", "killed after 5 s; worst case for its streams",
         p.stopped_for_ever,
         (_TREE + "stopped_worker_is_killed_after_five_seconds_and_not_before",)),
    Case("CHA-09", "stop a process inside the table's lock, half of a record applied",
         "others refuse with 503 until it is killed, then go on exactly",
         p.stopped_inside_the_lock, is_short=True),
    Case("CHA-10", "kill at each named point, of the C and of the Python",
         "never half an operation: void, worst case or exact", p.killed_at_every_point,
         (_NATIVE + "every_operation_killed_at_every_point_is_whole_or_never_was",
          _MODEL + "_leaves_what_the_mirror_says"), is_short=True, is_interpreted=True),
    Case("CHA-11", "SIGTERM during 100 streams, half of them longer than the drain",
         "what ended is exact, what was cut is worst case", p.drained,
         (_LIFE + "drain_deadline_aborts_at_worst_case",), is_short=True),
    Case("CHA-12", "SIGHUP × 100: limits up and down, nonsense, a renamed budget",
         "no request dropped, no spend lost", p.reloaded,
         (_TREE + "sighup_invalid_or_unreloadable_keeps_the_old_one_and_says_why",),
         is_short=True),
    Case("CHA-13", "the kernel kills a worker for its memory", "as CHA-01", _KILLED,
         why_not=_NO_GROUP),
    Case("CHA-14", "workers that cannot boot", "back-off, then the service fails; caps untouched",
         nodes=(_TREE + "start_workers_that_die_while_booting_stop_the_service",)),
    Case("CHA-15", "two masters at once", "the second refuses with 75",
         nodes=(_TREE + "start_second_master_exits_75_and_leaves_the_first_alone",)),
    Case("CHA-16", "a table of wrong version, crc or magic, cut, empty, read-only",
         "refused with 65 and a sentence; never zeroed",
         nodes=(_TREE + "start_damaged_table_exits_65_and_never_touches_it",
                "tests/ledger/test_table_file.py")),
    Case("CHA-17", "a worker's loop stands still for 2 s",
         "what waited is shed with 503; no watchdog before 5 s", p.worker_blocked, is_short=True),
    # Upstreams.
    Case("UPS-01", "connection refused, no such host, no TLS", "void; the breaker opens",
         u.unreachable, (_UPSTREAM + "connect_refused_answers_502_and_charges_nothing",),
         is_short=True),
    Case("UPS-02", "accepts and never answers", "504, worst case", u.unanswered, is_short=True),
    Case("UPS-03", "reset before the answer, after its head, within the stream",
         "worst case; exact once usage was seen", u.cut,
         (_UPSTREAM + "cut_after_usage_keeps_the_usage",), is_short=True),
    Case("UPS-04", "a clean close without the last chunk or event", "worst case", u.half_closed,
         is_short=True),
    Case("UPS-05", "byte by byte, 50 streams at once", "exact", u.streams_compared,
         (_UPSTREAM + "slow_drip_passes",), is_short=True),
    Case("UPS-06", "a stream that never ends", "cut at the total deadline, worst case", u.endless,
         is_short=True),
    Case("UPS-07", "usage absent, in the middle, twice, negative, huge, text",
         "worst case, or the last", u.usage_lies, is_short=True),
    Case("UPS-08", "garbage, 300 kB of header, 20,000 headers, 1xx, a second answer",
         "worst case where it is unreadable", u.unreadable,
         ("tests/proxy/test_cases.py::test_response_case_ends_as_it_should",), is_short=True),
    Case("UPS-09", "429 400 401 403 404 413 422", "relayed, void", u.refused, is_short=True),
    Case("UPS-10", "500 502 503 529; an error after three events", "void; worst case", u.failing,
         is_short=True),
    Case("UPS-11", "300 callers leave before their answers", "exact, beyond 256 worst case",
         u.callers_gone, is_short=True),
    Case("UPS-12", "an error event in a stream of status 200", "worst case without usage",
         u.errors_in_streams, is_short=True),
    Case("UPS-13", "answers by a dearer model than was asked", "at that model's price",
         u.dearer_model, is_short=True),
    Case("UPS-14", "four times the output that was allowed", "counted; the next one is refused",
         u.dearer_model),
    Case("UPS-15", "a kept connection closes as it is used again", "one charge", u.closed_at_reuse,
         (_UPSTREAM + "kept_connection_that_takes_nothing_is_tried_once_more",), is_short=True),
    Case("UPS-16", "a line of 1 MB, CR only, everything split at every byte", "exact", u.odd_lines,
         is_short=True),
    Case("UPS-17", "Bedrock frames: bad CRC, cut prelude, exception", "usage seen, else worst case",
         nodes=("tests/dialects/test_eventstream.py", "tests/dialects/bedrock/test_meter.py",
                "tests/plays/test_d30_bedrock.py::test_stream_that_breaks_raises_and_is_charged")),
    # Callers.
    Case("CLI-01", "leave after the request, after the first chunk, before the usage", "exact",
         c.left_at_any_time,
         (_CLIENT + "caller_gone_and_the_upstream_never_ends",), is_short=True),
    Case("CLI-02", "half-close after the request", "answered, exact", c.half_closed, is_short=True),
    Case("CLI-03", "never read, window of 1 kB", "bounded memory; exact or worst case",
         c.never_reading, (_CLIENT + "stalled_caller_does_not_grow_our_memory",), is_short=True),
    Case("CLI-04", "5,000 heads and 1,000 bodies, a byte at a time", "408, nothing held ever",
         c.creeping, is_short=True),
    Case("CLI-05", "64 in a pipeline, allowed and denied", "in order, each its own", c.pipelined,
         is_short=True),
    Case("CLI-06", "all raw HTTP cases", "their verdicts",
         nodes=("tests/proxy/test_cases.py",)),
    Case("CLI-07", "100,000 wrong keys beside a good one", "401, the good one is served; no flood",
         c.guessing, is_short=True),
    # Resources.
    Case("RES-01", "the disk of the sums is full for a while", "no row lost, none twice", _FILLED,
         ("tests/process/test_bookkeeper.py::"
          "test_file_that_cannot_be_written_keeps_the_rows_and_alarms_once",), why_not=_NO_MOUNT),
    Case("RES-02", "S3 down, refusing, slow, losing its answer; then the steward is killed",
         "every row stored exactly once", o.bucket_away, ("tests/process/test_shipper.py",)),
    Case("RES-03", "CloudWatch throttles, then takes 8 s for each call",
         "never blocks; in the end it has what was spent", o.metrics_throttled,
         ("tests/process/test_cloudwatch.py",)),
    Case("RES-04", "1,000 callers and 256 descriptors", "refused or served; streams live",
         r.few_descriptors, is_short=True),
    Case("RES-05", "no local ports left to one upstream", "503, void; the upstream is not blamed",
         _WITHOUT_PORTS, why_not=_NO_NETWORK),
    Case("RES-06", "the clock jumps an hour, forty days, back", "no second budget", k.jumps,
         ("tests/process/test_clock.py", "tests/process/test_timekeeper.py"), is_short=True),
    Case("RES-07", "a window ends under load, streams span it",
         "the old one gets its settles, the new one starts at 0", r.window_rolls_over,
         ("tests/plays/test_c20_windows_roll_over.py",)),
    Case("RES-08", "Redis stops, loses writes, refuses", "sum <= limit", why_not=_NO_FLEET),
    Case("RES-09", "two instances, each cut off", "sum <= limit", why_not=_NO_FLEET),
    Case("RES-10", "a fifth of one processor for everything", "sheds; exact", _SLOWED,
         why_not=_NO_GROUP),
    Case("RES-10b", "a worker's memory above its bound", "sheds, nothing held", r.memory_shed,
         is_short=True),
    Case("RES-11", "AWS credentials cannot be had, or expire", "503 with a reason, void",
         nodes=("tests/process/test_credentials.py", "tests/proxy/test_credentials.py")),
    # Load.
    Case("LOD-01", "10,000 idle connections beside traffic", "exact; little memory, no delay",
         hurt.idle_connections),
    Case("LOD-02", "1,000 streams at once, every byte compared", "exact; nothing lost or mixed up",
         hurt.many_streams),
    Case("LOD-03", "twice the capacity, open-loop", ">= 90 % of the peak, refusals fast",
         hurt.twice_the_capacity),
    Case("LOD-04", "calls race for a cap, four levels", "exactly as many as fit",
         nodes=("tests/plays/test_c10_cap_is_exact.py",)),
    Case("LOD-05", "a child's budget is full, then its parent's",
         "each blocks its own, nothing is taken from the others",
         nodes=("tests/plays/test_c10_cap_is_exact.py::"
                "test_child_that_is_full_blocks_only_itself_and_parent_blocks_all",)),
    Case("LOD-06", "a mix of faults under load, for two minutes",
         "used == charged, nothing held, memory and descriptors flat", hurt.mixed, limit_s=300),
    Case("LOD-07", "a million operations of the C against a model", "the same",
         nodes=("tests/model/test_walk.py", "tests/ledger/test_table_against_model.py")),
    Case("LOD-08", "sanitizers of threads, addresses, undefined behaviour", "clean",
         nodes=("tests/native",)),
)  # fmt: skip
