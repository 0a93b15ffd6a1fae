"""What the operator allows: modes, thresholds and limits, as the detector takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Final

from s4fw.loops.rules import SHADOW, WARN_ONLY
from s4fw.loops.thresholds import Thresholds

# Tools that wait for somebody else: asked again and again, rightly.
ALLOWED_TOOLS: Final = ("wait", "sleep", "poll", "get_status", "check_*")

# A poll that takes its time and costs little is told, never blocked.
PATIENT_GAP_MS: Final = 5_000
CHEAP_TURN_NUSD: Final = 50_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one session; None: no limit."""

    turns: int | None = None
    cost_nusd: int | None = None
    time_ms: int | None = None
    retries_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for some callers: `mode`, but for the rules that `rules` names."""

    mode: str = SHADOW
    rules: Mapping[str, str] = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=Thresholds)
    allowed_tools: Sequence[str] = ALLOWED_TOOLS
    limits: Limits = field(default_factory=Limits)
    cool_down_ms: int = 30_000

    def mode_of(self, rule: str) -> str:
        """The mode of a rule."""
        return self.rules.get(rule) or self.mode

    def may_block(self, rule: str) -> bool:
        """Whether a rule may do more than warn: those that also fit good work must be named."""
        return rule not in WARN_ONLY or rule in self.rules


class Patterns:
    """A list of names of tools, with `*` for any letters."""

    __slots__ = ("_pattern",)

    def __init__(self, names: Sequence[str]) -> None:
        self._pattern = re.compile("|".join(translate(name) for name in names) or "(?!)")

    def have(self, tool: str) -> bool:
        """Whether a tool is on the list."""
        return self._pattern.match(tool) is not None


class Policies:
    """The policy of a caller: the first override that fits its key, tenant and feature."""

    def __init__(
        self, default: Policy, overrides: Sequence[tuple[Mapping[str, str], Policy]] = ()
    ) -> None:
        """`overrides`: the values that each asks for, by dimension, and its policy."""
        self.default = default
        self.overrides = tuple(overrides)
        self.all = (default, *(policy for _, policy in overrides))
        self._lists = [Patterns(policy.allowed_tools) for policy in self.all]
        self._remembered: dict[str, int] = {}

    def place(self, key: str | None, tenant: str | None, feature: str | None) -> int:
        """The place of a caller's policy in `all`."""
        said = {"key": key, "tenant": tenant, "feature": feature}
        for at, (scope, _) in enumerate(self.overrides, 1):
            if all(said.get(name) == value for name, value in scope.items()):
                return at
        return 0

    def lists(self, tools: Sequence[str]) -> int:
        """For each policy a bit: whether all these tools may repeat."""
        bits = -1
        for tool in tools:
            bits &= self._bits(tool)
        return bits

    def _bits(self, tool: str) -> int:
        known = self._remembered.get(tool)
        if known is None:
            known = sum(1 << at for at, names in enumerate(self._lists) if names.have(tool))
            if len(self._remembered) >= 4_096 or len(tool) > 256:  # names come from callers
                self._remembered.clear()
            self._remembered[tool] = known
        return known
