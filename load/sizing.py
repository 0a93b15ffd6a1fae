"""How many workers on which instance, and what it carries: a stated model, no measurement.

    usable      0.6 of each vCPU: the rest is for bursts, for the kernel's network work, and for the
                load of an instance that is lost
    requests/s  the smaller of
                  vCPUs x usable / processor time per request
                  0.7 / the steward's time per request (it is one process, whatever the size)
    streams     the smaller of
                  vCPUs x usable / (chunks per second of a stream x processor time per chunk)
                  (half of the memory - base - workers x worker) / memory of a live stream
    workers     one for each vCPU; from 16 on one less, which is the steward's

The steward's share stays in the time per request, so it is counted twice at 16 vCPUs and more:
the figures err to the careful side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

USABLE = 0.6
STEWARD_USABLE = 0.7
CHUNKS_PER_S = 40  # of one stream: what fast models send
MEMORY_USABLE = 0.5
BASE_MB = 160  # master, steward and what all share: interpreter, price table, vocabularies
MANY_VCPUS = 16  # from here on the steward keeps a vCPU busy

SIZES = {
    "medium": (1, 2),
    "large": (2, 4),
    "xlarge": (4, 8),
    "2xlarge": (8, 16),
    "4xlarge": (16, 32),
    "8xlarge": (32, 64),
    "12xlarge": (48, 96),
    "16xlarge": (64, 128),
}
# Speed of a vCPU beside the core that was measured.  c7g = 1 is an assumption until it is measured
# there; AWS gives Graviton 3 up to a quarter more than Graviton 2.
FAMILIES = {"c7g": 1.0, "c6g": 0.8}


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured on one core."""

    chat_us: float  # processor time of the whole tree per chat request
    transcript_us: float  # the same per agent's turn of 100 kB
    steward_us: float  # of chat_us, outside the workers
    chunk_us: float  # per streamed chunk
    worker_mb: float  # one more worker
    stream_kb: float  # one live stream


@dataclass(frozen=True, slots=True)
class Advice:
    """What to set on one instance, and what it then carries."""

    workers: int
    chats_per_s: int
    turns_per_s: int
    streams: int
    is_bound_by_steward: bool


def advise(costs: Costs, vcpus: int, memory_gb: int, speed: float) -> Advice:
    """Apply the model to an instance."""
    workers = vcpus if vcpus < MANY_VCPUS else vcpus - 1
    usable_us = vcpus * USABLE * 1e6 * speed
    steward = STEWARD_USABLE * 1e6 * speed / costs.steward_us
    chats = usable_us / costs.chat_us
    by_time = usable_us / (CHUNKS_PER_S * costs.chunk_us)
    room_kb = memory_gb * MEMORY_USABLE * 1e6 - (BASE_MB + workers * costs.worker_mb) * 1e3
    return Advice(
        workers,
        _round(min(chats, steward)),
        _round(min(usable_us / costs.transcript_us, steward)),
        _round(min(by_time, room_kb / costs.stream_kb)),
        chats > steward,
    )


def model() -> str:
    """The assumptions, as Markdown: what stands in docs/sizing.md under "The model"."""
    half = f"{MEMORY_USABLE} of the memory"
    rows = {
        "usable share of a vCPU": f"{USABLE}: the rest is for bursts, for the kernel's network"
        " work, and for the load of an instance that is lost",
        "requests/s": f"vCPUs x {USABLE} / processor time per request; at most {STEWARD_USABLE} /"
        " the steward's time per request, because it is one process",
        "live streams": f"vCPUs x {USABLE} / ({CHUNKS_PER_S} chunks a second x processor time per"
        f" chunk); at most what fits into {half}, less {BASE_MB} MB and the workers",
        "agent turns": "as requests/s, with a transcript of 100 kB of which the last turn is new",
        "workers": f"vCPUs, from {MANY_VCPUS} on one less",
        "a vCPU of c7g": "taken as fast as the core that was measured: **an assumption until"
        " `make tune` ran there**",
        "a vCPU of c6g": f"{FAMILIES['c6g']} of it: AWS gives Graviton 3 up to a quarter more",
    }
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items())]
    )


def _round(value: float) -> int:
    """Two digits: the model gives no more."""
    places = len(str(int(value))) - 2
    return int(value // 10**places * 10**places) if places > 0 else int(value)


def table(costs: Costs, family: str) -> str:
    """The table of one family, as Markdown."""
    lines = [
        f"| {family}. | vCPUs | memory | `workers` | chats/s | turns of 100 kB/s | live streams |",
        "|---|---|---|---|---|---|---|",
    ]
    for size, (vcpus, memory_gb) in SIZES.items():
        advice = advise(costs, vcpus, memory_gb, FAMILIES[family])
        mark = " (steward)" if advice.is_bound_by_steward else ""
        lines.append(
            f"| {size} | {vcpus} | {memory_gb} GiB | {advice.workers} "
            f"| {advice.chats_per_s:,}{mark} | {advice.turns_per_s:,} | {advice.streams:,} |"
        )
    return "\n".join(lines)


def costs_of(bench: dict[str, Any]) -> Costs:
    """The costs in a result of `make bench` (JSON)."""
    ratios = {ratio["name"]: ratio for ratio in bench["ratios"]}
    figures = {figure["name"]: figure["value"] for figure in bench["figures"]}
    return Costs(
        chat_us=ratios["chat"]["ours"],
        transcript_us=ratios["transcript"]["ours"],
        steward_us=ratios["chat"]["extra"]["beside_us"],
        chunk_us=ratios["stream"]["ours"],
        worker_mb=figures["worker"],
        stream_kb=figures["live-stream"],
    )
