"""What the steward counts in journal rows: how long exchanges took, their tokens, what was decided.

Theory of operation.  Histograms could be words of each worker's slot, but then every request would
pay four look-ups of a bucket on the data path, and the slots would need room for each model.  The
journal rows have all of it already, so the steward adds them up where nobody waits.  The sums stand
in `spend.json` together with the ring positions they reach to, so each row counts once, over
respawns, reloads and kill -9.  What this costs: rows that a full ring dropped are missing here (and
only here: `s4fw_rows_dropped_total` says how many), and figures are up to 50 ms old.

Integers only: milliseconds, microseconds, tokens.  Bounds are inclusive (`le`), and those that
OpenTelemetry advises for the same metric.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

from s4fw.core.attribution import OTHER
from s4fw.core.reason import Reason
from s4fw.ledger.journal import Decision, JournalRow, Kind

# opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics
DURATION_MS: Final = (10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 40960, 81920)
# fmt: off
FIRST_TOKEN_MS: Final = (
    1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000,
)
TOKENS: Final = (
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
)
OVERHEAD_US: Final = (
    50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 102400, 1000000,
)
# fmt: on

MODELS_MAX: Final = 200  # pairs of model and provider; the surplus shares one
_MODEL, _PROVIDER = 6, 7  # places in a row's values
_TIMED: Final = (Kind.SETTLE, Kind.VOID)
_DECIDED: Final = (Kind.SETTLE, Kind.VOID, Kind.RECOVER)


class Histogram:
    """Counts by bucket, the last without a bound, and the sum of what was counted."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[int, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0

    def add(self, value: int) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def document(self) -> list[int]:
        """As it stands in a file: the sum, then the counts."""
        return [self.total, *self.counts]

    def take(self, document: Sequence[Any]) -> None:
        """Go on from a file.  Raises ValueError where it has other buckets."""
        total, *counts = map(int, document)
        if len(counts) != len(self.counts):
            raise ValueError("other buckets")
        self.total, self.counts = total, counts


class ModelTally:
    """One model at one provider."""

    __slots__ = ("duration_ms", "first_token_ms", "input_tokens", "output_tokens")

    def __init__(self) -> None:
        self.duration_ms = Histogram(DURATION_MS)
        self.first_token_ms = Histogram(FIRST_TOKEN_MS)
        self.input_tokens = Histogram(TOKENS)
        self.output_tokens = Histogram(TOKENS)

    @property
    def histograms(self) -> tuple[Histogram, Histogram, Histogram, Histogram]:
        """All, in the order of a file."""
        return self.duration_ms, self.first_token_ms, self.input_tokens, self.output_tokens

    def note(self, row: JournalRow) -> None:
        """Count an exchange of which something was sent."""
        self.duration_ms.add(row.duration_ms)
        if row.is_stream and row.first_byte_ms and row.status == 200:
            # Both moments are measured from the request's head on; the wait lies in between.
            self.first_token_ms.add(max(0, row.first_byte_ms - row.sent_us // 1000))
        if row.kind is Kind.SETTLE and row.reason is Reason.USAGE:
            uncached, cached, write_5m, write_1h, write_other, output, _, _ = row.tokens
            self.input_tokens.add(uncached + cached + write_5m + write_1h + write_other)
            self.output_tokens.add(output)


class Tally:
    """All of it, of all workers that ever were."""

    __slots__ = ("decisions", "models", "overhead_us")

    def __init__(self) -> None:
        self.models: dict[tuple[str, str], ModelTally] = {}  # by model and provider
        self.overhead_us = Histogram(OVERHEAD_US)
        self.decisions: dict[tuple[str, str], int] = {}  # by decision and reason

    def note(self, row: JournalRow, names: Sequence[str | None]) -> None:
        """Count one row; `names` are its values by dimension."""
        kind, reason = row.kind, row.reason
        if kind is Kind.BLOCK:
            key = ("block", row.code or "unknown")
        elif kind in _DECIDED:
            key = (_DECISIONS[row.decision], _REASONS[reason])
        else:
            return
        self.decisions[key] = self.decisions.get(key, 0) + 1
        if kind in _TIMED and reason is not Reason.NOT_SENT:
            self.overhead_us.add(row.sent_us)
            of = (names[_MODEL] or OTHER, names[_PROVIDER] or OTHER)
            found = self.models.get(of)
            (self._made(of) if found is None else found).note(row)

    def _made(self, of: tuple[str, str]) -> ModelTally:
        key = of if len(self.models) < MODELS_MAX else (OTHER, OTHER)
        return self.models.setdefault(key, ModelTally())

    def document(self) -> dict[str, Any]:
        """As it stands in a file."""
        return {
            "models": [
                [*key, *(h.document() for h in tally.histograms)]
                for key, tally in self.models.items()
            ],
            "overhead_us": self.overhead_us.document(),
            "decisions": [[*key, count] for key, count in self.decisions.items()],
        }

    @classmethod
    def read(cls, document: Any) -> Tally:
        """From a file; anew where the file is older or has other buckets: no money is in it."""
        tally = cls()
        try:
            tally._take(document)
        except (ValueError, KeyError, TypeError):
            return cls()
        return tally

    def _take(self, document: Any) -> None:
        self.overhead_us.take(document["overhead_us"])
        for model, provider, *histograms in document["models"]:
            made = self.models.setdefault((str(model), str(provider)), ModelTally())
            for histogram, counts in zip(made.histograms, histograms, strict=True):
                histogram.take(counts)
        for decision, reason, count in document["decisions"]:
            self.decisions[str(decision), str(reason)] = int(count)


# A look-up is several times as fast as `name.lower()`, and there is one for each row.
_DECISIONS: Final = {member: member.name.lower() for member in Decision}
_REASONS: Final = {member: member.name.lower() for member in Reason}
