"""Exceed: what a budget that is nearly used up may do instead of refusing.

Theory of operation.  Off unless the operator says so, budget by budget.  A quote that does not fit
is made smaller and reserved again, in this order:

* clamp: the bound of the output is lowered to what the refusing budget still pays, never below its
  minimum.  Another budget may refuse what is left, or another worker may take it meanwhile; so this
  is tried again from what the last refusal said, a bounded number of times.
* reroute: the request asks a cheaper model of the same shape.  It is routed, attributed and quoted
  anew, as if it had come so: its bounds, prices and budgets may be others.  If the cheaper one does
  not fit either, it may be clamped.

The cap is never at stake: whatever is tried is reserved like any other quote.  Where nothing fits,
everything is as it was, and the refusal is the one of the request as it came.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Final, Protocol

from s4fw.core.exchange import Exchange
from s4fw.core.stage import Stage
from s4fw.core.verdict import Verdict
from s4fw.errors import Refusal
from s4fw.ledger.applied import Denial
from s4fw.ledger.budgets import Budgets
from s4fw.ledger.marks import Unmarked
from s4fw.stages import price

# Of clamps of one request: each budget may refuse once, and some of the rest may be taken by other
# workers meanwhile.
TRIES: Final = 16


class Clamp(Protocol):
    """How far the output may be lowered."""

    @property
    def min_output_tokens(self) -> int: ...


class OnExceed(Protocol):
    """What runs instead."""

    @property
    def model(self) -> str: ...


class Configured(Protocol):
    """A configured budget (see `s4fw.config`)."""

    @property
    def id(self) -> str: ...
    @property
    def clamp(self) -> Clamp | None: ...
    @property
    def on_exceed(self) -> OnExceed | None: ...


class Exceed:
    """Makes smaller what does not fit.  `again` are the stages that a request for another model has
    to pass once more, in order."""

    def __init__(
        self,
        configured: Sequence[Configured],
        budgets: Budgets,
        again: Sequence[Stage],
    ) -> None:
        self._least: Mapping[str, int] = {
            budget.id: budget.clamp.min_output_tokens
            for budget in configured
            if budget.clamp is not None
        }
        self._cheaper: Mapping[str, str] = {
            budget.id: budget.on_exceed.model
            for budget in configured
            if budget.on_exceed is not None
        }
        self._budgets = budgets
        self._again = tuple(again)

    def knows(self, denial: Denial) -> bool:
        """Whether the refusing budget does anything but refuse."""
        return denial.budget in self._least or denial.budget in self._cheaper

    def instead(self, x: Exchange, denial: Denial) -> Verdict | Awaitable[Verdict]:
        """Reserve something smaller, or refuse as `denial` does."""
        if not self.knows(denial):
            return denial
        before = Before(x)
        verdict = self._clamp(x, denial)
        if verdict is not denial:
            return verdict
        before.restore(x)
        return self._reroute(x, denial, before)

    # -- clamp

    def _clamp(self, x: Exchange, denial: Denial) -> Verdict:
        """Reserve with less output; `denial` where that is not possible."""
        refused = denial
        for _ in range(TRIES):
            least = self._least.get(refused.budget)
            if least is None:
                return denial
            tokens = price.affordable(x, refused.left_nusd, least)
            if tokens is None or not x.route.dialect.lower_output(x, tokens):
                return denial
            price.price(x)
            verdict = self._budgets.reserve(x)
            if verdict is None or isinstance(verdict, Unmarked):  # it fits; see stages.budget
                x.clamped_to = tokens
                x.denied_by = None
                return verdict
            if not isinstance(verdict, Denial):
                return verdict
            refused = verdict
        return denial

    # -- reroute

    def _reroute(self, x: Exchange, denial: Denial, before: Before) -> Verdict | Awaitable[Verdict]:
        model = self._cheaper.get(denial.budget)
        if model is None or not self._ask(x, model):
            before.restore(x)
            return denial
        return self._walk(x, denial, before, 0)

    def _ask(self, x: Exchange, model: str) -> bool:
        """Make the request one for another model; False where its shape cannot.  Whether that one
        has a price for its provider is judged by the stages."""
        return model != x.request.model and x.route.dialect.rename_model(x, model)

    def _walk(
        self, x: Exchange, denial: Denial, before: Before, at: int
    ) -> Verdict | Awaitable[Verdict]:
        """Pass the stages once more from the `at`-th on, then reserve."""
        try:
            for index in range(at, len(self._again)):
                verdict = self._again[index].admit(x)
                if isinstance(verdict, Awaitable):
                    return self._wait(x, denial, before, index, verdict)
                if verdict is not None:
                    before.restore(x)
                    return denial
        except Refusal:  # the other model measures some content otherwise
            before.restore(x)
            return denial
        return self._reserve(x, denial, before)

    async def _wait(
        self,
        x: Exchange,
        denial: Denial,
        before: Before,
        at: int,
        waiting: Awaitable[Verdict],
    ) -> Verdict:
        try:
            verdict = await waiting
        except Refusal:
            verdict = denial
        if verdict is not None:
            before.restore(x)
            return denial
        rest = self._walk(x, denial, before, at + 1)
        return await rest if isinstance(rest, Awaitable) else rest

    def _reserve(self, x: Exchange, denial: Denial, before: Before) -> Verdict:
        if not self._is_asked_within_bounds(x):
            before.restore(x)
            return denial
        x.rerouted_to = x.request.model
        verdict: Verdict = self._budgets.reserve(x)
        if isinstance(verdict, Denial):
            refused = verdict
            verdict = self._clamp(x, refused)
            if verdict is refused:
                before.restore(x)
                return denial
        if verdict is None or isinstance(verdict, Unmarked):
            x.denied_by = None
        return verdict

    @staticmethod
    def _is_asked_within_bounds(x: Exchange) -> bool:
        """Whether the other model takes that much, asked for no more output than it gives."""
        row = x.price
        if row.max_in is not None and x.quote_tokens_in > row.max_in * x.request.choices:
            return False
        asked = x.request.output_tokens_max
        if asked is None or row.max_out is None or asked <= row.max_out:
            return True
        return x.route.dialect.lower_output(x, row.max_out)


class Before:
    """The request as it came, to be put back where nothing smaller fits."""

    __slots__ = (
        "_attribution",
        "_clamped_to",
        "_denied_by",
        "_edits",
        "_estimate",
        "_model",
        "_output_tokens_max",
        "_price",
        "_quote",
        "_rerouted_to",
        "_upstream",
    )

    def __init__(self, x: Exchange) -> None:
        self._attribution = x.attribution
        self._clamped_to = x.clamped_to
        self._denied_by = x.denied_by
        self._edits = x.request.edits  # never changed in place
        self._estimate = x.estimate
        self._model = x.request.model
        self._output_tokens_max = x.request.output_tokens_max
        self._price = x.price
        self._quote = (x.quote_tokens_in, x.quote_tokens_out, x.quote_nusd)
        self._rerouted_to = x.rerouted_to
        self._upstream = x.upstream

    def is_same(self, x: Exchange) -> bool:
        """Whether it is neither clamped nor of another model by now."""
        return (self._clamped_to, self._rerouted_to) == (x.clamped_to, x.rerouted_to)

    def restore(self, x: Exchange) -> None:
        """Put it back.  How its content is measured stays that of the other model: it is not
        measured again."""
        x.attribution = self._attribution
        x.clamped_to = self._clamped_to
        x.denied_by = self._denied_by
        x.estimate = self._estimate
        x.price = self._price
        x.quote_tokens_in, x.quote_tokens_out, x.quote_nusd = self._quote
        x.rerouted_to = self._rerouted_to
        x.upstream = self._upstream
        request = x.request
        request.edits = self._edits
        request.model = self._model
        request.output_tokens_max = self._output_tokens_max
