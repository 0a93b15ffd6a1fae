"""How often the rules were wrong, judged by what came after; from hashes and counts only.

An episode that nobody refused is followed over some turns (see `episodes.follow`): an agent that
does new things was at work, one that does not was in a loop.  A session that ends before that is
judged here, once it has been silent for IDLE_MS: where it ended at once, nobody missed it.
Somebody has to look now and then; the steward does.

A rule of which nothing was ever wrong may still be: `wilson_upper` says how often at most.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

from s4fw.loops import episodes, memory, tenants
from s4fw.loops.memory import Memory

ENDED_TURNS: Final = 3  # a session that ends within so many turns
IDLE_MS: Final = 30 * 60_000  # without a request: it has ended

Z_95: Final = 1.959963984540054  # two-sided


def settle_idle(shared: Memory, now_ms: int, idle_ms: int = IDLE_MS) -> int:
    """Judge the sessions that are followed and have ended; returns how many."""
    words, section = shared.words, shared.sessions
    each = section.words_each
    opened = words[section.at + memory.EPISODE_MS : section.end : each].tolist()
    count = 0
    for place, opened_ms in enumerate(opened):
        if not opened_ms:
            continue
        at = section.at + place * each
        is_idle = now_ms - words[at + memory.SEEN_MS] >= idle_ms
        if is_idle and episodes.is_followed(shared, at):
            _settle(shared, at)
            count += 1
    return count


def _settle(shared: Memory, at: int) -> None:
    words = shared.words
    turns = words[at + memory.FOLLOWED]
    said = episodes.hindsight(turns, words[at + memory.FOLLOWED_NEW])
    if turns <= ENDED_TURNS:
        said = memory.PROVED
    words[at + memory.FOLLOWED] = -1  # judged
    tenants.add(shared, words[at + memory.TENANT], words[at + memory.EPISODE_RULE], said)


def wilson_upper(wrong: int, of: int) -> float:
    """The share that is wrong at most, with 95 % confidence, where `wrong` of `of` were; 1 where
    nothing is known (Wilson 1927, the upper end of the score interval)."""
    if of <= 0:
        return 1.0
    share, z2 = wrong / of, Z_95 * Z_95
    middle = share + z2 / (2 * of)
    spread = Z_95 * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return min((middle + spread) / (1 + z2 / of), 1.0)
