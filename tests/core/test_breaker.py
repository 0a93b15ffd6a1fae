"""When an upstream is taken to be down, and when it is asked again."""

from __future__ import annotations

import time
from dataclasses import dataclass

from s4fw.core.breaker import Breaker, Breakers
from s4fw.core.counter import COUNTER_INDEX, COUNTERS


@dataclass(frozen=True)
class Limits:
    """As the configuration has them."""

    failures: int = 3
    open_s: float = 0.05


def opened(limits: Limits = Limits()) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker(limits)
    for _ in range(limits.failures):
        breaker.failed()
    return breaker


def test_failures_in_a_row_open_it_and_one_answer_between_does_not() -> None:
    """One slow answer among good ones is no outage."""
    breaker = Breaker(Limits())
    assert [False, False] == [breaker.failed(), breaker.failed()]
    assert not breaker.succeeded()
    assert [False, False, True] == [breaker.failed(), breaker.failed(), breaker.failed()]
    assert breaker.is_open
    assert 0 < breaker.refuses() <= 50


def test_open_one_lets_one_probe_through_in_each_interval() -> None:
    """Everybody at once would be the load that took it down."""
    breaker = opened()
    assert breaker.refuses()
    time.sleep(0.06)
    assert 0 == breaker.refuses()
    assert breaker.refuses()
    time.sleep(0.06)
    assert 0 == breaker.refuses()  # the first probe was refused by a later stage: no matter


def test_answer_closes_it_at_once() -> None:
    """An upstream that refuses is there."""
    breaker = opened()
    assert breaker.succeeded()
    assert 0 == breaker.refuses()
    assert not breaker.succeeded()


def test_zero_failures_never_open_it() -> None:
    """Who wants every request tried can have that."""
    breaker = Breaker(Limits(failures=0))
    assert not any(breaker.failed() for _ in range(100))
    assert 0 == breaker.refuses()


def test_reload_keeps_what_was_seen_and_takes_the_new_limits() -> None:
    """A reload during an outage must not send everybody to a dead upstream."""
    breakers = Breakers()
    breakers.adopt({"openai": Limits(), "azure": Limits()})
    breaker = breakers.of("openai")
    assert breaker is not None
    for _ in range(3):
        breaker.failed()
    breakers.adopt({"openai": Limits(failures=2)})
    assert breaker is breakers.of("openai")
    assert breaker.is_open
    assert breakers.of("azure") is None


def test_openings_refusals_and_what_is_open_now_are_counted() -> None:
    """Operators see which refusals are ours, and for how long."""
    counters = memoryview(bytearray(8 * len(COUNTERS))).cast("Q")

    def counted() -> tuple[int, int, int]:
        names = ("breaker_opened", "breaker_refused", "breakers_open")
        opened, refused, is_open = (counters[COUNTER_INDEX[name]] for name in names)
        return opened, refused, is_open

    breakers = Breakers(counters)
    breakers.adopt({"openai": Limits(open_s=60), "azure": Limits(open_s=60)})
    openai, azure = breakers.of("openai"), breakers.of("azure")
    assert openai is not None
    assert azure is not None
    for _ in range(5):
        openai.failed()
    azure.failed()
    assert (1, 0, 1) == counted()
    assert openai.refuses() > 0
    assert azure.refuses() == 0
    assert (1, 1, 1) == counted()
    openai.succeeded()
    azure.succeeded()
    assert (1, 1, 0) == counted()
    for _ in range(3):
        openai.failed()
    breakers.adopt({"azure": Limits()})  # one that is no longer configured is not open either
    assert (2, 1, 0) == counted()


def test_upstream_that_is_removed_while_it_is_asked_counts_no_more() -> None:
    """Its last answer comes after the reload: it must neither fail nor be counted for ever."""
    counters = memoryview(bytearray(8 * len(COUNTERS))).cast("Q")
    breakers = Breakers(counters)
    breakers.adopt({"down": Limits(), "up": Limits()})
    down, up = breakers.of("down"), breakers.of("up")
    assert down is not None
    assert up is not None
    for _ in range(3):
        down.failed()
    breakers.adopt({})
    assert down.succeeded()
    for _ in range(3):
        up.failed()
    assert 0 == counters[COUNTER_INDEX["breakers_open"]]
