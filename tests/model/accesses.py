"""The places in the C that use no lock, as programs; and what each order there is for.

A scenario is a function of the site whose order is weakened (none: ""), and gives the programs of
its threads.  `SITES` lists every acquire, release and fence of native/s4_table_*.c: some scenario
fails without it; or none does, and the list says why nothing that is promised needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.model.memory import (
    LOCK,
    UNLOCK,
    Op,
    Programs,
    check,
    fence,
    load,
    stop_unless,
    store,
)

Scenario = Callable[["Orders"], Programs]


class Orders:
    """The orders of the C, one site of which may be weakened."""

    def __init__(self, weak: str = "") -> None:
        self.weak = weak

    def acquire(self, site: str) -> str:
        """Of a load."""
        return "relaxed" if site == self.weak else "acquire"

    def release(self, site: str) -> str:
        """Of a store."""
        return "relaxed" if site == self.weak else "release"

    def fence(self, site: str, order: str) -> Op:
        """Of a fence, left out where it is weakened."""
        return fence("none" if site == self.weak else order)

    def apply(self, *words: Op) -> tuple[Op, ...]:
        """s4_redo_apply: seq odd, each word released, seq even."""
        order = self.release("apply word")
        return (
            load("seq", "seq"),
            store("seq", lambda r: r["seq"] + 1),
            *(word._replace(order=order) for word in words),
            store("seq", lambda r: r["seq"] + 2, self.release("seq even")),
        )

    def snapshot(self, *loads: Op) -> tuple[Op, ...]:
        """read_cell: one try, judged by what follows."""
        return (
            load("before", "seq", self.acquire("snapshot seq")),
            *loads,
            self.fence("snapshot fence", "acquire"),
            load("after", "seq"),
            stop_unless(lambda r: r["before"] % 2 == 0 and r["before"] == r["after"]),
        )


def snapshot_of_sums(o: Orders) -> Programs:
    """Two writers, one after the other; a reader never sees half of what one did."""
    writer = (
        LOCK,
        load("used", "used"),
        *o.apply(store("used", lambda r: r["used"] + 1), store("charged", lambda r: r["used"] + 1)),
        UNLOCK,
    )
    reader = o.snapshot(load("used", "used"), load("charged", "charged"))
    return writer, writer, (*reader, check(lambda r: r["used"] == r["charged"]))


def snapshot_of_a_reused_cell(o: Orders) -> Programs:
    """The steward closes a cell, a worker writes its scratch and opens it; 0 is the first key."""
    closer = (LOCK, *o.apply(store("control", 1)), UNLOCK)
    opener = (
        LOCK,
        load("control", "control"),
        stop_unless(lambda r: r["control"] == 1),
        o.fence("prepare fence", "release"),
        store("key", 1),
        *o.apply(store("control", 2)),
        UNLOCK,
    )
    reader = o.snapshot(load("control", "control"), load("key", "key"))
    whole = check(lambda r: r["control"] == 1 or r["key"] == (r["control"] == 2))
    return closer, opener, (*reader, whole)


def cells_that_are_new(o: Orders) -> Programs:
    """A reader that walks to `cell_fresh` meets whole cells, or closed ones."""
    opener = (LOCK, store("key", 1), *o.apply(store("fresh", 1), store("control", 1)), UNLOCK)
    reader = (
        load("fresh", "fresh", o.acquire("cells fresh")),
        stop_unless(lambda r: r["fresh"] == 1),
        *o.snapshot(load("control", "control"), load("key", "key")),
        check(lambda r: r["control"] == 0 or r["key"] == 1),
    )
    return opener, reader


def list_of_the_frozen(o: Orders) -> Programs:
    """Budget 7 is frozen, then 8, then 7 released: a reader sees a list that was there."""
    first = o.apply(store("frozen0", 7), store("n", 1))
    second = o.apply(store("frozen1", 8), store("n", 2))
    last = o.apply(store("frozen0", 8), store("n", 1))
    writer = (LOCK, *first, UNLOCK, LOCK, *second, UNLOCK, LOCK, *last, UNLOCK)
    reader = o.snapshot(load("n", "n"), load("a", "frozen0"), load("b", "frozen1"))
    lists = {(0,), (1, 7), (2, 7, 8), (1, 8)}
    seen = check(lambda r: (r["n"], *(r["a"], r["b"])[: r["n"]]) in lists)
    return writer, (*reader, seen)


def row_with_money(o: Orders) -> Programs:
    """Placed as scratch, published by the record; the steward reads whole rows."""
    owner = (
        LOCK,
        store("row", 1, "plain"),
        store("valid", 1, o.release("valid on")),
        *o.apply(store("head", 1)),
        UNLOCK,
    )
    steward = (
        load("head", "head", o.acquire("drain head")),
        stop_unless(lambda r: r["head"] == 1),
        load("row", "row", "plain"),
        check(lambda r: r["row"] == 1),
    )
    return owner, steward


def row_in_a_reused_place(o: Orders) -> Programs:
    """A ring of one row: the owner writes the second when the steward has read the first."""
    owner = (
        store("row", 1, "plain"),
        store("head", 1, o.release("publish head")),
        load("tail", "tail", o.acquire("publish tail")),
        stop_unless(lambda r: r["tail"] == 1),
        store("row", 2, "plain"),
        store("head", 2, o.release("publish head")),
    )
    steward = (
        load("head", "head", o.acquire("drain head")),
        stop_unless(lambda r: r["head"] == 1),
        load("row", "row", "plain"),
        check(lambda r: r["row"] == 1),
        load("head", "head", o.acquire("advance head")),
        store("tail", 1, o.release("advance tail")),
    )
    return owner, steward


def row_with_money_in_a_reused_place(o: Orders) -> Programs:
    """The same with rows of the record; strict reserves look at the tail first."""
    owner = (
        store("row", 1, "plain"),
        store("head", 1, o.release("publish head")),
        load("room", "tail", o.acquire("strict tail")),
        LOCK,
        load("tail", "tail", o.acquire("stage tail")),
        stop_unless(lambda r: r["tail"] == 1),
        store("row", 2, "plain"),
        *o.apply(store("head", 2)),
        UNLOCK,
    )
    return owner, row_in_a_reused_place(o)[1]


def value_that_is_found(o: Orders) -> Programs:
    """Two values of one bucket, by two workers; who finds a link reads the whole text."""
    first = (LOCK, store("text1", 1, "plain"), *o.apply(store("bucket", 1)), UNLOCK)
    second = (
        LOCK,
        load("bucket", "bucket"),
        stop_unless(lambda r: r["bucket"] == 1),
        store("text2", 1, "plain"),
        *o.apply(store("link2", 1), store("bucket", 2)),
        UNLOCK,
    )
    reader = (
        load("id", "bucket", o.acquire("find bucket")),
        stop_unless(lambda r: r["id"] == 2),
        load("two", "text2", "plain"),
        load("id", "link2", o.acquire("find link")),
        load("one", "text1", "plain"),
        check(lambda r: (r["id"], r["one"], r["two"]) == (1, 1, 1)),
    )
    return first, second, reader


def value_by_its_id(o: Orders) -> Programs:
    """Who sees that a value lives reads its text; the sweep, its dimension."""
    owner = (LOCK, store("text", 1, "plain"), *o.apply(store("state", 1)), UNLOCK)
    reader = (
        load("state", "state", o.acquire("value state")),
        stop_unless(lambda r: r["state"] == 1),
        load("text", "text", "plain"),
        check(lambda r: r["text"] == 1),
    )
    return owner, reader


def sweep_of_a_value(o: Orders) -> Programs:
    """The sweep looks without the lock; records are new, or used again."""
    owner = (
        LOCK,
        store("dimension", 1, "plain"),
        *o.apply(store("fresh", 1), store("state", 1)),
        UNLOCK,
    )
    sweeper = (
        load("fresh", "fresh", o.acquire("sweep fresh")),
        load("state", "state", o.acquire("sweep state")),
        stop_unless(lambda r: r["state"] == 1),
        load("dimension", "dimension", "plain"),
        check(lambda r: r["dimension"] == 1),
    )
    return owner, sweeper


def set_of_cells_after_a_sweep(o: Orders) -> Programs:
    """A set made after a sweep names no value that it retired, or cannot reserve."""
    sweeper = (
        LOCK,
        load("touched", "touched"),
        stop_unless(lambda r: r["touched"] == 0),
        *o.apply(store("retired", 1)),
        UNLOCK,
        LOCK,
        *o.apply(store("epoch", 1)),
        UNLOCK,
    )
    worker = (
        load("epoch", "epoch", o.acquire("set epoch")),
        store("touched", 1),
        load("retired", "retired"),
        stop_unless(lambda r: r["retired"] == 0),
        LOCK,
        load("now", "epoch"),
        stop_unless(lambda r: r["now"] == r["epoch"]),
        load("retired", "retired"),
        check(lambda r: not (r["retired"] and r["now"] == 1)),
        UNLOCK,
    )
    return sweeper, worker


def slot_that_is_joined(o: Orders) -> Programs:
    """Who sees the pid sees the words of this incarnation."""
    owner = (store("incarnation", 1), store("pid", 1, o.release("join pid")))
    reader = (
        load("pid", "pid", o.acquire("info pid")),
        stop_unless(lambda r: r["pid"] == 1),
        load("incarnation", "incarnation"),
        check(lambda r: r["incarnation"] == 1),
    )
    return owner, reader


def slot_that_is_left(o: Orders) -> Programs:
    """A slot without a pid shows no state of its last owner; 1 stands for `cleared`."""
    owner = (store("state", 1), store("pid", 1, o.release("leave pid")))
    reader = (
        load("pid", "pid", o.acquire("info pid")),
        stop_unless(lambda r: r["pid"] == 1),
        load("state", "state", o.acquire("info state")),
        check(lambda r: r["state"] == 1),
    )
    return owner, reader


def slot_that_is_recovered(o: Orders) -> Programs:
    """The same, by the master."""
    master = (store("state", 1), store("pid", 1, o.release("recover pid")))
    return master, slot_that_is_left(o)[1]


def lag_of_a_ring(o: Orders) -> Programs:
    """The tail is read first, so the lag that people see is never negative."""
    owner = (store("head", 1, o.release("publish head")),)
    steward = (
        load("head", "head", o.acquire("drain head")),
        stop_unless(lambda r: r["head"] == 1),
        store("tail", 1, o.release("advance tail")),
    )
    reader = (
        load("tail", "tail", o.acquire("info tail")),
        load("head", "head", o.acquire("info head")),
        check(lambda r: r["head"] >= r["tail"]),
    )
    return owner, steward, reader


def single_words(o: Orders) -> Programs:
    """A word that stands for itself never goes back: heartbeat, state, clock, generation."""
    owner = (
        store("word", 1, o.release("single word")),
        store("word", 2, o.release("single word")),
    )
    reader = (
        load("first", "word", o.acquire("single word read")),
        load("second", "word", o.acquire("single word read")),
        check(lambda r: r["first"] <= r["second"]),
    )
    return owner, reader


SCENARIOS: tuple[Scenario, ...] = (
    snapshot_of_sums,
    snapshot_of_a_reused_cell,
    cells_that_are_new,
    list_of_the_frozen,
    row_with_money,
    row_in_a_reused_place,
    row_with_money_in_a_reused_place,
    value_that_is_found,
    value_by_its_id,
    sweep_of_a_value,
    set_of_cells_after_a_sweep,
    slot_that_is_joined,
    slot_that_is_left,
    slot_that_is_recovered,
    lag_of_a_ring,
    single_words,
)


class Site(NamedTuple):
    """One access of the C.  `why_not`: why nothing promised breaks without its order."""

    name: str
    file: str
    text: str
    why_not: str = ""


ALONE = "each word stands for itself, and no word is reached through it"
ORDERED = "the kernel's file lock, or the hand-over of the mutex, has ordered it already"
CALL = "program order and the opaque call that sends order it: a death cuts after or before both"
AGAIN = "what it finds is read again under seq or under the lock"
SITES = (
    Site("apply word", "lock", "s4_put_release(word, s4_get(&root->redo[i].value))"),
    Site("seq even", "lock", "s4_put_release(&root->seq, odd + 1)"),
    Site("valid off", "lock", "s4_put_release(&root->redo_valid, 0)"),
    Site("valid on", "lock", "s4_put_release(&t->root->redo_valid, 1)"),
    Site("repair valid", "lock", "s4_get_acquire(&t->root->redo_valid)", ORDERED),
    Site("reset valid", "file", "s4_get_acquire(&t->root->redo_valid)", ORDERED),
    Site("snapshot seq", "cells", "return s4_get_acquire(&t->root->seq)"),
    Site("snapshot fence", "cells", "atomic_thread_fence(memory_order_acquire)"),
    Site("prepare fence", "cells", "atomic_thread_fence(memory_order_release)"),
    Site("cells fresh", "cells", "s4_get_acquire(&t->root->cell_fresh)", AGAIN),
    Site("stage tail", "journal", "(head - s4_get_acquire(&s->tail))"),
    Site("publish tail", "journal", "head - s4_get_acquire(&own->tail)"),
    Site("publish head", "journal", "s4_put_release(&own->head, head + 1)"),
    Site("drain head", "journal", "int64_t head = s4_get_acquire(&s->head)"),
    Site("advance head", "journal", "tail > s4_get_acquire(&s->head)", ALONE),
    Site("advance tail", "journal", "s4_put_release(&s->tail, tail)"),
    Site("set epoch", "leases", "s4_get_acquire(&t->root->epoch)"),
    Site("strict tail", "leases", "s4_get_acquire(&t->own->tail)", AGAIN),
    Site("sent", "leases", "s4_put_release(&lease->control", CALL),
    Site("single word", "published", "s4_put_release(&t->root->clock_offset_ns", ALONE),
    Site("single word", "published", "s4_put_release(&t->root->starts[i]", ALONE),
    Site("single word read", "published", "s4_get_acquire(&t->root->clock_offset_ns", ALONE),
    Site("single word read", "published", "s4_get_acquire(&t->root->starts[i]", ALONE),
    Site("single word", "published", "s4_put_release(&t->root->clean", ALONE),
    Site("single word read", "published", "s4_get_acquire(&t->root->clean", ALONE),
    Site("single word", "published", "s4_put_release(&t->root->generation", ALONE),
    Site("single word read", "published", "s4_get_acquire(&t->root->generation", ALONE),
    Site("recover pid", "recover", "s4_put_release(&t->slots[slot].pid, 0)"),
    Site("join open", "slots", "s4_get_acquire(&own->open)", ORDERED),
    Site("join pid", "slots", "s4_put_release(&own->pid, getpid())"),
    Site("leave pid", "slots", "s4_put_release(&t->own->pid, 0)"),
    Site("single word", "slots", "s4_put_release(&t->own->heartbeat_ns", ALONE),
    Site("single word", "slots", "s4_put_release(&t->own->state", ALONE),
    Site("single word", "slots", "s4_put_release(&t->own->generation", ALONE),
    Site("info pid", "slots", "s4_get_acquire(&from->pid)"),
    Site("single word read", "slots", "s4_get_acquire(&from->heartbeat_ns)", ALONE),
    Site("info state", "slots", "s4_get_acquire(&from->state)", ALONE),
    Site("single word read", "slots", "s4_get_acquire(&from->generation)", ALONE),
    Site("info tail", "slots", "s4_get_acquire(&from->tail)"),
    Site("info head", "slots", "s4_get_acquire(&from->head)", ALONE),
    Site("find bucket", "values", "s4_get_acquire(bucket)"),
    Site("find link", "values", "s4_get_acquire(&value->link)", "a link leads to older values"),
    Site("value state", "values", "s4_get_acquire(&value->state) == S4_VALUE_EMPTY"),
    Site("sweep fresh", "values", "s4_get_acquire(&t->root->value_fresh)", AGAIN),
    Site("sweep state", "values", "int64_t state = s4_get_acquire(&value->state)"),
)
