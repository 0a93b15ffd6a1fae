"""What a stage decides about an exchange: None means go on, the others end the walk."""

from __future__ import annotations

from typing import Any

from s4fw.errors import Code


class Block:
    """Refused by the firewall.  The dialect gives it status and envelope.

    `message` is a sentence a person can act on; `detail` are further members of the `s4fw` object
    in the body (budget_id, scope, window, amounts); `retry_after_s` only where waiting helps.
    """

    __slots__ = ("allow", "code", "detail", "message", "retry_after_s")

    def __init__(
        self,
        code: Code,
        message: str,
        detail: dict[str, Any] | None = None,
        *,
        retry_after_s: int | None = None,
        allow: str | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.detail = detail or {}
        self.retry_after_s = retry_after_s
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
