"""How often callers may come and how many of their requests may run, over one table."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s4fw.core.attribution import DIMENSIONS, Attribution
from s4fw.core.exchange import Exchange
from s4fw.core.request import Request
from s4fw.core.verdict import Block
from s4fw.dialects import ROUTES
from s4fw.ledger.budgets import Budgets
from s4fw.ledger.callers import COUNT_DIMENSION, Callers
from s4fw.ledger.rates import Rate
from s4fw.ledger.table import Table
from s4fw.ledger.upkeep import Upkeep
from s4fw.ledger.window import Clock, boot_ns
from s4fw.units import NUSD_MAX
from tests.a_budget import Budget

CHAT = ROUTES[b"/v1/chat/completions"][b"POST"]


@dataclass
class Limits:
    """As the configuration has them."""

    per_key_rpm: int | None = None
    global_rpm: int | None = None
    per_key_in_flight: int | None = None
    burst: int | None = None
    per_key_held_share: int | None = None


def a_rate(table: Table, name: bytes, interval_ns: int, burst: int) -> Rate:
    """A rate with a cell of its own."""
    count = table.intern(COUNT_DIMENSION, name)
    return Rate(*table.claim(count, 5, 0, (), NUSD_MAX, NUSD_MAX), interval_ns, burst)


class Bucket:
    """A rate in the plainest words: a bucket of `burst` tokens, one more each interval.

    Counted in ns of interval, so that it is exact.
    """

    def __init__(self, interval_ns: int, burst: int) -> None:
        self.interval_ns, self.size_ns = interval_ns, interval_ns * burst
        self.level_ns, self.at_ns = self.size_ns, 0

    def wait_ns(self, now_ns: int) -> int:
        """How long until a token is there."""
        self.level_ns = min(self.size_ns, self.level_ns + now_ns - self.at_ns)
        self.at_ns = now_ns
        return max(0, self.interval_ns - self.level_ns)


rates = st.tuples(st.integers(1, 1000), st.integers(1, 5))


@settings(max_examples=60, deadline=None)
@given(
    own=rates,
    other=rates,
    shared=rates,
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 1500)), max_size=60),
)
def test_arrive_decides_like_two_plain_buckets(
    tmp_path_factory: pytest.TempPathFactory,
    own: tuple[int, int],
    other: tuple[int, int],
    shared: tuple[int, int],
    steps: list[tuple[bool, int]],
) -> None:
    """Own before shared, both or neither, and the wait is exact, whatever comes when."""
    path = tmp_path_factory.mktemp("rates") / "table"
    with Table.create(path, slots=1, cells=16, leases=1, values=64, rows=2) as table:
        places = {
            name: a_rate(table, name, *rate)
            for name, rate in ((b"own", own), (b"other", other), (b"all", shared))
        }
        buckets = {b"own": Bucket(*own), b"other": Bucket(*other), b"all": Bucket(*shared)}
        sets = {n: table.rate_set([places[n], places[b"all"]]) for n in (b"own", b"other")}
        now_ns = 10**12
        for bucket in buckets.values():
            bucket.at_ns = now_ns
        for is_own, pause_ns in steps:
            now_ns += pause_ns
            name = b"own" if is_own else b"other"
            both = [buckets[name], buckets[b"all"]]
            waits = [bucket.wait_ns(now_ns) for bucket in both]
            expected = next((wait for wait in waits if wait), 0)
            assert expected == table.arrive(sets[name], now_ns)
            if expected:
                assert (0 if waits[0] else 1) == table.answer[0]
            else:
                for bucket in both:
                    bucket.level_ns -= bucket.interval_ns


def in_children(count: int, work: Callable[[int], None]) -> list[int]:
    """Fork children that run `work` and exit; their pids."""
    pids = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            try:
                work(number)
            finally:
                os._exit(0)
        pids.append(pid)
    return pids


def test_arrive_in_processes_one_of_them_killed_admits_exactly_the_burst(
    table: Table, tmp_path: Path
) -> None:
    """A request that was counted by one process is counted for all, and a killed one leaves the
    rate whole."""
    rate_set = table.rate_set([a_rate(table, b"all", 10**12, 3000)])
    admitted = tmp_path / "admitted"
    admitted.touch()

    def come(number: int) -> None:
        with admitted.open("ab", buffering=0) as file:
            for _ in range(4000 if number else 10**9):  # the first comes until it is killed
                if table.arrive(rate_set, 1) == 0:
                    file.write(b"x")

    first, *others = in_children(3, come)
    time.sleep(0.01)
    os.kill(first, signal.SIGKILL)
    for pid in (first, *others):
        os.waitpid(pid, 0)
    # It may have died between being admitted and writing that down.
    assert admitted.stat().st_size in (2999, 3000)
    assert table.arrive(rate_set, 1) > 0


@pytest.fixture
def clock() -> Clock:
    """The clock of this machine."""
    return Clock(time.time_ns() - boot_ns())


def an_exchange(key: str | None) -> Exchange:
    """One of a key, that may cost 1 nano-USD."""
    x = Exchange(CHAT, Request(b"POST", b"/v1/chat/completions", b"", {}))
    named = {"key": key, "tenant": "acme"}
    x.attribution = Attribution(tuple(named.get(name) for name in DIMENSIONS))
    x.quote_nusd = 1
    return x


def code_of(block: Block | None) -> str | None:
    """The code of a block."""
    return block.code.name if block is not None else None


def test_arrive_beyond_the_burst_says_how_long_and_in_both_units(table: Table) -> None:
    """SDKs read milliseconds, others whole seconds, which must not be shorter."""
    callers = Callers(table, Limits(per_key_rpm=100, burst=2))
    assert [None, None] == [callers.arrive("bot"), callers.arrive("bot")]
    block = callers.arrive("bot")
    assert block is not None
    assert "rate_limit_exceeded" == block.code.name
    assert 0 < (block.retry_after_ms or 0) <= 600
    assert 1 == block.retry_after_s
    assert "per_key_rpm" == block.detail["limit"]
    assert callers.arrive("another") is None
    assert callers.arrive(None) is None  # anonymous callers are one of their own


def test_arrive_one_a_minute_waits_at_most_a_minute(table: Table) -> None:
    """No SDK is told to sleep for longer than it will obey."""
    callers = Callers(table, Limits(global_rpm=1))
    assert callers.arrive(None) is None
    block = callers.arrive("bot")
    assert block is not None
    assert 60 == block.retry_after_s
    assert "global_rpm" == block.detail["limit"]


def test_arrive_refused_by_its_own_rate_leaves_the_shared_one_to_others(table: Table) -> None:
    """One caller in a loop must not use up what all share."""
    callers = Callers(table, Limits(per_key_rpm=1, global_rpm=2))
    assert [None, *["rate_limit_exceeded"] * 5] == [
        code_of(callers.arrive("bot")) for _ in range(6)
    ]
    assert callers.arrive("another") is None
    assert "rate_limit_exceeded" == code_of(callers.arrive("third"))


def test_arrive_after_a_reload_goes_on_where_it_was(table: Table) -> None:
    """A reload or a respawn is no way around a rate; the wait is that of the new one at once."""
    assert Callers(table, Limits(per_key_rpm=1)).arrive("bot") is None
    waits = []
    for rpm in (1, 3):
        block = Callers(table, Limits(per_key_rpm=rpm)).arrive("bot")
        assert block is not None
        waits.append(block.retry_after_s)
    assert [60, 20] == waits


def test_arrive_cell_closed_meanwhile_is_claimed_again(table: Table) -> None:
    """A caller who comes back after a month gets in."""
    callers = Callers(table, Limits(per_key_rpm=60))
    assert callers.arrive("bot") is None
    (cell,) = table.cells()
    assert table.close_cell(cell.index, cell.generation)
    assert callers.arrive("bot") is None


def test_arrive_when_no_cell_is_free_refuses(table: Table) -> None:
    """What cannot be counted is not let through."""
    budget = table.intern(8, b"b")
    for start_s in range(table.sizes.cells):
        table.claim(budget, 2, start_s, (), 1, 1)
    callers = Callers(table, Limits(per_key_rpm=60))
    assert "firewall_unavailable" == code_of(callers.arrive("bot"))


def test_reserve_beyond_the_running_requests_of_a_key_is_refused_until_one_ends(
    table: Table, clock: Clock
) -> None:
    """One caller cannot hold all the money with requests that never end."""
    table.join(0)
    budgets = Budgets(
        table, [Budget()], clock, "v1", callers=Callers(table, Limits(per_key_in_flight=2))
    )
    running = [an_exchange("bot"), an_exchange("bot")]
    assert [None, None] == [budgets.reserve(x) for x in running]
    crowded = budgets.reserve(an_exchange("bot"))
    assert crowded is not None
    assert ("rate_limit_exceeded", 1) == (crowded.code.name, crowded.retry_after_s)
    assert "per_key_in_flight" == crowded.detail["limit"]
    assert budgets.reserve(an_exchange("another")) is None
    assert budgets.reserve(an_exchange(None)) is None
    assert running[0].reservation is not None
    running[0].reservation.settle(1, running[0])
    assert budgets.reserve(an_exchange("bot")) is None
    assert "rate_limit_exceeded" == code_of(budgets.reserve(an_exchange("bot")))
    assert [] == table.audit(0, table.sizes.cells)


def test_reserve_beyond_the_held_share_of_a_key_is_refused_until_some_of_it_is_back(
    table: Table, clock: Clock
) -> None:
    """One caller cannot shut all others out with quotes that it will not use up."""
    table.join(0)
    quote = an_exchange("bot").quote_nusd
    budget = Budget(limit_nusd=10 * quote)
    limits = Limits(per_key_held_share=250)  # a quarter: room for two and a half
    budgets = Budgets(table, [budget], clock, "v1", callers=Callers(table, limits))
    running = [an_exchange("bot"), an_exchange("bot")]
    assert [None, None] == [budgets.reserve(x) for x in running]
    heavy = budgets.reserve(an_exchange("bot"))
    assert heavy is not None
    assert ("rate_limit_exceeded", "per_key_held_share") == (heavy.code.name, heavy.detail["limit"])
    assert budgets.reserve(an_exchange("another")) is None
    assert running[0].reservation is not None
    running[0].reservation.settle(9 * quote, running[0])  # charged is not held
    assert "budget_exceeded" == code_of(budgets.reserve(an_exchange("bot")))
    assert [] == table.audit(0, table.sizes.cells)


def test_reserve_of_the_only_request_of_a_key_passes_whatever_its_share(
    table: Table, clock: Clock
) -> None:
    """A share is about many requests at once; one that fits the budget must not be impossible."""
    table.join(0)
    quote = an_exchange("bot").quote_nusd
    limits = Limits(per_key_held_share=1)
    budget = Budget(limit_nusd=10 * quote)
    budgets = Budgets(table, [budget], clock, "v1", callers=Callers(table, limits))
    assert budgets.reserve(an_exchange("bot")) is None
    assert "rate_limit_exceeded" == code_of(budgets.reserve(an_exchange("bot")))


def test_reserve_after_a_worker_died_has_its_share_back(table: Table, clock: Clock) -> None:
    """A killed worker's requests are over; nobody may wait for them for ever."""
    callers = Callers(table, Limits(per_key_in_flight=2))
    budgets = Budgets(table, [Budget()], clock, "v1", callers=callers)

    def die(_: int) -> None:
        table.join(1)
        for x in (an_exchange("bot"), an_exchange("bot")):
            assert budgets.reserve(x) is None
        os.kill(os.getpid(), signal.SIGKILL)

    (pid,) = in_children(1, die)
    os.waitpid(pid, 0)
    table.join(0)
    assert "rate_limit_exceeded" == code_of(budgets.reserve(an_exchange("bot")))
    assert 2 == table.recover(1, time.time_ns()).voided
    assert [None, None] == [budgets.reserve(an_exchange("bot")) for _ in range(2)]
    assert [] == table.audit(0, table.sizes.cells)


def test_cells_that_count_requests_are_none_of_the_budgets(table: Table, clock: Clock) -> None:
    """They are charged nothing, so they are neither shown as budgets nor closed while used."""
    table.join(0)
    callers = Callers(table, Limits(per_key_rpm=60, per_key_in_flight=2))
    budgets = Budgets(table, [Budget()], clock, "v1", callers=callers)
    assert callers.arrive("bot") is None
    assert budgets.reserve(an_exchange("bot")) is None
    upkeep = Upkeep(table, [Budget()], clock)
    assert 2 == len(table.cells())
    assert 1 == sum(upkeep.describe(cell) is not None for cell in table.cells())
    assert (0, 0) == (upkeep.close_over(), upkeep.apply_limits())
    assert 0 == sum(cell.charged for cell in table.cells() if upkeep.describe(cell) is None)


@dataclass
class Own:
    """What a key has of its own."""

    rpm: int | None = None
    in_flight: int | None = None
    burst: int | None = None


@dataclass
class Key:
    """A caller as the configuration has it."""

    id: str
    limits: Own


def burst_of(callers: Callers, key: str | None) -> int:
    """How many requests of a caller pass at once."""
    passed = 0
    while callers.arrive(key) is None:
        passed += 1
        assert passed < 1000
    return passed


def test_key_with_limits_of_its_own_has_those_instead(table: Table) -> None:
    """A batch job may do more, and nobody else with it."""
    usual = Limits(per_key_rpm=60, per_key_in_flight=1, burst=2)
    keys = [
        Key("usual", Own()),
        Key("fast", Own(rpm=20)),
        Key("even", Own(burst=1)),
        Key("wide", Own(in_flight=3)),
    ]
    callers = Callers(table, usual, keys)
    bursts = [burst_of(callers, key) for key in ("usual", "fast", "even", "wide", None)]
    assert [2, 20, 1, 2, 2] == bursts
    block = callers.arrive("fast")
    assert block is not None
    assert 20 == block.detail["requests_per_minute"]
    assert [1, 3] == [callers.crowded(key).detail["in_flight"] for key in ("usual", "wide")]


def test_key_with_the_only_rate_is_the_only_one_paced(table: Table) -> None:
    """Without a rate for all keys the others are free."""
    callers = Callers(table, Limits(), [Key("slow", Own(rpm=1)), Key("free", Own())])
    assert 1 == burst_of(callers, "slow")
    assert [None] * 50 == [callers.arrive("free") for _ in range(50)]
