"""A budget as the ledger asks for it, without a configuration around it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Override:
    scope: dict[str, str]
    limit_nusd: int


@dataclass
class Budget:
    """A budget as the configuration has it."""

    id: str = "b"
    per: tuple[str, ...] = ("tenant",)
    window: str = "day"
    limit_nusd: int = 100
    mode: str = "enforce"
    timezone: str | None = None
    overrides: list[Override] = field(default_factory=list)
    warn_at: tuple[int, ...] = ()
    owner: str | None = None
    visible: bool = False
    idle_s: float | None = None
    was: str | None = None
