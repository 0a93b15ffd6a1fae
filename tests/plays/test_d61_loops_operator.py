"""What an operator does about loops: sees them by tenant, and lets one session go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
from click.testing import CliRunner

from s4fw.cli import main
from tests.harness import Firewall, openai_client
from tests.loops import families

TOKEN = "a-token-for-admins"
CIRCLE = families.runaway("same", 1, 3, count=12)
TENANT = {"x-s4fw-tenant": "acme", "x-s4fw-session": "s-1"}


def run(proxy: Firewall, *arguments: str) -> Any:
    """A command as an operator gives it."""
    env = {"S4FW_ADMIN_URL": proxy.admin_url, "S4FW_ADMIN_TOKEN": TOKEN, "S4FW_CONFIG": None}
    result = CliRunner().invoke(main, arguments, env=env)
    assert 0 == result.exit_code, result.output
    return result.stdout


def ask(proxy: Firewall, turns: int) -> None:
    """One request of the agent, after so many turns."""
    items: list[Any] = families.opening()
    for added in list(families.chat_messages(CIRCLE))[:turns]:
        items += added
    with openai_client(proxy.base_url) as client:
        client.chat.completions.create(
            model="mock-small", max_tokens=5, messages=items, extra_headers=TENANT
        )


def test_released_session_goes_on_and_the_report_tells_of_it(
    simulator: Any, firewall: Callable[..., Firewall]
) -> None:
    """The refusal names the session; the operator knows better than the rule."""
    at = {"base_url": simulator.url}
    proxy = firewall(
        server={"workers": 2},
        upstreams={"openai": at},
        loops={"mode": "enforce"},
        admin={"token": TOKEN},
    )
    for turns in range(7):
        ask(proxy, turns)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask(proxy, 7)
    body: Any = refused.value.body
    session = body["s4fw"]["loop_session"]
    assert session in str(refused.value)
    assert f"released: {session}\n" == run(proxy, "loops", "release", session)
    for turns in range(8, 11):
        ask(proxy, turns)
    report = run(proxy, "loops", "report")
    row = next(line for line in report.splitlines() if line.startswith("acme"))
    assert ["acme", "repeat", "enforce"] == row.split()[:3]
