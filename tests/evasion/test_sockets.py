"""A sample of the attempts through real processes: the provider's books against ours."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from contextlib import suppress

from tests.evasion.families import tries
from tests.evasion.intakes import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES
from tests.harness import Firewall, Simulator, assert_paid, fetch, firewall_config

ALL = [{"id": "all", "per": [], "window": "day", "limit_usd": "1000"}]
EACH = 41  # a prime: every family has its share


def test_sample_of_attempts_is_charged_at_least_what_the_provider_charged(
    firewall: Callable[..., Firewall], simulator: Simulator
) -> None:
    """What the stages promise must hold with a head, a body and a connection around it."""
    upstreams = {name: {"base_url": simulator.url} for name in ("openai", "anthropic")}
    fw = firewall(firewall_config(simulator, ALL, server={"workers": 1}, upstreams=upstreams))
    simulator.faults("full")
    passed = refused = 0
    for intake in (CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS, MESSAGES):
        for one in [*tries(intake)[::EACH], *tries(intake)[-1:]]:
            target = one.attempt.path + (f"?{one.attempt.query}" if one.attempt.query else "")
            status, body, headers = 0, one.attempt.body, dict(one.attempt.headers)
            with suppress(http.client.HTTPException):
                answer = fetch(fw.url + target, "POST", body, headers)
                status = answer.status
                assert b"internal_error" not in answer.body, one.name
                assert b"The simulator failed" not in answer.body, one.name
            passed += status == 200
            refused += status >= 400
            assert not (one.refused and status == 200), one.name
    assert passed > 20
    assert refused > 20
    assert_paid(fw, simulator, "all", exactly=False)
