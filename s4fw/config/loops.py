"""`loops`: what is done about agents that go round in circles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from s4fw.config.attribution import Value
from s4fw.config.forms import Choice, Duration, Size, Text, Whole, WholeSeconds, usd
from s4fw.config.keys import Key
from s4fw.config.section import Section, setting

# The same words as in `s4fw.loops.rules`, which this layer does not import; a test compares them.
MODES = ("off", "shadow", "warn", "enforce")
RULES = (
    *("repeat", "near-repeat", "cycle", "failing-streak", "empty-results-streak", "same-text"),
    *("stagnation", "novelty", "retry-storm", "growth", "fan-out", "cost-slope"),
    *("spend-after-failures", "session-turns", "session-cost", "session-time", "retries"),
    *("long-session",),
)
OVERRIDES_MAX = 30  # beside the default: a bit each in what is kept of a turn

Mode = Annotated[str, Choice(*MODES)]
Rules = dict[Annotated[str, Choice(*RULES)], Mode]
Tool = Annotated[str, Text(r"[A-Za-z0-9_.:/*?-]{1,128}", "a tool's name, with * for any letters")]
Header = Annotated[str, Text(r"[a-z0-9_-]{1,64}", "the name of a header, in lower case")]
Turns = Annotated[int, Whole(2, 32)]
Count = Annotated[int, Whole(1, 1_000_000)]


class LoopThresholds(Section):
    """After how many turns a loop is one; warnings come a little earlier. Unset ones are as in
    docs/loops.md."""

    repeat: Turns | None = setting("The same call with the same result: 4.", None)
    repeat_errors: Turns | None = setting("Nearly the same, and every result fails: 5.", None)
    repeat_args: Turns | None = setting("Arguments that differ in digits or ids only: 6.", None)
    repeat_nonce: Turns | None = setting("Results that differ in ids only: 6.", None)
    poll: Turns | None = setting("Results that differ in digits only, and allowed_tools: 12.", None)
    failing: Turns | None = setting("The same failure, whatever the arguments: 6.", None)
    cycle: Turns | None = setting("Rounds of the same turns: 3.", None)
    cycle_near: Turns | None = setting("Rounds of nearly the same turns: 4.", None)
    empty: Turns | None = setting("The same empty result, whatever the arguments: 8.", None)
    same_text: Turns | None = setting("The same text, and nothing new comes back: 3.", None)
    stagnation: Turns | None = setting("Turns with hardly anything different in them: 12.", None)
    novelty: Turns | None = setting("Turns in which nothing is new: 8.", None)


class LoopLimits(Section):
    """Of one session, however it spends; refused like a loop, in the mode of its rule."""

    turns: Count | None = setting("Turns; rule session-turns.", None)
    cost_nusd: Annotated[int, usd()] | None = setting(
        "Cost in US dollars; rule session-cost. Best effort: what must hold is a budget.",
        None,
        key="cost_usd",
    )
    timeout_s: Annotated[int, WholeSeconds("1s", "30d")] | None = setting(
        "Time since its first request; rule session-time.", None, key="timeout"
    )
    retries_per_minute: Count | None = setting(
        "How often it may send its last request again; rule retries.", None
    )


class LoopOverride(Section):
    """Other settings for a key, a tenant or a feature; what is left out is as for all."""

    key: Value | None = setting("The id of a key.", None)
    tenant: Value | None = setting("A tenant.", None)
    feature: Value | None = setting("A feature.", None)
    mode: Mode | None = setting("The mode there.", None)
    rules: Rules | None = setting("Modes of single rules there.", None)
    thresholds: LoopThresholds = setting("Thresholds there.", {})
    allowed_tools: tuple[Tool, ...] | None = setting("Tools that may repeat there.", None)
    limits: LoopLimits | None = setting("Limits of sessions there.", None)

    @property
    def scope(self) -> dict[str, str]:
        """The values it asks for, by dimension."""
        given = {"key": self.key, "tenant": self.tenant, "feature": self.feature}
        return {name: value for name, value in given.items() if value is not None}


class Loops(Section):
    """Layer 2: best effort, by behaviour; the caps are the guarantee."""

    mode: Mode = setting(
        "off; shadow counts only; warn tells callers and operators; enforce refuses.", "shadow"
    )
    rules: Rules = setting(
        "Modes of single rules, `{repeat: enforce, novelty: off}`. Rules that also fit good work"
        " (growth, fan-out, cost-slope, spend-after-failures, long-session) warn at most; so does"
        " novelty unless it is named here.",
        {},
    )
    thresholds: LoopThresholds = setting("After how many turns a loop is one.", {})
    allowed_tools: tuple[Tool, ...] = setting(
        "Tools that wait for something: they may repeat up to `poll` times, and without end where a"
        " turn takes 5 s and costs less than 0.05 USD.",
        ["wait", "sleep", "poll", "get_status", "check_*"],
    )
    limits: LoopLimits = setting("Limits of one session.", {})
    cool_down_s: Annotated[float, Duration("1s", "1h")] = setting(
        "After a refusal, when one request of the session may show that it got out of its loop.",
        "30s",
        key="cool_down",
    )
    session_headers: tuple[Header, ...] = setting(
        "Headers in which callers name their session, before those that are known anyway.", []
    )
    may_override: tuple[Value, ...] = setting(
        "Ids of keys whose requests may allow themselves loops of n turns: x-s4fw-loop-ok: n.", []
    )
    overrides: tuple[LoopOverride, ...] = setting(
        "Other settings for some callers, at most 30; the first that fits holds.", []
    )
    memory: Annotated[int, Size("1MiB", "1GiB")] = setting(
        "Shared memory for sessions, 512 bytes each; a restart takes another size.", "32MiB"
    )


def loop_problems(loops: Loops, keys: Mapping[int, Key]) -> Iterator[tuple[str, str]]:
    """What is wrong with the section, as (path, sentence)."""
    if len(loops.overrides) > OVERRIDES_MAX:
        yield "loops.overrides", f"are {len(loops.overrides)}; at most {OVERRIDES_MAX} are possible"
    for at, override in enumerate(loops.overrides):
        if not override.scope:
            yield f"loops.overrides[{at}]", "names no key, tenant or feature"
    ids = {key.id for key in keys.values()}
    for at, name in enumerate(loops.may_override):
        if name not in ids:
            yield f"loops.may_override[{at}]", f"is {name}, which is the id of no key"
