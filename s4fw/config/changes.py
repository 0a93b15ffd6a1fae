"""What a new configuration changes, in sentences for the log of a reload and for people."""

from __future__ import annotations

from collections.abc import Iterator

from s4fw.config.budgets import Budget, Override
from s4fw.config.schema import Config
from s4fw.units import usd


def unreloadable_changes(old: Config, new: Config) -> list[str]:
    """What keeps a running firewall from taking the new configuration: it must be restarted."""
    before = dict(old.unreloadable())
    return [
        f"{path} changes from {before[path]} to {value}: that needs a restart"
        for path, value in new.unreloadable()
        if before[path] != value
    ]


def changes(old: Config, new: Config) -> list[str]:
    """What becomes of the budgets: removed, new, renamed, counted anew, other limits and modes."""
    return list(_changes(old, new))


def _changes(old: Config, new: Config) -> Iterator[str]:
    before, after = old.fleet.instances, new.fleet.instances
    if before != after:
        yield (
            f"The fleet has {after} instances instead of {before}: each enforces 1/{after} of every"
            " limit."
        )
    yield from _budgets(old, new)


def _budgets(old: Config, new: Config) -> Iterator[str]:
    before = {_account(budget): budget for budget in old.budgets}
    after = {_account(budget): budget for budget in new.budgets}
    for account, budget in before.items():
        if account not in after:
            yield f"Budget {budget.id} is removed: it holds nothing back any more."
    for account, budget in after.items():
        if account in before:
            yield from _between(before[account], budget)
        else:
            yield f"Budget {budget.id} is new: it starts from zero."
            yield from _lost(budget, old)


def _account(budget: Budget) -> str:
    """The id under which the ledger counts the budget's spend."""
    return budget.was or budget.id


def _lost(budget: Budget, old: Config) -> Iterator[str]:
    """A second rename must keep the first id: that is the one the spend is counted under."""
    for former in old.budgets:
        if former.id == budget.was and former.was is not None:
            yield (
                f"Budget {budget.id} says was: {former.id}, but that one is counted under"
                f" {former.was}; write was: {former.was} to keep its spend."
            )


def _between(old: Budget, new: Budget) -> Iterator[str]:
    name = new.id
    if old.id != new.id:
        yield f"Budget {old.id} is renamed to {new.id} and keeps its spend."
    # These are part of a cell's key: the old cells run out unseen.
    counted = (tuple(old.per), old.window, old.timezone)
    if counted != (tuple(new.per), new.window, new.timezone):
        yield f"Budget {name} counts by another scope, window or time zone: it starts from zero."
    if old.mode != new.mode:
        does = "now blocks" if new.mode == "enforce" else "no longer blocks: it is a shadow"
        yield f"Budget {name} {does}."
    if old.limit_nusd != new.limit_nusd:
        yield _limit(f"Budget {name}", old.limit_nusd, new.limit_nusd)
    yield from _overrides(old, new)


def _overrides(old: Budget, new: Budget) -> Iterator[str]:
    before = {_scope(o): o.limit_nusd for o in old.overrides}
    after = {_scope(o): o.limit_nusd for o in new.overrides}
    for scope in sorted(before.keys() | after.keys()):
        was = before.get(scope, old.limit_nusd)
        now = after.get(scope, new.limit_nusd)
        if was != now and (scope in before or scope in after):
            yield _limit(f"Budget {new.id} for {scope}", was, now)


def _scope(override: Override) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(override.scope.items()))


def _limit(subject: str, was: int, now: int) -> str:
    lowered = " What is used already beyond it blocks at once." if now < was else ""
    verb = "lowered" if now < was else "raised"
    return f"{subject}: the limit is {verb} from {usd(was)} to {usd(now)}.{lowered}"
