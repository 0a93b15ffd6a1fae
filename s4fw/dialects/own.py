"""The paths that the firewall answers itself, for callers with a key; refusals are OpenAI's shape.

See `s4fw.stages.own`.  Nothing of them goes to an upstream.
"""

from __future__ import annotations

from typing import Final

from s4fw.core.dialect import Route
from s4fw.dialects.openai.routes import OPENAI

PROVIDER: Final = "s4fw"
BUDGET: Final = Route("s4fw.budget", OPENAI, False, b"/v1/s4fw/budget", PROVIDER)
OUTCOME: Final = Route("s4fw.outcome", OPENAI, False, b"/v1/s4fw/outcome", PROVIDER)


def table() -> dict[bytes, dict[bytes, Route]]:
    """Raw path -> method -> route."""
    return {BUDGET.upstream_path: {b"GET": BUDGET}, OUTCOME.upstream_path: {b"POST": OUTCOME}}
