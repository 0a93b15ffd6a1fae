"""The whole configuration: one frozen, picklable value, from which every process is built."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from s4fw.config.alerts import Alerts
from s4fw.config.attribution import Attribution
from s4fw.config.budgets import BUDGETS_MAX, Budget
from s4fw.config.cloudwatch import CloudWatch
from s4fw.config.fleet import Fleet, budget_of_one, key_of_one, limits_of_one
from s4fw.config.forms import Choice
from s4fw.config.keys import Key
from s4fw.config.ledger import Ledger
from s4fw.config.limits import Limits
from s4fw.config.listeners import Admin, Server
from s4fw.config.loops import Loops
from s4fw.config.paths import Paths
from s4fw.config.pricing import PriceOverride, Pricing
from s4fw.config.section import Section, setting
from s4fw.config.upstreams import Upstream, named_upstreams

__all__ = [
    "BUDGETS_MAX", "Admin", "Attribution", "Budget", "Config", "Fleet", "Key", "Limits", "Paths",
    "Pricing", "Server", "Upstream",
]  # fmt: skip


class Config(Section):
    """What `s4fw.yaml` says, complete with defaults; made by `load` and `parse` only."""

    server: Server = setting("The listener of callers.", {})
    admin: Admin = setting("The listener of operators.", {})
    upstreams: Annotated[dict[str, Upstream], BeforeValidator(named_upstreams)] = setting(
        "The providers, by name."
    )
    keys: tuple[Key, ...] = setting(
        "Who may call. Where left out, everyone may, with the caller's own credential.", []
    )
    attribution: Attribution = setting("Bounds of what headers can say about who pays.", {})
    budgets: tuple[Budget, ...] = setting(f"The budgets, at most {BUDGETS_MAX}.", [])
    limits: Limits = setting("How often callers may come, and how much at once.", {})
    loops: Loops = setting("What is done about agents that go round in circles.", {})
    pricing: Pricing = setting("What tokens cost.", {})
    fleet: Fleet = setting("How many firewalls share the limits.", {})
    durability: Annotated[Literal["relaxed", "strict"], Choice("relaxed", "strict")] = setting(
        "What happens while the state directory cannot be written: `relaxed` goes on and tells,"
        " `strict` refuses with 503 what could not be written down.",
        "relaxed",
    )
    ledger: Ledger = setting("A line for each exchange, chained and signed.", {})
    cloudwatch: CloudWatch = setting("Metrics sent to Amazon CloudWatch.", {})
    alerts: Alerts = setting("What is worth telling somebody at once, and where to.", {})
    paths: Paths = setting("Where state is kept.", {})

    source_path: str | None = Field(None, alias="(source)", exclude=True)
    warnings: tuple[str, ...] = Field((), alias="(warnings)", exclude=True)

    @cached_property
    def digest(self) -> str:
        """A short hash of the effective configuration without its secrets."""
        text = json.dumps(effective(self, is_for_people=False), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @cached_property
    def share(self) -> Config:
        """The configuration with this instance's part of every limit: what is enforced."""
        instances = self.fleet.instances
        if instances == 1:
            return self
        return self.model_copy(
            update={
                "budgets": tuple(budget_of_one(budget, instances) for budget in self.budgets),
                "limits": limits_of_one(self.limits, instances),
                "keys": tuple(key_of_one(key, instances) for key in self.keys),
            }
        )

    @property
    def prices_of_upstreams(self) -> dict[str, dict[str, PriceOverride]]:
        """The rates that hold at one upstream only, by its name."""
        return {name: one.prices for name, one in self.upstreams.items() if one.prices}

    @property
    def regions_of_upstreams(self) -> dict[str, str]:
        """Where upstreams run whose models have prices by region, by their name."""
        return {name: one.region for name, one in self.upstreams.items() if one.region}

    @property
    def residencies_of_upstreams(self) -> dict[str, str]:
        """The regional hosts of OpenAI, by their name."""
        return {name: one.residency for name, one in self.upstreams.items() if one.residency}

    @property
    def profiles(self) -> dict[str, str]:
        """The models behind all application inference profiles, by their ARN."""
        return {
            arn: model for one in self.upstreams.values() for arn, model in one.profiles.items()
        }

    def unreloadable(self) -> tuple[tuple[str, Any], ...]:
        """What may not change on a reload, as (path, value): sockets and files stay as they are."""
        return (
            ("server.host", self.server.host),
            ("server.port", self.server.port),
            ("server.workers", self.server.workers),
            ("server.tls", "off" if self.server.tls is None else "on"),
            ("admin.host", self.admin.host),
            ("admin.port", self.admin.port),
            ("ledger.enabled", self.ledger.enabled),
            ("ledger.dir", str(self.ledger.dir or "unset")),
            ("ledger.key", str(self.ledger.key.file if self.ledger.key else "unset")),
            ("ledger.s3", "none" if self.ledger.s3 is None else str(self.ledger.s3)),
            ("loops.memory", self.loops.memory),
            ("paths.runtime", str(self.paths.runtime)),
            ("paths.state", str(self.paths.state)),
        )


def effective(config: Config, *, is_for_people: bool = True) -> dict[str, Any]:
    """The configuration as it could stand in the file, defaults included and secrets masked.

    For people the digests of keys are shortened, too: a weak key can be guessed from its digest.
    """
    shown: dict[str, Any] = _listed(config.model_dump(by_alias=True, exclude_none=True))
    if not shown["keys"]:
        del shown["keys"]  # an empty list means something else: nobody
    if is_for_people:
        for key in shown.get("keys", ()):
            if "sha256" in key:
                key["sha256"] = key["sha256"][:12] + "..."
    return shown


def _listed(value: Any) -> Any:
    """Sets in order and tuples as lists, so that the same configuration reads the same."""
    if isinstance(value, dict):
        return {name: _listed(one) for name, one in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_listed(one) for one in value]
    return value
