"""The picture of a soak: memory, in-flight, used against the truth, and where the faults were.

    python -m tests.chaos.plot load/results/soak-*.json docs/img/soak.png

Needs matplotlib (the extra `plot`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def draw(figures: dict[str, Any], path: Path) -> Path:
    """Write the PNG of a soak's figures."""
    samples = figures["samples"]
    at = [sample["at_s"] / 60 for sample in samples]
    figure, (money, load, size) = pyplot.subplots(3, 1, sharex=True, figsize=(10, 8))

    money.plot(at, [s["used_nusd"] / 1e9 for s in samples], label="used", color="tab:red")
    money.plot(at, [s["charged_nusd"] / 1e9 for s in samples], label="charged", color="tab:orange")
    money.plot(at, [s["paid_nusd"] / 1e9 for s in samples], label="the provider's account",
               color="tab:green")  # fmt: skip
    money.set_ylabel("US dollars")
    money.legend(loc="upper left")
    load.plot(at, [s["in_flight"] for s in samples], color="tab:blue")
    load.set_ylabel("in flight")
    size.plot(at, [s["memory_bytes"] / 1e6 for s in samples], color="tab:purple")
    size.set_ylabel("memory of all processes, MB")
    size.set_ylim(bottom=0)
    count = size.twinx()
    count.plot(at, [s["descriptors"] for s in samples], color="tab:gray", linewidth=0.8)
    count.set_ylabel("descriptors (grey)")
    count.set_ylim(bottom=0)
    size.set_xlabel(f"minutes; seed {figures['seed']}, commit {figures['commit']}; "
                    f"each vertical line is a fault")  # fmt: skip
    for axes in (money, load, size):
        for fault_s, _ in figures["faults"]:
            axes.axvline(fault_s / 60, color="0.85", linewidth=0.6, zorder=0)
    figure.suptitle("Soak: used, charged and what the provider really charged")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
    return path


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
