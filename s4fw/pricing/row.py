"""The rates of one model: what a token of each kind costs, by service tier and input size.

Published rates are columns such as `cache_read_input_token_cost_above_272k_tokens_priority`.  A
column names a kind of token, and may name a size of the whole input above which it holds and a
tier.  From them every combination is resolved once, so that pricing an exchange only picks a tuple.

A combination that is not published costs the most of: the same kind with less said (no size, no
tier), and the input rate of the combination itself.  A kind that a model does not publish at all
costs as input or output does.  A cache write that is kept for longer costs at least what a short
one does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from s4fw.core.request import CACHE_1H, CACHE_5M, CACHE_12H, CACHE_30M, CACHE_NONE
from s4fw.units import pusd_per_token

DEFAULT: Final = ""  # the tier that has no suffix

_COLUMN: Final = re.compile(
    r"(?P<kind>input_cost_per_token|output_cost_per_token|cache_read_input_token_cost"
    r"|cache_creation_input_token_cost(?:_above_(?:1hr|12hr))?"
    r"|input_cost_per_audio_token|output_cost_per_audio_token)"
    r"(?:_above_(?P<size>\d+)k_tokens)?"
    r"(?:_(?P<tier>flex|priority|batches|ultrafast|decisions))?"
)

# What a service tier is called in requests and answers -> the tiers it can be billed as.
# `auto`, and saying nothing, mean the setting of the caller's project, which may be priority; a
# caller who says `default` is held at less.  What is asked for as flex or priority may be served
# as default.  `scale` is paid for in advance and overflows into default.
_HELD_AS: Final[dict[str | None, tuple[str, ...]]] = {
    None: (DEFAULT, "priority"),
    "auto": (DEFAULT, "priority"),
    "default": (DEFAULT,),
    "flex": (DEFAULT, "flex"),
    "priority": (DEFAULT, "priority"),
    "fast": (DEFAULT, "priority"),
    "scale": (DEFAULT,),
}
_BILLED_AS: Final = {
    "auto": DEFAULT,
    "default": DEFAULT,
    "standard": DEFAULT,
    "scale": DEFAULT,
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
    "batch": "batches",
}
# Other products with endpoints of their own; no answer that the firewall settles is billed so.
_NOT_INTERACTIVE: Final = frozenset({"batches", "decisions"})

Published = Mapping[tuple[str, int, str], int]  # (kind, input size, tier) -> pico-USD per token


class Rates(NamedTuple):
    """Pico-USD per token of each bucket of a usage."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    cache_write_30m: int
    cache_write_12h: int
    output: int
    audio_input: int
    audio_output: int


# For inputs of more tokens than the first: the rates.  Descending; the last holds for all.
Steps = tuple[tuple[int, Rates], ...]
# The same for a quote: more than so many tokens, pico-USD per input token and per output token.
Plan = tuple[tuple[int, int, int], ...]


# The multiplier, in thousandths, of a request that is billed at the rates as such.
PLAIN: Final = 1000
NO_MULTIPLIERS: Final[Mapping[str, int]] = {}


class PriceRow:
    """The resolved rates of one model.  `max_in` and `max_out` are tokens, None where unknown.

    `multipliers` are thousandths by what is billed on top: a speed ("fast") or a place ("us").
    `usual_geo` is the place of a request that names none, `uplift` what every rate is multiplied by
    where this row holds, in thousandths.
    `search_pusd` is the fee of one web search in pico-USD, None where it is not known.
    """

    __slots__ = (
        "_dearest",
        "_plans",
        "_steps",
        "_uplift",
        "_usual",
        "_usual_geo",
        "max_in",
        "max_out",
        "model",
        "multipliers",
        "provider",
        "search_pusd",
    )

    def __init__(
        self,
        model: str,
        provider: str,
        cells: Published,
        max_in: int | None,
        max_out: int | None,
        multipliers: Mapping[str, int] = NO_MULTIPLIERS,
        search_pusd: int | None = None,
        usual_geo: str = "",
        uplift: int = PLAIN,
    ) -> None:
        self.model = model
        self.provider = provider
        self.max_in = max_in
        self.max_out = max_out
        self.multipliers = multipliers
        self.search_pusd = search_pusd
        self._usual_geo = usual_geo
        self._uplift = uplift
        self._usual = self._multiplied("", usual_geo)
        self._steps: dict[str, Steps] = dict(_all_steps(cells))
        self._dearest = _dearest(
            [steps for tier, steps in self._steps.items() if tier not in _NOT_INTERACTIVE]
        )
        self._plans = tuple(self._all_plans(cache) for cache in range(len(_WRITES)))

    def __repr__(self) -> str:
        return f"<PriceRow {self.provider} {self.model} tiers={sorted(self._steps)}>"

    def rates(self) -> dict[str, Steps]:
        """All rates by tier, the default tier under an empty name: for people and for digests."""
        return self._steps

    def multiplier(self, speed: str | None, geo: str | None) -> int:
        """What the rates are multiplied by, in thousandths, rounded up."""
        if speed is None and geo is None:
            return self._usual
        return self._multiplied(speed or "", geo or self._usual_geo)

    def _multiplied(self, speed: str, geo: str) -> int:
        of = self.multipliers
        product = of.get(speed, PLAIN) * of.get(geo, PLAIN) * self._uplift
        return -(-product // (PLAIN * PLAIN))

    def plan(self, tier: str | None, cache: int) -> Plan:
        """The dearest rates that a request of this tier can meet; an unknown tier is held at the
        dearest of all.  `cache` is what it can write to (`core.request`)."""
        plans = self._plans[cache]
        found = plans.get(tier)
        return found if found is not None else plans["?"]

    def steps(self, requested: str | None, reported: str | None) -> Steps:
        """The rates at which an answer is billed.  A tier that is not known costs the dearest."""
        if reported is None:
            # Answers report the tier that ran.  One that does not comes from a server without
            # tiers: it gets no discount, and what was asked for on top counts.
            reported = "default" if requested in ("auto", "flex") else requested or "default"
        tier = _BILLED_AS.get(reported, reported)
        found = self._steps.get(tier)
        if found is not None:
            return found
        return self._steps[DEFAULT] if reported in _BILLED_AS else self._dearest

    def _all_plans(self, cache: int) -> dict[str | None, Plan]:
        made: dict[tuple[str, ...], Plan] = {}  # most names of tiers share a plan
        plans: dict[str | None, Plan] = {"?": _plan(self._dearest, cache)}
        for name, tiers in _HELD_AS.items():
            offered = tuple(tier for tier in tiers if tier in self._steps)
            if offered not in made:
                made[offered] = _plan(_dearest([self._steps[t] for t in offered]), cache)
            plans[name] = made[offered]
        return plans


def published(columns: Mapping[str, str]) -> Published:
    """Read columns of USD per million tokens, written as decimal text.

    Raises ValueError for a column that is not known, a rate with more than six decimals, and
    columns that have no rate for input or none for output.
    """
    cells = {}
    for name, text in columns.items():
        column = _COLUMN.fullmatch(name)
        if column is None:
            raise ValueError(f"the rate column {name!r} is not known")
        size = int(column["size"] or 0) * 1000
        cells[column["kind"], size, column["tier"] or DEFAULT] = pusd_per_token(text)
    for kind in ("input_cost_per_token", "output_cost_per_token"):
        if (kind, 0, DEFAULT) not in cells:
            raise ValueError(f"there is no {kind}")
    return cells


def _all_steps(cells: Published) -> Iterator[tuple[str, Steps]]:
    sizes = sorted({size for _, size, _ in cells}, reverse=True)
    for tier in sorted({tier for _, _, tier in cells}):
        yield tier, tuple((size or -1, _rates(cells, size, tier)) for size in sizes)


def _rates(cells: Published, size: int, tier: str) -> Rates:
    base = _resolved(cells, "input_cost_per_token", size, tier, 0)
    output = _resolved(cells, "output_cost_per_token", size, tier, 0)
    assert base is not None
    assert output is not None

    def of(kind: str, otherwise: int) -> int:
        rate = _resolved(cells, kind, size, tier, base)
        return otherwise if rate is None else rate

    write = of("cache_creation_input_token_cost", base)
    return Rates(
        input=base,
        cache_read=of("cache_read_input_token_cost", base),
        cache_write_5m=write,
        cache_write_1h=max(write, of("cache_creation_input_token_cost_above_1hr", write)),
        cache_write_30m=write,
        cache_write_12h=max(write, of("cache_creation_input_token_cost_above_12hr", write)),
        output=output,
        audio_input=of("input_cost_per_audio_token", base),
        audio_output=of("output_cost_per_audio_token", output),
    )


def _resolved(cells: Published, kind: str, size: int, tier: str, least: int) -> int | None:
    """A kind's rate at a size and tier; from less specific ones, and at least `least`, where it
    is not published; None where the kind is not published with less said either."""
    exact = cells.get((kind, size, tier))
    if exact is not None:
        return exact
    less_said = ((kind, 0, tier), (kind, size, DEFAULT), (kind, 0, DEFAULT))
    found = [cells[cell] for cell in less_said if cell in cells]
    return max(*found, least) if found else None


def _dearest(choices: list[Steps]) -> Steps:
    """The dearest rate of each kind at each size; the choices have the same sizes."""
    if len(choices) == 1:
        return choices[0]
    by_size = zip(*choices, strict=True)
    return tuple(
        (steps[0][0], Rates(*(max(kind) for kind in zip(*(s[1] for s in steps), strict=True))))
        for steps in by_size
    )


# The writes that a request of each kind can be billed for, as places in `Rates`.
_WRITES: Final[dict[int, tuple[int, ...]]] = {
    CACHE_NONE: (),
    CACHE_5M: (2,),
    CACHE_1H: (2, 3),
    CACHE_30M: (4,),
    CACHE_12H: (4, 5),
}


def _plan(steps: Steps, cache: int) -> Plan:
    """The dearest input and output rate at each size.

    The input was bounded, not counted, so a smaller size with dearer rates would count as well.
    """
    plan: list[tuple[int, int, int]] = []
    rate_in = rate_out = 0
    for size, rates in reversed(steps):
        writes = [rates[at] for at in _WRITES[cache]]
        rate_in = max(rate_in, rates.input, rates.cache_read, *writes)
        rate_out = max(rate_out, rates.output)
        plan.append((size, rate_in, rate_out))
    return tuple(reversed(plan))
