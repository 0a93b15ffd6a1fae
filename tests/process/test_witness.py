"""What the master saw reaches every steward, also the one after a death."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from s4fw.ledger.records import Recovered
from s4fw.process.witness import Witness


class Sender:
    """What a steward was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def send(self, message: tuple[Any, ...]) -> None:
        self.sent.append(message)


def steward() -> Any:
    return SimpleNamespace(kind=SimpleNamespace(name="steward"), sender=Sender())


def test_next_steward_learns_what_the_one_before_was_sent() -> None:
    """A steward that is killed with its workers has not read of their deaths."""
    witness, first, second = Witness(), steward(), steward()
    witness.seat(first)
    witness.say("worker_exit", "alarm", "the worker 0 was killed", pid=1)
    witness.recovered(0, Recovered(2, 1, 500))
    witness.unseat(first)
    witness.say("worker_exit", "alarm", "the worker 1 was killed", pid=2)
    witness.seat(second)
    past, event = second.sender.sent
    assert ("past", 1, 3) == past[:3]
    assert ["worker_exit", "recovery"] == [one.kind for one in past[3]]
    assert ("event", 2) == (event[0], event[1].fields["pid"])


def test_first_steward_gets_what_waits_and_nothing_twice() -> None:
    """A death that is counted twice would page somebody for a loop of crashes."""
    witness, first = Witness(), steward()
    witness.say("start", "info", "the firewall starts")
    witness.seat(first)
    assert ["event"] == [message[0] for message in first.sender.sent]
