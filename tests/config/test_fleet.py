"""What one instance of a fleet enforces: its part of every limit, and never more."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s4fw.config import Config, parse
from s4fw.config.changes import changes
from s4fw.units import NUSD_PER_USD as NUSD

FILE = """\
upstreams: {{openai: {{base_url: "https://api.openai.com", api_key: sk-12345678}}}}
fleet: {{instances: {instances}}}
limits: {{per_key_rpm: 600, global_rpm: 6001, per_key_in_flight: 64}}
keys:
  - {{id: bot, sha256: "{digest}", limits: {{rpm: 10, burst: 5, in_flight: 7}}}}
budgets:
  - {{id: all, per: [], window: month, limit_usd: {limit}}}
  - {{id: tenant, per: [tenant], window: day, limit_usd: 5, overrides: {{acme: 0.000000007}}}}
"""


def of(instances: int, limit: str = "10") -> Config:
    return parse(FILE.format(instances=instances, limit=limit, digest="0" * 64), "x", {})


def test_single_instance_enforces_what_is_stated() -> None:
    """Without a fleet nothing may change, not even by rounding."""
    config = of(1)
    assert config is config.share


def test_each_of_three_enforces_a_third_rounded_down() -> None:
    """Money and rates alike: the parts add up to no more than the whole."""
    share = of(3).share
    assert 10 * NUSD // 3 == share.budgets[0].limit_nusd
    assert 2 == share.budgets[1].overrides[0].limit_nusd
    assert (200, 2000, 21) == (
        share.limits.per_key_rpm,
        share.limits.global_rpm,
        share.limits.per_key_in_flight,
    )
    own = share.keys[0].limits
    assert (3, 1, 2) == (own.rpm, own.burst, own.in_flight)


def test_file_keeps_its_stated_limits() -> None:
    """What `check --print` shows is what is written, whatever each instance enforces."""
    config = of(3)
    assert config.share.budgets[0].limit_nusd < config.budgets[0].limit_nusd
    assert 10 * NUSD == config.budgets[0].limit_nusd


def test_share_survives_the_way_to_a_worker() -> None:
    """A new configuration travels to children as a pickle."""
    config = pickle.loads(pickle.dumps(of(3)))
    assert 10 * NUSD // 3 == config.share.budgets[0].limit_nusd


@given(instances=st.integers(1, 5), nusd=st.integers(1, 10**15))
def test_all_instances_together_never_exceed_the_limit(instances: int, nusd: int) -> None:
    """The cap of a fleet is the sum of what its instances let through; at most N - 1 nano-dollars
    are lost to rounding."""
    text = f"{nusd // NUSD}.{nusd % NUSD:09d}"
    total = of(instances, text).share.budgets[0].limit_nusd * instances
    assert nusd - instances < total <= nusd


def test_growing_fleet_is_told_at_reload() -> None:
    """Each instance's cap falls: an operator wants to read that in the log."""
    assert ["The fleet has 4 instances instead of 2: each enforces 1/4 of every limit."] == changes(
        of(2), of(4)
    )


@pytest.mark.parametrize("instances", [0, 1001, -1])
def test_fleet_of_no_size_is_refused(instances: int) -> None:
    """Dividing by nothing is no limit at all."""
    with pytest.raises(Exception, match=r"fleet\.instances"):
        of(instances)
