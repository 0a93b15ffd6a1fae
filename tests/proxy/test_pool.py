"""The pool decides without I/O; its repr is what operators see, so the tests read it."""

from __future__ import annotations

from s4fw.proxy.pool import Pool


class Line:
    """A connection that is only a name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_alive = True

    def is_usable(self) -> bool:
        return self.is_alive

    def __repr__(self) -> str:
        return self.name


def opened(pool: Pool[Line, str], waiter: str, name: str) -> Line:
    """One connection, opened for one waiter."""
    line = Line(name)
    pool.wait(waiter)
    assert pool.to_open() == 1
    assert pool.opened(line) == (waiter, [])
    return line


def test_pool_first_request_opens_a_connection_and_keeps_it() -> None:
    """The life of one connection, as the operator would read it."""
    pool: Pool[Line, str] = Pool(4, 4)
    assert pool.take() == (None, [])
    pool.wait("a")
    assert repr(pool) == "<Pool [0 idle, 0 busy, 0 opening, 1 waiting]>"
    assert pool.to_open() == 1
    assert repr(pool) == "<Pool [0 idle, 0 busy, 1 opening, 1 waiting]>"
    line = Line("l1")
    assert pool.opened(line) == ("a", [])
    assert repr(pool) == "<Pool [0 idle, 1 busy, 0 opening, 0 waiting]>"
    assert pool.release(line) == (None, [])
    assert repr(pool) == "<Pool [1 idle, 0 busy, 0 opening, 0 waiting]>"
    assert pool.take() == (line, [])
    assert repr(pool) == "<Pool [0 idle, 1 busy, 0 opening, 0 waiting]>"


def test_pool_never_opens_more_than_its_limit() -> None:
    """A burst must not take every port of the machine."""
    pool: Pool[Line, str] = Pool(2, 2)
    for name in "abc":
        pool.wait(name)
    assert pool.to_open() == 2
    assert pool.to_open() == 0
    assert repr(pool) == "<Pool [0 idle, 0 busy, 2 opening, 3 waiting]>"


def test_pool_released_connection_serves_the_first_in_line() -> None:
    """Whoever waited longest is served first, whatever the connection was opened for."""
    pool: Pool[Line, str] = Pool(1, 1)
    line = opened(pool, "a", "l1")
    pool.wait("b")
    pool.wait("c")
    assert pool.to_open() == 0
    assert pool.release(line) == ("b", [])
    assert pool.release(line) == ("c", [])
    assert pool.release(line) == (None, [])


def test_pool_withdrawn_waiter_is_passed_over() -> None:
    """A caller that left must not be given a connection."""
    pool: Pool[Line, str] = Pool(1, 1)
    line = opened(pool, "a", "l1")
    pool.wait("b")
    pool.wait("c")
    pool.withdraw("b")
    pool.withdraw("nobody")
    assert pool.release(line) == ("c", [])


def test_pool_dead_idle_connections_are_handed_out_to_be_closed() -> None:
    """A dead connection costs its finder one look, not a failed request."""
    pool: Pool[Line, str] = Pool(4, 4)
    lines = [opened(pool, name, name) for name in "abc"]
    for line in lines:
        pool.release(line)
    lines[1].is_alive = lines[2].is_alive = False
    assert pool.take() == (lines[0], [lines[2], lines[1]])
    assert repr(pool) == "<Pool [0 idle, 1 busy, 0 opening, 0 waiting]>"


def test_pool_surplus_idle_connections_are_closed_oldest_first() -> None:
    """After a burst the upstream should not hold connections for nobody."""
    pool: Pool[Line, str] = Pool(4, 2)
    lines = [opened(pool, name, name) for name in "abc"]
    assert [pool.release(line) for line in lines] == [(None, []), (None, []), (None, [lines[0]])]
    assert pool.idle == (lines[1], lines[2])


def test_pool_failure_is_told_to_the_longest_waiting() -> None:
    """Each attempt that fails ends one wait, so nobody waits for ever."""
    pool: Pool[Line, str] = Pool(4, 4)
    pool.wait("a")
    pool.wait("b")
    assert pool.to_open() == 2
    assert pool.open_failed() == "a"
    assert pool.open_failed() == "b"
    assert repr(pool) == "<Pool [0 idle, 0 busy, 0 opening, 0 waiting]>"


def test_pool_lost_connections_make_room() -> None:
    """Idle or busy, what is gone no longer counts."""
    pool: Pool[Line, str] = Pool(2, 2)
    idle, busy = opened(pool, "a", "l1"), opened(pool, "b", "l2")
    pool.release(idle)
    pool.lost(idle)
    pool.lost(busy)
    assert repr(pool) == "<Pool [0 idle, 0 busy, 0 opening, 0 waiting]>"
    pool.wait("c")
    pool.wait("d")
    assert pool.to_open() == 2
