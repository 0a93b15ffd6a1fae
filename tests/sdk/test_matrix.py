"""Every client in every situation: what the application sees, how often it asked, who paid what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sdk.ask import Door, Seen
from tests.sdk.clients import NODE, PYTHON, Client
from tests.sdk.estate import Books, Estate
from tests.sdk.situations import SITUATIONS, Played, Situation


def cells(clients: tuple[Client, ...]) -> list[Any]:
    """The matrix without the holes that a client's API has."""
    return [
        pytest.param(situation, client, id=f"{client.name}: {situation.name}")
        for situation in SITUATIONS
        for client in clients
        if situation.name not in client.cannot
    ]


@pytest.mark.parametrize(("situation", "client"), cells(PYTHON))
def test_client_in_situation(estate: Estate, situation: Situation, client: Client) -> None:
    """An application changes its base URL and its key, and sees what it would have seen, or one
    typed error; what it costs is the same on both sides."""
    situation.expect(play(estate, situation, client))


@pytest.mark.node
@pytest.mark.parametrize(("situation", "client"), cells(NODE))
def test_client_in_node_in_situation(estate: Estate, situation: Situation, client: Client) -> None:
    """The same for the SDKs of the other language; they retry and raise in ways of their own."""
    situation.expect(play(estate, situation, client))


def play(estate: Estate, situation: Situation, client: Client) -> Played:
    """Ask the provider itself, then the same through the firewall, and look at the books."""
    direct = _ask_provider(estate, situation, client)
    door = estate.door(client, situation.role)
    requests, charged = estate.count(client), estate.charged(client, situation.role)
    seen = _call(estate, situation, client, door)
    estate.simulator.wait_idle()
    ledger, after = estate.simulator.ledger(), estate.charged(client, situation.role)
    books = Books(
        paid=ledger["total_nusd"],
        spent=after[0] - charged[0],
        accrued=after[1] - charged[1],
        at_firewall=estate.count(client) - requests,
        at_provider=estate.simulator.request_count(),
        rows=ledger["rows"],
    )
    return Played(client, seen, direct, books)


def _ask_provider(estate: Estate, situation: Situation, client: Client) -> Seen:
    """What there would be without a firewall; the provider forgets it again."""
    fault = situation.fault if situation.is_relayed else ""
    estate.simulator.faults(fault, times=1)
    door = estate.provider_door()
    seen = [client.call(door, situation.ask) for _ in range(situation.calls)]
    estate.simulator.reset()
    return seen[-1]


def _call(estate: Estate, situation: Situation, client: Client, door: Door) -> list[Seen]:
    estate.simulator.faults(situation.fault, times=1)
    return [client.call(door, situation.ask) for _ in range(situation.calls)]
