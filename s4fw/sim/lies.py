"""What is reported instead of the truth, where a fault wants it; the ledger never lies."""

from __future__ import annotations

from typing import Any

from s4fw.sim.faults import Faults


def lie(usage: dict[str, Any], faults: Faults, input_name: str, output_name: str) -> dict[str, Any]:
    """Give the usage as reported to the caller."""
    if "huge_usage" in faults:
        usage[output_name] = faults.number("huge_usage")
    for name in (input_name, output_name):
        if "negative_usage" in faults:
            usage[name] *= -1
        if "string_usage" in faults:
            usage[name] = str(usage[name])
    return usage


def ballast(faults: Faults) -> str:
    """Text that nobody generated or bills, to make an answer big."""
    return "x" * ((faults.number("big") or 0) << 20)
