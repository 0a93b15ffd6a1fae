"""The firewall, as one list.  Read it from top to bottom: this is the way of every request.

`finish` walks the same list upwards.  A further rule is one file here and one line below.
"""

from __future__ import annotations

from s4fw.config import Config
from s4fw.core.breaker import Breakers
from s4fw.core.exchange import Offload
from s4fw.core.pipeline import Pipeline
from s4fw.core.stage import Stage
from s4fw.dialects import BEDROCK
from s4fw.ledger.budgets import Budgets
from s4fw.loops.memory import BYTES_MIN, Memory
from s4fw.loops.watch import Watch
from s4fw.pricing import RateCard
from s4fw.stages.anomaly import Anomaly
from s4fw.stages.asking import Asking, Fetch
from s4fw.stages.attribute import Attribute
from s4fw.stages.budget import Budget
from s4fw.stages.caller import Identify
from s4fw.stages.digest import Digest
from s4fw.stages.exceed import Exceed
from s4fw.stages.greyzone import GreyZone
from s4fw.stages.inputs import CALIBRATED, Inputs
from s4fw.stages.own import Own
from s4fw.stages.policies import is_idle, policies_of
from s4fw.stages.quote import Quote
from s4fw.stages.rate import Rate
from s4fw.stages.reach import Reach
from s4fw.stages.read import Read
from s4fw.stages.reconcile import Reconcile
from s4fw.stages.route import Route
from s4fw.stages.tools import Tools
from s4fw.tokens import TokenCounter
from s4fw.tokens.factors import Factors


def build(
    config: Config,
    budgets: Budgets,
    rates: RateCard,
    tokens: TokenCounter,
    offload: Offload,
    counters: memoryview,
    hash_key: bytes,
    factors: Factors | None = None,
    fetch: Fetch | None = None,
    breakers: Breakers | None = None,
    loops: Memory | None = None,
) -> Pipeline:
    """The pipeline of one configuration.  A worker calls it at its start and at each reload.

    `factors` and `fetch` are for models without a public tokenizer, see `stages.inputs`; `loops`
    is the memory that all workers watch sessions in.
    """
    BEDROCK.know_profiles(config.profiles)  # which models stand behind opaque names
    master = config.server.sigv4_master
    signed = [name for name, upstream in config.upstreams.items() if upstream.is_signed]
    route = Route(list(config.upstreams.values()))
    attribute = Attribute(config.attribution, rates.priced_as, hash_key)
    counting = config.pricing.counting
    ask = Asking(fetch, counters).ask if fetch is not None else None
    quote = Quote(rates, Inputs(tokens, offload, counters, counting, factors, ask))
    digest = Digest(signed, offload)
    budget = Budget(budgets, Exceed(config.budgets, budgets, (route, attribute, quote, digest)))
    watch = Watch(
        loops or Memory(BYTES_MIN), policies_of(config.loops), config.loops.session_headers
    )
    rate = Rate(budgets.callers)
    stages: list[Stage] = [
        # Who calls: unknown keys end at the head, wrong signatures before the body is parsed.
        Identify(config.keys, master.get_secret_value() if master else None, offload),
        # One strict reading of the body; most bad input ends here.
        Read(offload, config.pricing.opaque_file_token_bound),
        Own(budgets, (attribute, rate)),  # what the firewall answers itself ends here
        route,  # which upstream it goes to
        Reach(breakers or Breakers()),  # whether that one is there at all
        attribute,  # who pays
        Tools(budgets, config.ledger.fields.tools != "count"),  # what the ledger says of tools
        rate,  # whether it comes too fast
        quote,  # what it could cost at worst: arithmetic
        digest,  # what takes time of a signature for the upstream
        # Whether the agent goes round in circles.
        Anomaly(watch, offload, counters, frozenset(config.loops.may_override)),
        # Takes the money, last: a refusal almost never has to give back.
        budget,
        GreyZone(budget, budgets, ask if counting == CALIBRATED else None),
        Reconcile(budgets, rates, counters, factors),  # first at finish: what it did cost
    ]
    if is_idle(config.loops):
        stages = [stage for stage in stages if not isinstance(stage, Anomaly)]
    if not config.ledger.enabled:
        stages = [stage for stage in stages if not isinstance(stage, Tools)]
    return Pipeline(stages)
