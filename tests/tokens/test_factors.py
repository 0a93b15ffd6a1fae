"""Learned token factors: when they rise, when they may fall, and who sees them."""

from __future__ import annotations

import random

import pytest

from s4fw.tokens.factors import FAMILIES, FAMILIES_MAX, MARGIN, WINDOW, Factors, family_of

OLD_CLAUDE, NEW_CLAUDE = FAMILIES[0], FAMILIES[1]


def area() -> memoryview:
    """A worker's words."""
    return memoryview(bytearray(8 * FAMILIES_MAX)).cast("Q")


class House:
    """Workers that share their words, and a clock."""

    def __init__(self, workers: int = 2) -> None:
        self.minute = 1_000_000
        self.areas = [area() for _ in range(workers)]
        self.workers = [self.born(at) for at in range(workers)]

    def born(self, at: int) -> Factors:
        """A worker that takes this place, and remembers nothing."""
        return Factors(self.areas[at], self.areas, lambda: self.minute)


@pytest.mark.parametrize(
    ("provider", "model", "name"),
    [
        ("anthropic", "claude-3-5-sonnet-20241022", "claude-until-4.6"),
        ("anthropic", "claude-3-opus-20240229", "claude-until-4.6"),
        ("anthropic", "claude-sonnet-4-20250514", "claude-until-4.6"),
        ("anthropic", "claude-sonnet-4-5", "claude-until-4.6"),
        ("anthropic", "claude-opus-4-6", "claude-until-4.6"),
        ("anthropic", "claude-opus-4-7", "claude-since-4.7"),
        ("anthropic", "claude-opus-5-5", "claude-since-4.7"),
        ("anthropic", "claude-fable-5", "claude-since-4.7"),
        ("anthropic", "some-new-name", "claude-since-4.7"),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-until-4.6"),
        ("bedrock", "anthropic.claude-v2:1", "claude-until-4.6"),
        ("bedrock", "global.anthropic.claude-opus-4-7", "claude-since-4.7"),
        ("bedrock", "us.amazon.nova-lite-v1:0", "nova"),
        ("bedrock", "meta.llama3-3-70b-instruct-v1:0", "llama"),
        ("bedrock", "mistral.mistral-large-2407-v1:0", "mistral"),
        ("bedrock", "cohere.command-r-v1:0", "other"),
        ("openai", "my-own", "other"),
    ],
)
def test_family_of_a_model(provider: str, model: str, name: str) -> None:
    """The newest Claude is meant where nobody can tell: it makes the most tokens."""
    family = family_of(provider, model)
    assert (provider, name) == (family.provider, family.name)


def test_start_holds_until_something_was_learned() -> None:
    """A few good calls prove nothing."""
    house = House()
    for _ in range(WINDOW - 1):
        house.workers[0].learn(NEW_CLAUDE, 1000, 900, False)
    assert 2000 == house.workers[0].of(NEW_CLAUDE) == house.workers[1].of(NEW_CLAUDE)


def test_overshoot_raises_at_once_and_for_every_worker() -> None:
    """The next request is held with it, whoever serves it."""
    house = House()
    house.workers[0].learn(NEW_CLAUDE, 1000, 2600, True)
    assert 2860 == house.workers[0].of(NEW_CLAUDE) == house.workers[1].of(NEW_CLAUDE)
    assert 1700 == house.workers[1].of(OLD_CLAUDE)


def test_smaller_overshoot_does_not_lower_what_others_learned() -> None:
    """Two workers at once: the higher truth stays."""
    house = House()
    house.workers[0].learn(NEW_CLAUDE, 1000, 5000, True)
    house.workers[1].learn(NEW_CLAUDE, 1000, 2100, True)
    assert 5500 == house.workers[0].of(NEW_CLAUDE) == house.workers[1].of(NEW_CLAUDE)


def test_full_window_learns_its_percentile_with_a_margin() -> None:
    """The five highest of a thousand are passed over, if none of them was above its bound."""
    house = House(1)
    ratios = [1500] * 995 + [1990] * 5
    random.Random(1).shuffle(ratios)
    for ratio in ratios:
        house.workers[0].learn(NEW_CLAUDE, 1000, ratio, False)
    assert 1500 * MARGIN // 1000 == house.workers[0].of(NEW_CLAUDE)


def test_factor_never_falls_below_its_floor() -> None:
    """A thousand calls of one kind are not all kinds."""
    house = House(1)
    for _ in range(WINDOW):
        house.workers[0].learn(NEW_CLAUDE, 1000, 100, False)
    assert 1200 == house.workers[0].of(NEW_CLAUDE)


def test_overshoot_counts_for_as_long_as_the_window() -> None:
    """It is not forgotten as one of the five highest."""
    house = House(1)
    worker = house.workers[0]
    worker.learn(NEW_CLAUDE, 1000, 3000, True)
    for _ in range(WINDOW - 1):
        worker.learn(NEW_CLAUDE, 1000, 1000, False)
    assert 3300 == worker.of(NEW_CLAUDE)
    for _ in range(100):
        worker.learn(NEW_CLAUDE, 1000, 1000, False)
    assert 1200 == worker.of(NEW_CLAUDE)


def test_bound_with_the_factor_would_have_held_every_overshoot_seen() -> None:
    """Whatever comes in whatever order: the factor is above every overshoot of the window."""
    rng = random.Random(7)
    house = House(3)
    seen: list[int] = []
    for _ in range(3000):
        worker = rng.choice(house.workers)
        factor = worker.of(NEW_CLAUDE)
        actual = round(rng.lognormvariate(0.4, 0.4) * 1000)
        is_overshoot = actual > factor
        worker.learn(NEW_CLAUDE, 1000, actual, is_overshoot)
        if is_overshoot:
            seen.append(actual)
        assert all(worker.of(NEW_CLAUDE) >= actual for actual in seen[-1:])
    assert seen


def test_word_outlives_its_worker_and_is_not_lowered_by_the_next() -> None:
    """A crash loses the window, not what was learned from it."""
    house = House(2)
    house.workers[0].learn(NEW_CLAUDE, 1000, 3000, True)
    heir = house.born(0)
    assert 3300 == heir.of(NEW_CLAUDE)
    for _ in range(WINDOW - 1):
        heir.learn(NEW_CLAUDE, 1000, 1000, False)
    assert 3300 == heir.of(NEW_CLAUDE)
    heir.learn(NEW_CLAUDE, 1000, 1000, False)
    assert 1200 == heir.of(NEW_CLAUDE)


def test_what_nobody_confirms_for_a_day_does_not_count() -> None:
    """A place that no worker takes any more would hold its last word for ever."""
    house = House(2)
    house.workers[0].learn(NEW_CLAUDE, 1000, 3000, True)
    house.minute += 24 * 60
    assert 3300 == house.workers[1].of(NEW_CLAUDE)
    house.minute += 1
    assert 2000 == house.workers[1].of(NEW_CLAUDE)


def test_nothing_is_learned_from_an_empty_estimate() -> None:
    """A request of images only has no text to compare with."""
    house = House(1)
    house.workers[0].learn(NEW_CLAUDE, 0, 100, True)
    assert 2000 == house.workers[0].of(NEW_CLAUDE)


def test_absurd_ratio_fits_its_half_of_the_word() -> None:
    """The minute beside it must stay readable."""
    house = House(1)
    house.workers[0].learn(NEW_CLAUDE, 1, 2**60, True)
    assert 10**9 == house.workers[0].of(NEW_CLAUDE)
