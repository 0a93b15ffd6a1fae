"""What a request tells the simulator to do, beside what it asks the model.

A header `x-sim-output: 9` or `[[output 9]]` in the text of the last message; the header first:

output N      the length of the answer in tokens
tool [NAME]   answer with a call of this tool, or of the first
cached N      so many tokens of the prompt were in the cache
search N      so many web searches run, where the request offers the tool
compact N     the provider compacts the context first: a run of the model with so much input
fault ...     see `faults`
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from s4fw.sim.faults import Faults
from s4fw.sim.form import ProviderError
from s4fw.sim.reply import Call

_NAMES = ("output", "tool", "cached", "search", "compact", "fault")
_ORDER = re.compile(rf"\[\[({'|'.join(_NAMES)})(?: ([^\]]*))?\]\]")
_HEADERS = ("output", "tool", "cached", "search", "compact")  # x-sim-fault is read earlier


class Orders:
    """The orders of one request."""

    def __init__(self, call: Call, text: str) -> None:
        given: Mapping[str, str] = call.headers
        self._orders = {match[1]: match[2] or "" for match in _ORDER.finditer(text)}
        for name in _HEADERS:
            if f"x-sim-{name}" in given:
                self._orders[name] = given[f"x-sim-{name}"]

    def number(self, name: str) -> int | None:
        """The number an order gives; None without the order or without a number."""
        text = self._orders.get(name, "")
        return int(text) if text.isdecimal() else None

    @property
    def tool(self) -> str | None:
        """The name of the tool to call, empty for the first; None without the order."""
        return self._orders.get("tool")

    def faults(self, model: str) -> Faults:
        """The faults of the model's name, else those of the text.  Raises ProviderError."""
        named = Faults.of_model(model)
        if named:
            return named
        try:
            return Faults.parse(self._orders.get("fault", ""))
        except ValueError as problem:
            raise ProviderError(400, str(problem), code="unknown_fault") from None
