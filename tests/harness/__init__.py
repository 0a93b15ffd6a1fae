"""Real processes and real bytes for end-to-end tests.

Process     one program of ours: started, waited for until it is ready, and gone afterwards
Simulator   the provider simulator and its control API
Firewall    `s4fw serve` with its own folder, configuration, ports and admin client
client      plain HTTP, raw bytes, many requests at once, the OpenAI SDK
money       what must be true of budgets, and waiting until nothing is held

The fixtures `simulator` and `firewall` in conftest.py are the usual way in.
"""

from tests.harness.client import (
    Answer,
    Raw,
    chat_body,
    chat_request,
    exchange_raw,
    fetch,
    openai_client,
    parallel,
    post_chat,
    send_all,
)
from tests.harness.firewall import Firewall, firewall_config
from tests.harness.money import Budgets, assert_cap_holds, assert_paid, quiesce
from tests.harness.process import Process
from tests.harness.simulator import Simulator
from tests.harness.wait import wait_until

__all__ = [
    "Answer",
    "Budgets",
    "Firewall",
    "Process",
    "Raw",
    "Simulator",
    "assert_cap_holds",
    "assert_paid",
    "chat_body",
    "chat_request",
    "exchange_raw",
    "fetch",
    "firewall_config",
    "openai_client",
    "parallel",
    "post_chat",
    "quiesce",
    "send_all",
    "wait_until",
]
