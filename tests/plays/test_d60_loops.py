"""Agents that go round in circles, through real SDKs, on any worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import openai

from tests.harness import Firewall, fetch, openai_client, wait_until
from tests.harness.sdks import anthropic_client
from tests.loops import families
from tests.loops.families import Turn

ENFORCE = {"mode": "enforce"}
BEFORE = 3
CIRCLE = families.runaway("same", 1, BEFORE, count=8)
STOPPED_AT = BEFORE + 4  # turns of the transcript with which it is refused
# A job that gets on: the same call, and more of the text of its result each time.
PATIENT: list[Turn] = [
    ("get_status", {"job": "j"}, f"running: {families.TOOLS[at % 7]} {at // 7 * 'again '}")
    for at in range(20)
]


def ask_openai(base_url: str, turns: list[Turn]) -> int:
    """Run an agent, on a new connection for each request; returns with how many turns it ended."""
    items: list[Any] = families.opening()
    stopped_at = len(turns)
    for at, added in enumerate([[], *families.chat_messages(turns)]):
        items += added
        with openai_client(base_url) as client:
            try:
                client.chat.completions.create(model="mock-small", max_tokens=5, messages=items)
            except openai.PermissionDeniedError as caught:
                refused, stopped_at = caught, at
                break
    else:
        return stopped_at
    assert "loop_detected" == refused.code
    assert "block; rule=repeat" in refused.response.headers["x-s4fw-loop"]
    return stopped_at


def ask_anthropic(url: str, turns: list[Turn]) -> int:
    """The same agent with Anthropic's SDK."""
    items: list[Any] = [{"role": "user", "content": "Do the task."}]
    stopped_at = len(turns)
    for at, added in enumerate([[], *families.anthropic_messages(turns)]):
        items += added
        with anthropic_client(url) as client:
            try:
                client.messages.create(model="claude-haiku-4-5", max_tokens=5, messages=items)
            except anthropic.PermissionDeniedError as caught:
                refused, stopped_at = caught, at
                break
    else:
        return stopped_at
    assert "permission_error" in str(refused)
    assert "the same call with the same result" in str(refused)
    return stopped_at


def asks_on(firewall: Callable[..., Firewall], simulator: Any, **loops: Any) -> Firewall:
    """A firewall of two workers in front of both providers."""
    at = {"base_url": simulator.url}
    return firewall(
        server={"workers": 2}, upstreams={"openai": {**at}, "anthropic": {**at}}, loops=loops
    )


def events_of_loops(proxy: Firewall) -> int:
    """How many refusals of loops an operator sees."""
    events = proxy.admin("/v1/events")["events"]
    return sum(event["fields"].get("code") == "loop_detected" for event in events)


def test_circle_is_stopped_at_its_turn_whichever_worker_takes_the_requests(
    simulator: Any, firewall: Callable[..., Firewall]
) -> None:
    """Each request of the agent may meet another worker: what stops it stands in its body."""
    proxy = asks_on(firewall, simulator, **ENFORCE)
    for _ in range(3):
        assert STOPPED_AT == ask_openai(proxy.base_url, CIRCLE)
    assert STOPPED_AT == ask_anthropic(proxy.url, CIRCLE)
    assert len(PATIENT) == ask_openai(proxy.base_url, PATIENT)
    metrics = fetch(proxy.admin_url + "/metrics").body.decode()
    assert "s4fw_loop_blocked_total 4\n" in metrics
    assert 's4fw_loop_findings_total{rule="repeat",outcome="blocked"} 4\n' in metrics
    wait_until(lambda: 4 == events_of_loops(proxy), "the refusals are among the last events")


def test_shadow_lets_everything_through_and_counts(
    simulator: Any, firewall: Callable[..., Firewall]
) -> None:
    """The default changes nothing."""
    proxy = asks_on(firewall, simulator)
    assert len(CIRCLE) == ask_openai(proxy.base_url, CIRCLE)
    metrics = fetch(proxy.admin_url + "/metrics").body.decode()
    assert "s4fw_loop_shadowed_total 5\n" in metrics
    assert "s4fw_loop_blocked_total 0\n" in metrics


def test_reload_switches_the_mode(simulator: Any, firewall: Callable[..., Firewall]) -> None:
    """An operator who has seen enough of the shadow switches it on without a restart."""
    proxy = asks_on(firewall, simulator)
    assert len(CIRCLE) == ask_openai(proxy.base_url, CIRCLE)
    generation = proxy.admin("/v1/status")["config_generation"]
    proxy.reload({**proxy.config, "loops": ENFORCE})
    wait_until(
        lambda: (
            proxy.admin("/v1/status")["config_generation"] > generation
            and ask_openai(proxy.base_url, CIRCLE) == STOPPED_AT
        ),
        "loops are refused",
    )
