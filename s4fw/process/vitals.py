"""Decisions about children from what their slots of the table show.  Pure: tested without forks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

HEARTBEAT_S_MAX = 5.0  # ten beats missed; a pause of 3 s (a debugger, a snapshot) must pass
ABORT_S = 1.0  # what SIGABRT gets to write where the child was stuck, before SIGKILL
BOOT_S_MAX = 30.0  # a fork that never joins its slot; loading happens before the fork


class SlotLike(Protocol):
    """What is looked at here of `ledger.table.SlotInfo`."""

    @property
    def slot(self) -> int: ...
    @property
    def pid(self) -> int: ...
    @property
    def is_live(self) -> bool: ...
    @property
    def open_leases(self) -> int: ...
    @property
    def ring_lag(self) -> int: ...
    @property
    def heartbeat_age_ms(self) -> int: ...


class Attention:
    """Since when the master itself has been looking regularly.

    After a pause of the whole machine (a frozen VM, SIGSTOP to the group) every heartbeat is old
    at once; the children get the same time to beat again as ever before anybody is called stuck.
    """

    GAP_S_MAX = 1.5  # the loop turns at least twice a second

    def __init__(self, now_s: float) -> None:
        self._last_s = self._since_s = now_s

    def look(self, now_s: float) -> float:
        """Count one turn of the loop; returns for how long the turns have been regular."""
        if now_s - self._last_s > self.GAP_S_MAX:
            self._since_s = now_s
        self._last_s = now_s
        return now_s - self._since_s


def is_stuck(info: SlotLike, pid: int, age_s: float, attention_s: float) -> bool:
    """Whether a child of this age, in the slot `info`, has stopped beating (or never began)."""
    if info.pid != pid or not info.is_live:
        return age_s > BOOT_S_MAX
    is_silent = info.heartbeat_age_ms > HEARTBEAT_S_MAX * 1000
    return is_silent and min(age_s, attention_s) > HEARTBEAT_S_MAX


def has_left(info: SlotLike, pid: int, was_ready: bool) -> bool:
    """Whether a child has given its slot back: between that and its exit it does not beat."""
    return was_ready and info.pid != pid


def free_slot(infos: Sequence[SlotLike], taken: Collection[int]) -> int | None:
    """The slot for the next child: nobody's, nothing open.  None when all are in use.

    A slot whose ring still has rows for the steward is taken only when there is no other: its rows
    stay, but the new owner begins with less room.
    """
    free = [i for i in infos if not i.is_live and not i.open_leases and i.slot not in taken]
    return min(free, key=lambda i: (i.ring_lag > 0, i.slot)).slot if free else None


def to_recover(infos: Sequence[SlotLike], ours: Collection[int]) -> list[int]:
    """Slots with leases whose owner died and was no child of this master.

    Leases of a former master's orphans: they drain on, and each is recovered when it dies.
    """
    return [i.slot for i in infos if not i.is_live and i.open_leases and i.slot not in ours]


def orphans(infos: Sequence[SlotLike], pids: Collection[int]) -> list[int]:
    """The pids of living slot owners that are no children of this master."""
    return [i.pid for i in infos if i.is_live and i.pid not in pids]
