"""The simulator, the firewalls in front of it, and the callers each client may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from s4fw.config.keys import key_digest
from s4fw.config.sigv4 import sigv4_secret
from tests.harness import Firewall, Simulator, fetch, firewall_config, quiesce
from tests.sdk.ask import Door
from tests.sdk.clients import Client

ROLES = ("rich", "poor", "hasty", "patient")
PACED = {"hasty": 6, "patient": 40}  # requests a minute, never two at once
PROVIDER_KEY = "sk-of-the-firewall"

_MASTER = "m" * 44
_REQUESTS = re.compile(r"^s4fw_requests_total (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Books:
    """What happened between two looks: amounts in nano-USD, requests as each side counted them."""

    paid: int
    spent: int
    accrued: int
    at_firewall: int
    at_provider: int
    rows: list[dict[str, Any]]


class Estate:
    """One firewall with, and one without TLS, both in front of one simulator."""

    def __init__(self, folder: Path, simulator: Simulator, clients: tuple[Client, ...]) -> None:
        self.simulator = simulator
        self._folder = folder
        self._clients = clients
        self._firewalls: dict[bool, Firewall] = {}

    def firewall(self, client: Client) -> Firewall:
        """The one that a client calls; started when it is wanted first."""
        if client.over_tls not in self._firewalls:
            folder = self._folder / ("https" if client.over_tls else "http")
            folder.mkdir()
            made = Firewall(folder, self._config(client.over_tls, folder))
            made.start()
            self._firewalls[client.over_tls] = made
        return self._firewalls[client.over_tls]

    def stop(self) -> None:
        """Stop all of them; none may leave a process."""
        for firewall in self._firewalls.values():
            firewall.stop()

    def door(self, client: Client, role: str) -> Door:
        """Where a client calls in a role; nobody knows a role that is not in ROLES."""
        firewall = self.firewall(client)
        access_key_id = _access_key_id(client, role)
        authority = str(firewall.folder / "authority.pem") if client.over_tls else None
        secret = sigv4_secret(_MASTER, access_key_id)
        return Door(firewall.url, _key(client, role), access_key_id, secret, authority)

    def provider_door(self) -> Door:
        """The provider itself, as if there were no firewall."""
        return Door(self.simulator.url, "sk-direct", "AKIDIRECT", "direct")

    def count(self, client: Client) -> int:
        """How many requests the client's firewall has read."""
        text = fetch(self.firewall(client).admin_url + "/metrics").body.decode()
        found = _REQUESTS.search(text)
        assert found is not None, text
        return int(found[1])

    def charged(self, client: Client, role: str) -> tuple[int, int]:
        """What is spent and accrued in a role, once nothing is held."""
        scope = {"key": _key_id(client, role)}
        found = [e for e in quiesce(self.firewall(client)) if e["scope"] == scope]
        return sum(e["spent_nusd"] for e in found), sum(e["accrued_nusd"] for e in found)

    def _config(self, over_tls: bool, folder: Path) -> dict[str, Any]:
        at = {"base_url": self.simulator.url, "api_key": PROVIDER_KEY}
        pairs = [(c, role) for c in self._clients for role in ROLES if c.over_tls is over_tls]
        keys = [
            {
                "id": _key_id(client, role),
                "sha256": key_digest(_key(client, role).encode()),
                "access_key_id": _access_key_id(client, role),
                "limits": {"rpm": PACED[role], "burst": 1} if role in PACED else {},
            }
            for client, role in pairs
        ]
        poor = {_key_id(client, "poor"): "0.000000001" for client, _ in pairs}
        budget = {"id": "own", "per": ["key"], "window": "month", "limit_usd": "100"}
        server: dict[str, Any] = {"workers": 1, "sigv4_master": _MASTER}
        if over_tls:
            server["tls"] = _certificate(folder)
        config = firewall_config(
            self.simulator, [budget | {"overrides": poor}], server=server, keys=keys
        )
        bedrock = at | {"region": "us-east-1"}
        config["upstreams"] = {"openai": at.copy(), "anthropic": at.copy(), "bedrock": bedrock}
        return config


def _key_id(client: Client, role: str) -> str:
    return f"{client.name}.{role}"


def _key(client: Client, role: str) -> str:
    return f"fw-{client.name}-{role}-0123456789"


def _access_key_id(client: Client, role: str) -> str:
    return "S4FW" + re.sub(r"[^A-Z]", "", f"{client.name}{role}".upper())


def _certificate(folder: Path) -> dict[str, str]:
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    leaf.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    return {"cert": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
