"""What one generation of the configuration consists of inside a worker.

A new generation is built whole beside the old one; nothing of the old is changed.  Exchanges that
run keep the pipeline that opened them, and so do the clock and the table they share.  The dialects
are shared: one of them learns what names stand for, which is asked once, when a request is read.
"""

from __future__ import annotations

from dataclasses import dataclass

from s4fw import dialects
from s4fw.config.schema import Config
from s4fw.core.breaker import Breakers
from s4fw.core.exchange import Offload
from s4fw.core.pipeline import Pipeline
from s4fw.ledger.budgets import Budgets
from s4fw.ledger.callers import Callers
from s4fw.ledger.marks import Wait
from s4fw.ledger.reservation import Resolver
from s4fw.ledger.table import Table
from s4fw.ledger.window import Clock
from s4fw.loops.memory import Memory
from s4fw.pricing import RateCard
from s4fw.stages import build
from s4fw.stages.asking import Fetch
from s4fw.tokens import TokenCounter
from s4fw.tokens.factors import Factors


@dataclass(frozen=True, slots=True)
class Runtime:
    """One generation: the configuration and what was built from it."""

    config: Config
    generation: int
    rates: RateCard
    budgets: Budgets
    pipeline: Pipeline


def built(
    config: Config,
    generation: int,
    table: Table,
    clock: Clock,
    rates: RateCard,
    tokens: TokenCounter,
    offload: Offload,
    resolver: Resolver,
    hash_key: bytes,
    factors: Factors,
    fetch: Fetch,
    breakers: Breakers,
    wait: Wait,
    loops: Memory,
) -> Runtime:
    """Build a generation.  Raises only for a fault: the master has judged the configuration."""
    dialects.BEDROCK.know_profiles(config.profiles)
    values_max = dict(config.attribution.max_values)
    share = config.share
    callers = Callers(table, share.limits, share.keys)
    budgets = Budgets(
        table, share.budgets, clock, rates.version, values_max, resolver, callers, wait
    )
    # A request is refused where its row would have no room, if either says that rows matter more.
    table.set_strict(config.ledger.is_strict or config.durability == "strict")
    pipeline = build(
        config, budgets, rates, tokens, offload, table.counters(), hash_key, factors, fetch,
        breakers, loops,
    )  # fmt: skip
    return Runtime(config, generation, rates, budgets, pipeline)
