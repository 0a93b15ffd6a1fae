"""Factors: how many tokens a model without a public tokenizer makes of a token of ours.

Theory of operation.  `counting: calibrated` takes o200k tokens times a factor of the model's family
in place of the byte bound.  No constant factor is safe, so factors are learned: each settlement
tells what the provider counted.  A worker keeps its last 1,000 ratios of a family, and what it has
learned is

    max(start * 0.6,  its 99.5th percentile * 1.1,  every overshoot among them * 1.1)

which falls only once there are 1,000, and is raised at once by an overshoot.

What it has learned is one 64-bit word of the worker's own counter area in the shared table: the
minute in which it was written, and thousandths.  Nobody else writes it, so there is no race; a word
is one store, so a kill leaves the old or the new one.  Every worker holds with the highest word of
all areas, read at each request: one that saw an overshoot warns all others at once.  A word
outlives its writer: who takes its place does not lower it before it has 1,000 ratios of its own.
What nobody has confirmed for a day does not count any more.

Integers only: a factor is in thousandths.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence

WINDOW = 1000  # ratios of a family that a worker remembers
_OVER = 5  # of them above the 99.5th percentile
MARGIN = 1100  # on top of what was seen, in thousandths
FLOOR = 600  # of the start, in thousandths: never below that
PLAIN = 1000
_RENEWED_EVERY = 50  # settlements after which a window is looked through again
_FRESH_MINUTES = 24 * 60
_FACTOR_MAX = 10**9  # beyond any bound in bytes


class Family:
    """Models of one provider that share a tokenizer; `start` is in thousandths."""

    __slots__ = ("index", "name", "provider", "start")

    def __init__(self, index: int, provider: str, name: str, start: int) -> None:
        self.index = index
        self.provider = provider
        self.name = name
        self.start = start

    def __repr__(self) -> str:
        return f"<Family {self.provider} {self.name}>"


# By their place in the area of factors: append only, 16 at most.
FAMILIES = (
    Family(0, "anthropic", "claude-until-4.6", 1700),
    Family(1, "anthropic", "claude-since-4.7", 2000),
    Family(2, "bedrock", "claude-until-4.6", 1700),
    Family(3, "bedrock", "claude-since-4.7", 2000),
    Family(4, "bedrock", "nova", 1500),
    Family(5, "bedrock", "llama", 1500),
    Family(6, "bedrock", "mistral", 1500),
    Family(7, "bedrock", "other", 1500),
    Family(8, "openai", "other", 1500),
)
FAMILIES_MAX = 16
assert len(FAMILIES) <= FAMILIES_MAX

# claude-3-5-sonnet-20241022, claude-sonnet-4-5, claude-opus-4.1, claude-instant-v1: the version is
# the first one or two small numbers.
_VERSION = re.compile(r"claude-(?:[a-z]+-)*v?(\d{1,2})(?:[-.](\d{1,2}))?(?![\d])")
_MAKERS = (("amazon.nova", 4), ("meta.llama", 5), ("mistral.", 6))
_SINCE = (4, 7)


def family_of(provider: str, model: str) -> Family:
    """The family of a model; of a Claude whose version nobody can read, the newest."""
    if provider == "openai":
        return FAMILIES[8]
    base = 0 if provider == "anthropic" else 2
    if provider == "anthropic" or "claude" in model:
        found = _VERSION.search(model)
        is_old = found is not None and (int(found[1]), int(found[2] or 0)) < _SINCE
        return FAMILIES[base + (not is_old)]
    for maker, index in _MAKERS:
        if maker in model:
            return FAMILIES[index]
    return FAMILIES[7]


class Learned:
    """What one worker learns of one family."""

    __slots__ = ("_overshoots", "_ratios", "_since", "family")

    def __init__(self, family: Family) -> None:
        self.family = family
        self._ratios: deque[int] = deque(maxlen=WINDOW)
        self._overshoots: deque[tuple[int, int]] = deque()  # when (a count of calls), ratio
        self._since = 0

    def learn(self, ratio: int, is_overshoot: bool) -> int | None:
        """Take a ratio in thousandths, rounded up.  A factor that may be lower than before, or
        None; after an overshoot at least what would have held it."""
        self._since += 1
        self._ratios.append(ratio)
        if is_overshoot:
            self._overshoots.append((self._since, ratio))
        while self._overshoots and self._overshoots[0][0] <= self._since - WINDOW:
            self._overshoots.popleft()
        if len(self._ratios) < WINDOW or (self._since % _RENEWED_EVERY and not is_overshoot):
            return None
        return self._now()

    def _now(self) -> int:
        seen = sorted(self._ratios)[-1 - _OVER]
        worst = max((ratio for _, ratio in self._overshoots), default=0)
        raised = max(seen, worst) * MARGIN
        least = self.family.start * FLOOR
        return -(-max(raised, least) // PLAIN)


class Factors:
    """The factors of all families, for one worker.

    `own` is its area of words, which only it writes; `areas` are those of all workers.  `minute`
    tells the time, the same in all processes and over restarts.
    """

    def __init__(
        self, own: memoryview, areas: Sequence[memoryview], minute: Callable[[], int]
    ) -> None:
        self._own = own
        self._areas = tuple(areas)
        self._minute = minute
        self._learned = tuple(Learned(family) for family in FAMILIES)

    def of(self, family: Family) -> int:
        """The factor to hold with now, in thousandths: the highest that any worker has learned;
        while none has, the start."""
        return current(family, self._areas, self._minute())

    def learn(self, family: Family, estimate: int, actual: int, is_overshoot: bool) -> None:
        """The provider counted `actual` tokens where `estimate` were estimated; an overshoot where
        more was counted than was held."""
        if estimate <= 0:
            return
        ratio = -(-actual * PLAIN // estimate)
        factor = self._learned[family.index].learn(ratio, is_overshoot)
        if is_overshoot:
            raised = max(-(-ratio * MARGIN // PLAIN), self.of(family))
            factor = raised if factor is None else max(raised, factor)
        if factor is not None:
            word = self._minute() << 32 | min(factor, _FACTOR_MAX)
            self._own[family.index] = word


def current(family: Family, areas: Sequence[memoryview], minute: int) -> int:
    """The factor of a family in these areas; see `Factors.of`."""
    highest = 0
    for area in areas:
        word = area[family.index]
        if word and minute - (word >> 32) <= _FRESH_MINUTES:
            highest = max(highest, word & 0xFFFF_FFFF)
    return highest or family.start
