"""What must fit between the configuration and the prices: both are known from here on only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from s4fw.config import Config
from s4fw.config.problem import Problem
from s4fw.pricing import RateCard

_NAMES_MODEL_IN_PATH: Final = "bedrock"


def problems(config: Config, rates: RateCard) -> list[Problem]:
    """What keeps a configuration from being used; none where it is fine."""
    return list(_of_cheaper_models(config, rates))


def _of_cheaper_models(config: Config, rates: RateCard) -> Iterator[Problem]:
    """A budget's cheaper model runs on an upstream of the dialect it is asked in, at a price."""
    for at, budget in enumerate(config.budgets):
        if budget.on_exceed is None:
            continue
        model = budget.on_exceed.model
        dialects = {
            upstream.dialect
            for name, upstream in config.upstreams.items()
            if rates.row(model, upstream.dialect, name) is not None
        }
        path = f"budgets[{at}].on_exceed.model"
        if not dialects:
            yield Problem(
                path, None, f"is {model}, which has no price at any upstream; see pricing.overrides"
            )
        elif dialects == {_NAMES_MODEL_IN_PATH}:
            yield Problem(
                path,
                None,
                f"is {model}, a model of bedrock: its requests name the model in their path, which"
                " is not changed",
            )
