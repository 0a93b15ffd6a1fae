"""`budgets`: which spend is summed up, over which time, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Field, model_serializer, model_validator

from s4fw.config.attribution import Value
from s4fw.config.document import Scalar
from s4fw.config.forms import ID, Choice, Flag, Form, Text, WholeSeconds, permille, usd
from s4fw.config.pricing import Model, Tokens
from s4fw.config.section import Section, setting
from s4fw.core.attribution import DIMENSIONS

BUDGETS_MAX = 8  # cells of one reservation: the width of a lease in the counter table
PER_MAX = 4  # value ids in the key of a cell
OVERRIDES_MAX = 10_000
WARNINGS_MAX = 8
WINDOWS = ("minute", "hour", "day", "week", "month", "total")
ZONED = ("day", "week", "month")  # windows whose start depends on the time zone

ID_WORDS = "1 to 64 lower-case letters, digits or hyphens, starting with no hyphen"
SCOPE = "(scope)"  # the key under which an override's dimensions are gathered
ONLY = "(only)"  # the dimension of the short form while it is not known which one it is

Id = Annotated[str, Text(ID, ID_WORDS)]
LimitUsd = Annotated[int, usd()]


class Zone(Form):
    """A name of the IANA time zone database; tzdata comes with the package."""

    words = "the name of an IANA time zone, such as Europe/Berlin"
    schema = {"type": "string"}

    def read(self, scalar: Scalar) -> str:
        if scalar.text not in available_timezones():
            raise self.refused()
        return scalar.text


class Override(Section):
    """Another limit for one value, or one combination of values, of a budget's dimensions."""

    scope: dict[str, Value] = Field(alias="(scope)")
    limit_nusd: LimitUsd = setting("The limit there, in US dollars.", key="limit_usd")

    @model_validator(mode="before")
    @classmethod
    def _gather_scope(cls, data: Any) -> Any:
        if not isinstance(data, dict) or SCOPE in data:
            return data
        scope = {name: value for name, value in data.items() if name != "limit_usd"}
        limit = {"limit_usd": data["limit_usd"]} if "limit_usd" in data else {}
        return {SCOPE: scope, **limit}

    @model_serializer(mode="wrap")
    def _flat(self, handler: Any) -> dict[str, Any]:
        shown: dict[str, Any] = handler(self)
        limit = shown.get("limit_usd", shown.get("limit_nusd"))
        return {**self.scope, "limit_usd": limit}


def _as_list(value: Any) -> Any:
    """Spread the short form, `{acme: 500}`: the budget puts its dimension in."""
    if not isinstance(value, dict):
        return value
    return [{SCOPE: {ONLY: name}, "limit_usd": limit} for name, limit in value.items()]


class Clamp(Section):
    """Instead of refusing what does not fit, lower the bound of its output to what this budget
    still pays. The answer may end early; it says so in `x-s4fw-clamped`."""

    min_output_tokens: Tokens = setting(
        "Refuse where fewer tokens than this would be left for an answer."
    )


class OnExceed(Section):
    """What runs instead where not even a clamp fits."""

    model: Model = setting(
        "A cheaper model of the same API, asked in place of the one that does not fit; the answer"
        " names it in `x-s4fw-model`."
    )


class Budget(Section):
    """One budget; it applies to a request that has a value for each of its dimensions."""

    id: Id = setting("Its name in answers, metrics and the ledger.")
    per: tuple[Annotated[str, Choice(*DIMENSIONS)], ...] = setting(
        "The dimensions whose values are summed up apart, at most 4; empty for everything together."
    )
    window: Annotated[str, Choice(*WINDOWS)] = setting(
        "The time that is summed up; calendar windows start at 00:00, weeks on Monday."
    )
    timezone: Annotated[str, Zone()] | None = setting(
        "The IANA time zone of the start of a day, week or month; UTC where left out.", None
    )
    limit_nusd: LimitUsd = setting(
        "The most that may be used in one window, in US dollars.", key="limit_usd"
    )
    mode: Annotated[Literal["enforce", "shadow"], Choice("enforce", "shadow")] = setting(
        "enforce blocks what does not fit; shadow only says and counts it.", "enforce"
    )
    overrides: Annotated[tuple[Override, ...], BeforeValidator(_as_list)] = setting(
        "Other limits for single values: `{acme: 500}` where `per` is one dimension, else a list of"
        " `{tenant: acme, feature: support, limit_usd: 5}`.",
        [],
    )
    warn_at: tuple[Annotated[int, permille()], ...] = setting(
        "Parts of the limit from which answers carry a warning.", []
    )
    owner: Annotated[str, Text(r"[ -~]{1,128}", "1 to 128 printable ASCII characters")] | None = (
        setting("Whom to ask for more; callers read it when they are blocked.", None)
    )
    visible: Annotated[bool, Flag()] = setting(
        "Show callers the amounts of a budget whose `per` is empty.", False
    )
    idle_s: Annotated[int, WholeSeconds("1m", "366d")] | None = setting(
        "A total without a request for this long is forgotten, and starts anew.", None, key="idle"
    )
    clamp: Clamp | None = setting(
        "Lower the output of what does not fit; off where left out.", None
    )
    on_exceed: OnExceed | None = setting(
        "Ask a cheaper model where the request does not fit; off where left out.", None
    )
    was: Id | None = setting(
        "The id its spend has been counted under so far, after a rename; keep it from then on.",
        None,
    )

    @model_validator(mode="after")
    def _complete_short_form(self) -> Budget:
        if len(self.per) == 1 and any(ONLY in o.scope for o in self.overrides):
            # Frozen for everybody else; this is still the making of it.
            spread = tuple(
                o.model_copy(update={"scope": {self.per[0]: o.scope[ONLY]}})
                if ONLY in o.scope
                else o
                for o in self.overrides
            )
            object.__setattr__(self, "overrides", spread)
        return self


def budget_problems(budgets: Mapping[int, Budget]) -> Iterator[tuple[str, str]]:
    """What is wrong with the budgets (by their place in the list), as (path, sentence)."""
    ids: dict[str, int] = {}
    former: dict[str, int] = {}
    present = {budget.id for budget in budgets.values()}
    for at, budget in budgets.items():
        path = f"budgets[{at}]"
        first = ids.setdefault(budget.id, at)
        if first != at:
            yield f"{path}.id", f"is {budget.id}, which is the id of budgets[{first}] already"
        if budget.was in present:
            yield f"{path}.was", f"is {budget.was}, which is still the id of a budget"
        elif budget.was is not None and former.setdefault(budget.was, at) != at:
            yield f"{path}.was", f"is {budget.was}, which budgets[{former[budget.was]}] was already"
        yield from _own_problems(path, budget)
        yield from _override_problems(path, budget)


def _own_problems(path: str, budget: Budget) -> Iterator[tuple[str, str]]:
    if len(set(budget.per)) != len(budget.per):
        yield f"{path}.per", "names a dimension twice"
    if len(budget.per) > PER_MAX:
        yield f"{path}.per", f"names {len(budget.per)} dimensions; at most {PER_MAX} are possible"
    if budget.timezone is not None and budget.window not in ZONED:
        yield f"{path}.timezone", f"has no meaning for a {budget.window} window; remove it"
    if budget.idle_s is not None and budget.window != "total":
        yield f"{path}.idle", f"has no meaning for a {budget.window} window; only for total"
    if len(budget.warn_at) > WARNINGS_MAX:
        yield f"{path}.warn_at", f"names more than {WARNINGS_MAX} parts"
    if any(a >= b for a, b in zip(budget.warn_at, budget.warn_at[1:], strict=False)):
        yield f"{path}.warn_at", "must ascend, each part once"


def _override_problems(path: str, budget: Budget) -> Iterator[tuple[str, str]]:
    if not budget.overrides:
        return
    if not budget.per:
        yield f"{path}.overrides", "needs a budget with dimensions, but `per` is empty"
        return
    if len(budget.overrides) > OVERRIDES_MAX:
        yield f"{path}.overrides", f"has more than {OVERRIDES_MAX} entries"
    seen: dict[tuple[tuple[str, str], ...], int] = {}
    for at, override in enumerate(budget.overrides):
        place = f"{path}.overrides[{at}]"
        if ONLY in override.scope:
            yield (
                f"{path}.overrides",
                "in its short form needs exactly one dimension in `per`; write a list of"
                f" {{{', '.join(f'{name}: ...' for name in budget.per)}, limit_usd: ...}}",
            )
            return
        if set(override.scope) != set(budget.per):
            yield place, f"must name exactly {', '.join(budget.per)} and limit_usd"
            continue
        first = seen.setdefault(tuple(sorted(override.scope.items())), at)
        if first != at:
            yield place, f"is for the same values as overrides[{first}]"
