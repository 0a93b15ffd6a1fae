"""The money oracle: what must be true at every instant, and once traffic has stopped.

O1  used <= limit, and the sums of each cell agree, at every sample
O2  nothing is held within 3 s after the last request
O3  what was charged is at least what the provider charged
O4  what was charged is what was accrued at worst case and what the provider charged for the rest
O5  the sum of the journal is what was charged
O6  what was charged or accrued never goes back; in the soak each answer has one row of the ledger
    (audited.py)
O7  nothing of a request or of a key is in files, logs or metrics
"""

from __future__ import annotations

import http.client
import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.harness import Budgets, Firewall, Simulator, assert_cap_holds, quiesce, wait_until

SAMPLE_S = 0.01
CANARY = "canary-3f9a71-of-the-chaos-suite"  # in the content of every request of the plays
_NEVER_BACK = ("charged_nusd", "accrued_nusd")


class Oracle(threading.Thread):
    """Samples /v1/budgets of one firewall until `stop`; `check` raises what was seen broken.

    A firewall that is down or restarting is no finding: samples are then missing, not wrong.
    `may_exceed`: a limit was lowered, or a provider bills beyond the bound on purpose.
    """

    def __init__(self, firewall: Firewall, *, may_exceed: bool = False) -> None:
        super().__init__(name="oracle", daemon=True)
        self.samples = 0
        self.missed = 0
        self.used_max_nusd = 0
        self.may_exceed = may_exceed
        self._firewall = firewall
        self._findings: list[str] = []
        self._last: dict[str, dict[str, Any]] = {}
        self._is_over = threading.Event()

    def run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        url = ""
        while not self._is_over.wait(SAMPLE_S):
            if connection is None or url != self._firewall.admin_url:
                url = self._firewall.admin_url
                connection = _connected(url)
            try:
                self._judge(_budgets(connection))
                self.samples += 1
            except (OSError, http.client.HTTPException, ValueError):
                self.missed += 1
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _judge(self, entries: list[dict[str, Any]]) -> None:
        try:
            shown = [e | {"mode": "exceeded"} for e in entries] if self.may_exceed else entries
            assert_cap_holds(shown)
        except AssertionError as finding:
            self._find(f"O1: {finding}")
        for entry in entries:
            key = json.dumps([entry["id"], entry["scope"], entry["resets_at"]])
            before = self._last.get(key, entry)
            for name in _NEVER_BACK:
                if entry[name] < before[name]:
                    self._find(f"O6: {name} went back from {before[name]} to {entry[name]}: {key}")
            self._last[key] = entry
            self.used_max_nusd = max(self.used_max_nusd, entry["used_nusd"])

    def _find(self, sentence: str) -> None:
        if len(self._findings) < 20:
            self._findings.append(sentence)

    def stop(self) -> None:
        """Sample no more."""
        self._is_over.set()
        self.join()

    def check(self) -> None:
        """Fail with everything that was seen broken."""
        assert not self._findings, "\n".join(self._findings)
        assert self.samples, "the oracle saw nothing"


def _connected(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)


def _budgets(connection: http.client.HTTPConnection) -> list[dict[str, Any]]:
    connection.request("GET", "/v1/budgets")
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise ValueError("not now")
    entries: list[dict[str, Any]] = json.loads(body)["budgets"]
    return entries


def settle_up(
    firewall: Firewall,
    simulator: Simulator,
    budget_id: str = "all",
    *,
    accrued_nusd: int | None = None,
    spent_nusd: int | None = None,
    may_exceed: bool = False,
) -> dict[str, Any]:
    """The end of a case, O2 to O5: returns the entry of a budget that all traffic counts against.

    With `accrued_nusd` exactly so much must be accrued, with `spent_nusd` exactly so much spent on
    the provider's own account.  Where nothing is accrued, charged is what the provider charged.
    """
    simulator.wait_idle()
    entry = _quiet(firewall, budget_id) if may_exceed else quiesce(firewall).one(budget_id)
    paid_nusd = simulator.paid_nusd()
    assert paid_nusd <= entry["charged_nusd"], f"O3: the provider charged {paid_nusd}: {entry}"
    assert entry["spent_nusd"] <= paid_nusd, f"O4: the provider charged {paid_nusd}: {entry}"
    if accrued_nusd is not None:
        assert accrued_nusd == entry["accrued_nusd"], f"O4: expected {accrued_nusd}: {entry}"
    if spent_nusd is not None:
        assert spent_nusd == entry["spent_nusd"], f"O4: expected {spent_nusd}: {entry}"
    if entry["accrued_nusd"] == 0:
        assert paid_nusd == entry["charged_nusd"], f"O4: the provider charged {paid_nusd}: {entry}"
    _check_journal(firewall, entry)
    return entry


def _quiet(firewall: Firewall, budget_id: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def is_quiet() -> bool:
        found[:] = [Budgets(firewall.budgets()).one(budget_id)]
        return bool(found[0]["held_nusd"] == 0)

    wait_until(is_quiet, "O2: nothing is held any more", timeout_s=3.0)
    return found[0]


def _check_journal(firewall: Firewall, entry: dict[str, Any]) -> None:
    total: dict[str, Any] = {}

    def agrees() -> bool:
        total.update(firewall.admin("/v1/costs?by=model")["total"])
        return bool(total["charged_nusd"] == entry["charged_nusd"])

    wait_until(agrees, f"O5: the journal's sum is what was charged: {total} {entry}")


def check_canaries(folder: Path, firewall: Firewall) -> None:
    """O7: look for the canary in every file of the firewall and in its figures."""
    needles = (CANARY.encode(), b"sk-test")
    shown = [firewall.ask_admin(path).body for path in ("/metrics", "/v1/events", "/v1/workers")]
    for needle in needles:
        assert not any(needle in body for body in shown), f"O7: {needle!r} in the figures"
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_size < 1 << 28:
                assert needle not in path.read_bytes(), f"O7: {needle!r} in {path}"
