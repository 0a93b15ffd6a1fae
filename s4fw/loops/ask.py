"""What goes into the watch for each request, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping

from s4fw.core.transcript import Transcript
from s4fw.loops.tail import Tail
from s4fw.loops.verdict import Finding

# What is done; the numbers are those of journal rows (`ledger.journal.LOOPS`).
PASS, WARNS, SHADOWS, BLOCKS = range(4)


class Judgement:
    """What was found, and what is done about it."""

    __slots__ = ("action", "finding", "first_turn", "is_new", "level", "wasted_nusd")

    def __init__(self, finding: Finding, level: int, action: int) -> None:
        self.finding = finding
        self.level = level  # WARN_LEVEL or BLOCK_LEVEL: what the thresholds say
        self.action = action  # what is done: PASS, WARNS, SHADOWS or BLOCKS
        self.first_turn = 0  # of the loop, counted from 1; 0 where the rule is of no turn
        self.wasted_nusd = 0
        self.is_new = False  # the first of its episode

    def __repr__(self) -> str:
        return f"<Judgement {self.finding!r} level={self.level} action={self.action}>"


class Ask:
    """What the watch needs to know of a request."""

    __slots__ = (
        "agent_ok", "body_bytes", "caller", "feature", "headers", "is_chained", "is_read",
        "is_retry", "key", "labels", "model", "named", "now_ms", "root", "tail", "tenant",
        "transcript",
    )  # fmt: skip

    def __init__(
        self,
        transcript: Transcript,
        headers: Mapping[bytes, bytes],
        labels: Mapping[str, str],
        model: str,
        key: str | None,
        tenant: str,
        feature: str,
        body_bytes: int,
        now_ms: int,
    ) -> None:
        self.transcript = transcript
        self.headers = headers
        self.labels = labels
        self.model = model
        self.key = key
        self.caller = key or ""
        self.tenant = tenant
        self.feature = feature
        self.body_bytes = body_bytes
        self.now_ms = now_ms
        self.is_retry = is_sdk_retry(headers)
        self.agent_ok = 0  # turns of a loop that its key may allow itself
        # Of `Watch.read`:
        self.is_read = False
        self.is_chained = False  # it names a response that is known
        self.named = 0  # the session that it names, 0: none
        self.root = 0
        self.tail: Tail | None = None  # None: a single question


class Seen:
    """What is kept of a request until its cost is known."""

    __slots__ = ("at", "caller", "judgement", "key", "storm", "tail", "tenant", "turns")

    def __init__(self, tenant: int, storm: int, caller: str) -> None:
        self.tenant = tenant
        self.caller = caller
        self.storm = storm
        self.at = -1  # its session's place; -1: it has none
        self.key = 0
        self.turns = 0
        self.judgement: Judgement | None = None
        self.tail: Tail | None = None

    @property
    def session(self) -> str:
        """The session as operators name it, empty where there is none."""
        return f"{self.key & 0xFFFFFFFFFFFFFFFF:016x}" if self.key else ""


def is_sdk_retry(headers: Mapping[bytes, bytes]) -> bool:
    """Whether an SDK says that it sends a request again: not a step of an agent."""
    count = headers.get(b"x-stainless-retry-count")
    if count is not None:
        return count != b"0"
    attempt = headers.get(b"amz-sdk-request")  # attempt=2; max=4
    return attempt is not None and b"attempt=" in attempt and b"attempt=1;" not in attempt + b";"
