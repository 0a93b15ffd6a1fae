"""What the configuration says about loops, as the watch takes it."""

from __future__ import annotations

from collections.abc import Mapping

from s4fw.config.loops import LoopLimits, LoopOverride, Loops, LoopThresholds
from s4fw.loops.policy import Limits, Policies, Policy
from s4fw.loops.thresholds import Thresholds


def policies_of(loops: Loops) -> Policies:
    """One policy for all, and those of the overrides."""
    default = Policy(
        loops.mode,
        loops.rules,
        _thresholds(loops.thresholds, Thresholds()),
        loops.allowed_tools,
        _limits(loops.limits),
        int(loops.cool_down_s * 1000),
    )
    return Policies(default, [(o.scope, _overridden(o, default)) for o in loops.overrides])


def _overridden(override: LoopOverride, default: Policy) -> Policy:
    """A policy that is as the default where the override says nothing."""
    # A mode of an override is for all rules but those that it names itself.
    rules: Mapping[str, str] = default.rules if override.mode is None else {}
    tools = override.allowed_tools
    return Policy(
        override.mode or default.mode,
        {**rules, **(override.rules or {})},
        _thresholds(override.thresholds, default.thresholds),
        default.allowed_tools if tools is None else tools,
        default.limits if override.limits is None else _limits(override.limits),
        default.cool_down_ms,
    )


def is_idle(loops: Loops) -> bool:
    """Whether nothing is to be looked at for anybody."""
    modes = {loops.mode, *loops.rules.values()}
    for override in loops.overrides:
        modes |= {override.mode or loops.mode, *(override.rules or {}).values()}
    return modes == {"off"}


def _thresholds(configured: LoopThresholds, default: Thresholds) -> Thresholds:
    c, d = configured, default
    return Thresholds(
        repeat=c.repeat or d.repeat,
        repeat_errors=c.repeat_errors or d.repeat_errors,
        repeat_args=c.repeat_args or d.repeat_args,
        repeat_nonce=c.repeat_nonce or d.repeat_nonce,
        poll=c.poll or d.poll,
        failing=c.failing or d.failing,
        cycle=c.cycle or d.cycle,
        cycle_near=c.cycle_near or d.cycle_near,
        empty=c.empty or d.empty,
        same_text=c.same_text or d.same_text,
        stagnation=c.stagnation or d.stagnation,
        novelty=c.novelty or d.novelty,
    )


def _limits(configured: LoopLimits) -> Limits:
    time_s = configured.timeout_s
    return Limits(
        configured.turns,
        configured.cost_nusd,
        None if time_s is None else time_s * 1000,
        configured.retries_per_minute,
    )
