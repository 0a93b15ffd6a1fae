"""What a stage decides about an exchange: None means go on, the others end the walk."""

from __future__ import annotations

from typing import Any, Final

from s4fw.errors import Code

# Some SDKs obey any delay, an hour too; others ignore what is beyond a minute.
RETRY_AFTER_MAX_S: Final = 60


class Block:
    """Refused by the firewall.  The dialect gives it status and envelope.

    `message` is a sentence a person can act on; `detail` are further members of the `s4fw` object
    in the body (budget_id, scope, window, amounts).  Where waiting helps: `retry_after_s`, 1 to 60,
    and where it is known so precisely `retry_after_ms`, from which the seconds then follow.
    """

    __slots__ = ("allow", "code", "detail", "message", "retry_after_ms", "retry_after_s")

    def __init__(
        self,
        code: Code,
        message: str,
        detail: dict[str, Any] | None = None,
        *,
        retry_after_s: int | None = None,
        retry_after_ms: int | None = None,
        allow: str | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.detail = detail or {}
        if retry_after_ms is not None:
            retry_after_s = min(max(-(-retry_after_ms // 1000), 1), RETRY_AFTER_MAX_S)
        self.retry_after_s = retry_after_s
        self.retry_after_ms = retry_after_ms  # SDKs prefer it to the seconds
        self.allow = allow  # the Allow header of a 405

    def __repr__(self) -> str:
        return f"<Block {self.code.name}>"


class Answer:
    """A complete answer of our own (health, later a cache hit): nothing is forwarded."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"


Verdict = Block | Answer | None
