"""What a reload says it changes."""

from __future__ import annotations

from s4fw.config import Config, parse
from s4fw.config.changes import changes, unreloadable_changes

PLAIN = "upstreams: {openai: {base_url: https://api.openai.com}}\n"


def with_budgets(*budgets: str) -> Config:
    listed = "".join(f"  - {{window: day, per: [tenant], {budget}}}\n" for budget in budgets)
    return parse(f"{PLAIN}budgets:\n{listed}", "x", {})


def test_same_configuration_changes_nothing() -> None:
    """A reload without a change must be silent."""
    config = with_budgets("id: a, limit_usd: 5, overrides: {acme: 6}")
    assert [] == changes(config, config)
    assert [] == unreloadable_changes(config, config)


def test_removed_new_and_lowered_budgets_are_told() -> None:
    """A cap that vanishes, or that blocks at once, is what an operator wants to hear of."""
    old = with_budgets("id: a, limit_usd: 5", "id: b, limit_usd: 5, overrides: {acme: 9}")
    new = with_budgets("id: b, limit_usd: 4, overrides: {globex: 7}", "id: c, limit_usd: 1")
    assert [
        "Budget a is removed: it holds nothing back any more.",
        "Budget b: the limit is lowered from $5.00 to $4.00. What is used already beyond it blocks"
        " at once.",
        "Budget b for tenant acme: the limit is lowered from $9.00 to $4.00. What is used already"
        " beyond it blocks at once.",
        "Budget b for tenant globex: the limit is raised from $5.00 to $7.00.",
        "Budget c is new: it starts from zero.",
    ] == changes(old, new)


def test_renamed_budget_keeps_its_spend() -> None:
    """A rename must not refill a budget."""
    old = with_budgets("id: a, limit_usd: 5")
    new = with_budgets("id: b, limit_usd: 5, was: a")
    assert ["Budget a is renamed to b and keeps its spend."] == changes(old, new)
    assert ["Budget b is renamed to c and keeps its spend."] == (
        changes(new, with_budgets("id: c, limit_usd: 5, was: a"))
    )


def test_second_rename_that_loses_the_spend_says_so() -> None:
    """The ledger knows the first id only."""
    new = with_budgets("id: b, limit_usd: 5, was: a")
    said = changes(new, with_budgets("id: c, limit_usd: 5, was: b"))
    assert "write was: a to keep its spend" in said[-1]


def test_other_window_or_mode_is_told() -> None:
    """Both change what is blocked, without any limit changing."""
    old = with_budgets("id: a, limit_usd: 5")
    text = f"{PLAIN}budgets: [{{id: a, per: [], window: day, limit_usd: 5, mode: shadow}}]"
    assert [
        "Budget a counts by another scope, window or time zone: it starts from zero.",
        "Budget a no longer blocks: it is a shadow.",
    ] == changes(old, parse(text, "x", {}))


def test_listener_change_needs_a_restart() -> None:
    """Sockets are opened once, before the workers are forked."""
    old = parse(PLAIN, "x", {"S4FW_RUNTIME_DIR": "/a"})
    new = parse(PLAIN + "server: {port: 8081}", "x", {"S4FW_RUNTIME_DIR": "/b"})
    assert [
        "server.port changes from 8080 to 8081: that needs a restart",
        "paths.runtime changes from /a to /b: that needs a restart",
        "paths.state changes from /a/state to /b/state: that needs a restart",
    ] == unreloadable_changes(old, new)
