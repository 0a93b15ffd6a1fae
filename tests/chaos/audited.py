"""The end of a soak for the ledger: `s4fw audit verify` and `s4fw audit rebuild` must hold.

A row for each answer is part of it, refusals among them: a request id that a caller was told stands
in the ledger, and no request stands there twice.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Set
from typing import Any

from click.testing import CliRunner

from s4fw.cli import main
from tests.harness import Firewall

WRITTEN_S = 10.0  # rows are written each second; a steward that was killed comes back first
_SHOWN_MAX = 5  # of ids in a sentence
_OURS = ("S4FW_ADMIN_URL", "S4FW_ADMIN_TOKEN", "S4FW_CONFIG")


def check_ledger(proxy: Firewall, answered: Set[str]) -> dict[str, Any]:
    """Judge the ledger of a firewall that runs and where nothing is held any more; `answered` are
    the ids of requests that callers were told.  Returns figures; fails with what is not right."""
    end_s = time.monotonic() + WRITTEN_S
    while (missing := answered - (ids := _ids(proxy)).keys()) and time.monotonic() < end_s:
        time.sleep(0.5)
    told = f"of {len(answered)} answers {len(missing)} have no row"
    assert not missing, f"ledger: {told}: {sorted(missing)[:_SHOWN_MAX]}"
    twice = [name for name, count in ids.items() if count > 1]
    assert not twice, f"ledger: {len(twice)} requests have two rows: {twice[:_SHOWN_MAX]}"
    verified = json.loads(_audit(proxy, "verify", "--json"))
    (chain,) = verified["chains"]
    assert (True, 0) == (verified["ok"], chain["gaps"]), f"ledger: {verified}"
    rebuilt = json.loads(_audit(proxy, "rebuild", "--json"))
    states = Counter(line["state"] for line in rebuilt["windows"])
    assert states["equal"], f"ledger: {rebuilt}"
    # `past`: a day that ended meanwhile
    assert {"equal", "past"} >= states.keys(), f"ledger: {rebuilt}"
    return {
        "answers": len(answered),
        "rows": rebuilt["rows"],
        "segments": chain["segments"],
        "windows": dict(states),
    }


def _ids(proxy: Firewall) -> Counter[str]:
    """How many rows each request has."""
    exported = _audit(proxy, "export", "--format", "json")
    rows = map(json.loads, exported.splitlines())
    return Counter(row["id"] for row in rows if row["kind"] != "event")


def _audit(proxy: Firewall, *arguments: str) -> str:
    command = ["audit", *arguments, "-c", str(proxy.config_path)]
    result = CliRunner().invoke(main, command, env=dict.fromkeys(_OURS))
    assert 0 == result.exit_code, f"ledger: audit {arguments[0]}: {result.output[:2000]}"
    return result.stdout
