"""What /metrics tells of loops."""

from __future__ import annotations

from s4fw.loops.memory import BYTES_MIN, Memory
from s4fw.loops.rules import NUMBER
from s4fw.loops.tenants import Tenants
from s4fw.observe.figures import Snapshot
from s4fw.observe.prometheus import render
from s4fw.observe.readers import read_loops

USD = 1_000_000_000


def lines(**words: int) -> list[str]:
    """The lines about loops, where two tenants each counted so much under `repeat`."""
    from s4fw.loops import memory

    shared = Memory(BYTES_MIN)
    tenants = Tenants(shared)
    for name in ("acme", "globex"):
        at = tenants.place(name)
        for word, amount in words.items():
            place = getattr(memory, word.upper())
            tenants.add(at, NUMBER["repeat"], place, amount)
    text = render(Snapshot([], [], loops=read_loops(shared))).decode()
    return [line for line in text.splitlines() if line.startswith("s4fw_loop_")]


def test_loops_are_summed_over_tenants() -> None:
    """Callers choose tenants, so series are by rule only; /v1/loops has the tenants."""
    told = lines(would_block=3, episodes=1, wasted_nusd=USD, saved_nusd=2 * USD)
    assert 's4fw_loop_findings_total{rule="repeat",outcome="would_block"} 6' in told
    assert 's4fw_loop_wasted_usd_total{rule="repeat"} 2.000000000' in told
    assert 's4fw_loop_avoidable_usd_total{rule="repeat"} 4.000000000' in told


def test_false_share_has_its_bound_once_something_is_judged() -> None:
    """0 wrong of 10 is at most 28 %; of nothing nothing is known, and nothing is told."""
    assert 's4fw_loop_false_share_max{rule="repeat"} 0.277533' in lines(proved=5)
    assert not [line for line in lines(episodes=5) if "false_share" in line]
