"""Remembers how many tokens a response ended with, for the request that continues it.

With `previous_response_id` the whole chain before is input again.  Its size is known to the worker
that relayed the response: the input and the output that the provider billed for it.  For a
response that another worker relayed, or that was forgotten, the model's context is the bound.
"""

from __future__ import annotations

from typing import Final

CHAINS_MAX: Final = 16_384  # of each worker, about 300 bytes each


class Chains:
    """Response id and model -> tokens; forgets what was not used among the last half of its size.

    Reading may happen in a thread: single dictionary entries are read and written, nothing else.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._young: dict[tuple[str, str], int] = {}
        self._old: dict[tuple[str, str], int] = {}

    def remember(self, response: str, model: str, tokens: int) -> None:
        """Note what a response to a request for `model` ended with."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[response, model] = tokens

    def tokens(self, response: str, model: str) -> int | None:
        """The tokens of the chain that ends with a response; None where they are not known.  A
        request for another model is such a case: it reads the same text as other tokens."""
        tokens = self._young.get((response, model))
        return self._old.get((response, model)) if tokens is None else tokens


CHAINS: Final = Chains(CHAINS_MAX)  # of this process
