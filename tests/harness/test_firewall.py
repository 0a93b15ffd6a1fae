"""The firewall helper, on a real firewall: started, watched, reloaded, killed, stopped."""

import signal
from collections.abc import Callable

from tests.harness import (
    Firewall,
    Simulator,
    assert_paid,
    chat_request,
    openai_client,
    post_chat,
    quiesce,
    send_all,
    wait_until,
)

DAY = {"id": "all", "per": [], "window": "day", "limit_usd": "1"}


def test_firewall_helper_walks_through_a_life(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """One start for all of it: traffic, money, a dead worker, a reload, an orderly end."""
    instance = firewall(budgets=[DAY])
    assert post_chat(instance.base_url).status == 200
    answers = send_all(instance.host, instance.port, [chat_request()] * 20)
    assert [a.status for a in answers if not isinstance(a, Exception)] == [200] * 20
    assert assert_paid(instance, simulator, "all")["accrued_nusd"] == 0
    post_chat(instance.base_url, model="mock-drop")
    assert assert_paid(instance, simulator, "all", exactly=False)["accrued_nusd"] > 0

    before = set(instance.wait_workers())
    killed = instance.kill_worker()
    after = set(instance.wait_workers())
    assert killed in before - after
    assert after <= set(instance.tree())
    with openai_client(instance.base_url) as client:
        assert "gpt-4o" in [model.id for model in client.models.list()]

    instance.reload(instance.config | {"budgets": [DAY | {"limit_usd": "2"}]})
    wait_until(lambda: quiesce(instance).one("all")["limit_nusd"] == 2_000_000_000, "the new limit")
    assert instance.stop() == 0
    assert instance.tree() == []


def test_firewall_killed_and_started_again_keeps_its_account(
    simulator: Simulator, firewall: Callable[..., Firewall]
) -> None:
    """The folder keeps state over restarts, so tests can pull the plug."""
    instance = firewall(budgets=[DAY], server={"workers": 1})
    post_chat(instance.base_url)
    spent = quiesce(instance).one("all")["charged_nusd"]
    instance.kill_everything()
    assert instance.wait() == -signal.SIGKILL
    instance.start()
    assert quiesce(instance).one("all")["charged_nusd"] == spent > 0
